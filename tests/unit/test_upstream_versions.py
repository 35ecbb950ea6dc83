# SPDX-License-Identifier: GPL-2.0-or-later
"""Which version of an image is the newest, by the patterns of our own files."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from builder.upstream import candidates, catalogue
from builder.upstream.asking import Asking
from builder.upstream.candidates import Candidate, is_finished
from builder.upstream.model import ReleaseEntry
from builder.upstream.series import Series

SOURCES = Path(__file__).parents[2] / "upstreams"
DAY = date(2026, 11, 20)


def series(source: str, name: str) -> Series:
    found = catalogue.read_file(SOURCES / f"{source}.yaml")
    if source == "opensuse-leap":
        release, _, arch = name.removeprefix("opensuse-").partition("-")
        entry = next((each for each in found.upstream.releases if each.release == release), None)
        entry = entry or ReleaseEntry(release=release)
        return next(each for each in found._of(entry) if each.arch == (arch or "amd64"))
    return next(each for each in found.series(Asking(), DAY) if each.name == name)


def newest(of: Series, *names: str) -> str:
    """The newest of some files, each changed later than the one before it."""
    found = []
    for minute, name in enumerate(names):
        words = candidates.told(of, name)
        if words is not None:
            modified = datetime(2026, 11, 20, 7, minute, tzinfo=UTC)
            found.append(Candidate(name, f"https://x/{name}", *words, modified=modified))
    best = candidates.newest(found)
    return best.label if best else ""


TRAPS = {
    "a minor number of two digits": (
        "rocky",
        "rocky-9",
        "Rocky-9-GenericCloud-Base-{}.x86_64.qcow2",
        ("9.8-20260601.0", "9.10-20260101.0", "9.9-20260901.0"),
        "9.10-20260101.0",
    ),
    "respins of a day": (
        "rocky",
        "rocky-9",
        "Rocky-9-GenericCloud-Base-{}.x86_64.qcow2",
        ("9.8-20221101.9", "9.8-20221101.10", "9.8-20221101.0"),
        "9.8-20221101.10",
    ),
    "latest": (
        "centos",
        "centos-10",
        "CentOS-Stream-GenericCloud-10-{}.x86_64.qcow2",
        ("20241118.0", "latest", "20241117.9"),
        "20241118.0",
    ),
    "one with a respin": (
        "almalinux",
        "alma-9",
        "AlmaLinux-9-GenericCloud-{}.x86_64.qcow2",
        ("9.8-20260526.1", "9.8-20260526", "latest", "9-latest"),
        "9.8-20260526.1",
    ),
    "another release": (
        "almalinux",
        "alma-10",
        "AlmaLinux-10-GenericCloud-{}.x86_64.qcow2",
        ("10.2-20260526.0", "100.1-20270101.0", "9.8-20270101"),
        "10.2-20260526.0",
    ),
    "another variant": (
        "almalinux",
        "alma-10",
        "AlmaLinux-10-GenericCloud-{}.x86_64.qcow2",
        ("10.2-20260526.0", "ext4-10.2-20260527.0", "10.2-20260528.0.x86_64_v2"),
        "10.2-20260526.0",
    ),
    "builds": (
        "opensuse-leap",
        "opensuse-16.0",
        "Leap-16.0-Minimal-VM.x86_64-Cloud-Build{}.qcow2",
        ("18.7", "18.68", "9.100", "18.9"),
        "18.68",
    ),
    "the builds of Debian": (
        "debian",
        "debian-13-genericcloud",
        "debian-13-genericcloud-amd64-{}.qcow2",
        ("20250814-2204", "20250814-999", "daily-20260717-2542"),
        "20250814-2204",
    ),
    "snapshots": (
        "opensuse",
        "opensuse-microos",
        "openSUSE-MicroOS.x86_64-16.0.0-OpenStack-Cloud-Snapshot{}.qcow2",
        ("20260207", "20240629", "Current"),
        "20260207",
    ),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_versions_count_as_numbers(trap: str) -> None:
    source, name, form, versions, wanted = TRAPS[trap]
    names = [form.format(version) for version in versions]
    for order in (names, names[::-1]):
        assert newest(series(source, name), *order) == wanted


OTHERS = {
    ("opensuse-leap", "opensuse-16.0"): (
        "Leap-16.0-Minimal-VM.x86_64-Cloud.qcow2",
        "Leap-16.0-Minimal-VM.aarch64-Cloud-Build18.7.qcow2",
        "Leap-16.0-Minimal-VM.x86_64-kvm-Build18.7.qcow2",
        "Leap-16x0-Minimal-VM.x86_64-Cloud-Build18.7.qcow2",
        "Leap-16.0-Minimal-VM.x86_64-Cloud-Build18.7.qcow2.sha256",
        "SLES-16.0-Minimal-VM.x86_64-Cloud-Build18.7.qcow2",
    ),
    ("opensuse", "opensuse-tumbleweed"): (
        "openSUSE-Tumbleweed-Minimal-VM.x86_64-Cloud.qcow2",
        "openSUSE-Tumbleweed-Minimal-VM.x86_64-1.0.0-kvm-and-xen-Snapshot20260207.qcow2",
    ),
    ("opensuse", "opensuse-microos"): (
        "openSUSE-MicroOS.x86_64-16.0.0-ContainerHost-OpenStack-Cloud-Snapshot20260207.qcow2",
    ),
    ("rocky", "rocky-10"): (
        "Rocky-10-GenericCloud.latest.x86_64.qcow2",
        "Rocky-10-GenericCloud-LVM-10.2-20260525.0.x86_64.qcow2",
        "Rocky-10-GenericCloud-Base-10.2-20260525.0.aarch64.qcow2",
    ),
    ("centos", "centos-9"): (
        "CentOS-Stream-GenericCloud-9-latest.x86_64.qcow2",
        "CentOS-Stream-GenericCloud-x86_64-9-latest.x86_64.qcow2",
        "CentOS-Stream-GenericCloud-10-20241118.0.x86_64.qcow2",
        "CentOS-Stream-ec2-9-20211222.0.x86_64.raw.xz",
    ),
    ("ubuntu", "ubuntu-2404"): (
        "ubuntu-24.04-server-cloudimg-amd64v3.img",
        "ubuntu-24.04-minimal-cloudimg-amd64.img",
        "ubuntu-24x04-server-cloudimg-amd64.img",
    ),
}


@pytest.mark.parametrize(("source", "name"), OTHERS)
def test_names_that_are_no_version(source: str, name: str) -> None:
    for other in OTHERS[source, name]:
        assert newest(series(source, name), other) == ""


def test_the_earlier_names_of_leap() -> None:
    names = [
        f"openSUSE-Leap-15.6-Minimal-VM.x86_64-15.6.0-Cloud-Build{each}.qcow2"
        for each in ("19.146", "19.99")
    ]
    assert newest(series("opensuse-leap", "opensuse-15.6"), *names) == "19.146"


def test_two_files_of_one_version_do_not_take_turns() -> None:
    of = series("centos", "centos-10")
    names = [
        f"CentOS-Stream-GenericCloud-{each}10-20241118.0.x86_64.qcow2" for each in ("", "x86_64-")
    ]
    for order in (names, names[::-1]):
        told = [(name, candidates.told(of, name)) for name in order]
        found = [Candidate(name, name, *words) for name, words in told if words]
        best = candidates.newest(found)
        assert best is not None
        assert best.file == names[1]


def test_words_of_one_architecture() -> None:
    url = "{ports}tumbleweed/{arch}"
    assert series("opensuse", "opensuse-microos").fill(url) == "tumbleweed/x86_64"
    arm = series("opensuse", "opensuse-microos-arm64")
    assert arm.fill(url) == "ports/aarch64/tumbleweed/aarch64"


@pytest.mark.parametrize(
    "text",
    [
        "9.8-BETA",
        "43 Beta",
        "beta1",
        "Leap-16.1-RC2.qcow2",
        "AlmaLinux-10-beta-x",
        "alpha",
        "3.2_rc1",
    ],
)
def test_what_is_not_finished(text: str) -> None:
    assert not is_finished(text)
    assert is_finished(text, beta=True)


@pytest.mark.parametrize(
    "text", ["9.8", "release", "Betacloud-9", "arch", "x86_64", "marching", ""]
)
def test_what_is_finished(text: str) -> None:
    assert is_finished(text)
