# SPDX-License-Identifier: GPL-2.0-or-later
"""Native programs for a foreign tree: which ones, and what the tree of them holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.archive.aptroot import AptRoot
from builder.archive.predict import Candidate
from builder.install import native as module
from builder.models import Package

# What tells its own architecture must be the image's.
TELLTALES = ("bin/arch", "bin/uname", "bin/dpkg", "bin/dpkg-query", "sbin/ldconfig", "bin/python3")


def candidate(name: str) -> Candidate:
    name, _, arch = name.partition(":")
    return Candidate(Package(name, "1", arch or "arm64", name, "1", sha256="0"), ("p",))


def programs() -> list[str]:
    return [name for line in module.PROGRAMS.values() for name in line.split()]


def test_programs_are_named_once_and_tell_no_architecture() -> None:
    assert len(set(programs())) == len(programs())
    assert not set(TELLTALES) & set(programs())


def test_only_packages_that_the_image_has(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []

    def predict(_root: AptRoot, packages: tuple[str, ...], **_more: object) -> tuple[()]:
        asked.append(packages)
        return ()

    monkeypatch.setattr(module, "predict", predict)
    names = "dash python3.14-minimal python3 nginx libtext-iconv-perl libyaml-perl:all libperl5.42"
    image = [candidate(name) for name in names.split()]
    recipe = module.recipe(AptRoot(Path("/apt"), "amd64", ()), "forky", image)
    wanted = ("base-files", "dash", "libperl5.42", "libtext-iconv-perl", "python3.14-minimal")
    assert asked == [wanted]
    assert (recipe.suite, recipe.include) == ("forky", asked[0])


def test_some_are_for_dpkg_only(tmp_path: Path) -> None:
    (tmp_path / "usr/bin").mkdir(parents=True)
    for name in ("python3.13", "python3.13-config", "dash"):
        (tmp_path / "usr/bin" / name).touch()
    module.furnish(tmp_path, "arm64")
    always = (tmp_path / "programs").read_text().split()
    with_dpkg = (tmp_path / "programs-of-dpkg").read_text().split()
    assert always == programs()
    assert with_dpkg == [*programs(), "bin/kmod", "bin/python3.13"]


def test_apt_plans_for_the_images_architecture(tmp_path: Path) -> None:
    module.furnish(tmp_path, "riscv64")
    conf = (tmp_path / "apt.conf").read_text()
    assert 'APT::Architecture "riscv64";' in conf
    assert 'APT::Architectures { "riscv64"; };' in conf
    assert f'Dir::Bin::dpkg "{tmp_path}/dpkg";' in conf
    for name in ("chroot", "dpkg", "rootcmd", "mount-programs"):
        assert (tmp_path / name).stat().st_mode & 0o111, name


def test_a_command_gets_mounts_of_its_own() -> None:
    words = module.rootcmd(Path("/n"), "amd64", Path("/t")).split()
    assert words[:2] == ["unshare", "--mount"]
    assert words[-5:] == [
        "/n/rootcmd",
        "/n",
        "/lib64/ld-linux-x86-64.so.2",
        "/usr/lib/x86_64-linux-gnu",
        "/t",
    ]
