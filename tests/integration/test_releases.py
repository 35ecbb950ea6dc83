# SPDX-License-Identifier: GPL-2.0-or-later
"""The project's own releases: their sources by mmdebstrap, their packages by FAI, pins by fcopy.

Ubuntu's archive is not asked: it is tested up to there, with a mirror that does not answer.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from builder import classes, configspace, names
from builder.archive import keyrings
from builder.archive.aptroot import native_arch, open_root
from builder.archive.pool import DebCache
from builder.archive.predict import predict
from builder.archive.sources import default_sources, host_mirrors, image_sources, on_mirrors
from builder.errors import UsageError
from builder.install import fai
from builder.models import ExtraSource
from builder.run import run
from tests.integration.harness import ROOT, Forge

PIN = "files/etc/apt/preferences.d/backports-kernel.pref/BACKPORTS"
GENERIC = {"amd64": "linux-image-amd64", "arm64": "linux-image-arm64"}
CATALOGUE = classes.load(classes.own_overlays(ROOT))
RELEASES = ("debian-12", "debian-13", "debian-14", "debian-sid", "ubuntu-2404", "ubuntu-2604")


def spec_of(name: str) -> classes.ImageSpec:
    return classes.resolve(CATALOGUE, names.parse(name))


def suites(name: str) -> list[tuple[str, str]]:
    """Suites and components of each source of an image."""
    spec = spec_of(name)
    own = image_sources(spec.name.distro, spec.codename, spec.sources)
    return [(" ".join(each.suites), " ".join(each.components)) for each in own]


ALL_OF_UBUNTU = "main multiverse restricted universe"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "debian-12",
            [("bookworm bookworm-updates", "main"), ("bookworm-security", "main")],
        ),
        ("debian-14", [("forky forky-updates", "main"), ("forky-security", "main")]),
        ("debian-sid", [("sid", "main")]),
        (
            "debian-13-backports",
            [("trixie trixie-updates trixie-backports", "main"), ("trixie-security", "main")],
        ),
        (
            "ubuntu-2404",
            [("noble noble-updates", ALL_OF_UBUNTU), ("noble-security", ALL_OF_UBUNTU)],
        ),
        (
            "ubuntu-2604",
            [("resolute resolute-updates", ALL_OF_UBUNTU), ("resolute-security", ALL_OF_UBUNTU)],
        ),
    ],
)
def test_sources(name: str, expected: list[tuple[str, str]]) -> None:
    assert suites(name) == expected


# What one release has and another lacks, by package.
ONLY_IN = {
    "systemd-repart": ("debian-13", "debian-14", "debian-sid", "ubuntu-2604"),
    "libnss-resolve": ("debian-13", "debian-14", "debian-sid", "ubuntu-2404", "ubuntu-2604"),
    "linux-sysctl-defaults": ("debian-13", "debian-14", "debian-sid"),
    "grub-cloud-amd64": ("debian-12", "debian-13", "debian-14", "debian-sid"),
    "linux-image-amd64": ("debian-12", "debian-13", "debian-14", "debian-sid"),
    "linux-image-generic": ("ubuntu-2404", "ubuntu-2604"),
    "netplan.io": RELEASES,
    "cloud-init": RELEASES,
    "systemd-timesyncd": RELEASES,
}


@pytest.mark.parametrize("name", RELEASES)
def test_packages(name: str, tmp_path: Path) -> None:
    spec = spec_of(name)
    merged = configspace.merge(
        ROOT / "fai-config", CATALOGUE.overlays(spec.classes), tmp_path / "config"
    )
    wanted = fai.wanted_packages(merged.root, spec.classes)
    assert not wanted.recommends
    assert {each for each in ONLY_IN if each in wanted.packages} == {
        each for each, releases in ONLY_IN.items() if name in releases
    }
    # What is promised is asked for, all of it.
    assert set(spec.packages) - set(wanted.packages) <= {"apt"}


def test_pins_are_copied_as_fai_does(tmp_path: Path) -> None:
    spec = spec_of("debian-13-backports")
    merged = configspace.merge(
        ROOT / "fai-config", CATALOGUE.overlays(spec.classes), tmp_path / "config"
    )
    pins = fai.preferences(merged.root, spec.classes, tmp_path / "pins")
    assert pins is not None
    (file,) = pins.iterdir()
    assert "Pin: release o=Debian Backports\n" in file.read_text()
    # Without the class nothing is pinned.
    plain = spec_of("debian-13")
    merged = configspace.merge(
        ROOT / "fai-config", CATALOGUE.overlays(plain.classes), tmp_path / "plain"
    )
    assert fai.preferences(merged.root, plain.classes, tmp_path / "none") is None


def test_a_pin_decides_between_suites(seed: Forge, tmp_path: Path) -> None:
    """With the class's pins the kernel comes from backports, and nothing else does."""
    own = image_sources("debian", "trixie", spec_of("debian-13-backports").sources)
    root = open_root(seed.cache / "apt", on_mirrors(own, host_mirrors()), native_arch())
    assert "trixie-backports" in [release.suite for release in root.refresh()]
    pins = tmp_path / "linux.pref"
    pins.write_text((ROOT / "classes/BACKPORTS" / PIN).read_text())
    kernel = GENERIC[native_arch()]
    plain = predict(root, (kernel, "nano"))
    pinned = predict(root, (kernel, "nano"), preferences=tmp_path)
    assert not any("Backports" in origin for each in plain for origin in each.package.origins)
    backported = [each.package.name for each in pinned if "~bpo" in each.package.version]
    assert kernel in backported
    assert all(name.startswith(("linux-", "initramfs-tools")) for name in backported)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("debian-14-backports", "testing has no backports"),
        ("debian-sid-backports", "unstable has no backports"),
        ("ubuntu-2404-backports", "Ubuntu's backports have no kernel"),
    ],
)
def test_no_backports_there(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        spec_of(name)


def test_a_suite_that_the_archive_lacks(tmp_path: Path) -> None:
    extra = ExtraSource(("sid-backports",), ("main",))
    own = on_mirrors(image_sources("debian", "sid", (extra,)), host_mirrors())
    with pytest.raises(UsageError, match="the archive has no suite sid-backports"):
        open_root(tmp_path, own, "amd64").refresh()


def test_an_architecture_that_a_release_lacks(tmp_path: Path) -> None:
    security = tuple(each for each in default_sources("debian", "bookworm") if each.is_security)
    with pytest.raises(UsageError, match="bookworm-security has nothing for riscv64"):
        open_root(tmp_path, on_mirrors(security, host_mirrors()), "riscv64").refresh()


def test_ubuntus_keyring_comes_from_debian(seed: Forge, tmp_path: Path) -> None:
    debian = on_mirrors(default_sources("debian", "trixie"), host_mirrors())
    root = open_root(seed.cache / "apt", debian, native_arch())
    found = keyrings.borrow("ubuntu", root, DebCache(seed.cache / "debs"), tmp_path)
    command = ["gpg", "--batch", "--homedir", str(tmp_path), "--show-keys", str(found)]
    assert "Ubuntu Archive Automatic Signing Key" in run(command, capture=True).output


def test_ubuntus_archive_does_not_answer(forge: Forge) -> None:
    """One sentence and exit code 4; Ubuntu's own archive is not even asked."""
    here = "http://127.0.0.1:1/ubuntu"
    running = replace(forge, project=ROOT).build(
        "--mirror", here, "--security-mirror", here, name="ubuntu-2404"
    )
    assert running.process.returncode == 4, running.text
    assert f"fai-forge: the archive {here} cannot be reached: Could not connect" in running.text
    assert forge.left("ubuntu-2404") == []
