# SPDX-License-Identifier: GPL-2.0-or-later
"""Names of images, as our YAML files read them; and what a site has to supply before that."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.downloads.client import Client
from builder.upstream import catalogue
from builder.upstream.asking import Asking
from builder.upstream.candidates import Candidate, Told, newest, told
from builder.upstream.catalogue import Source
from builder.upstream.finding import Found
from builder.upstream.model import ReleaseEntry
from builder.upstream.series import Series

FOLDER = Path(__file__).parents[2] / "upstreams"
OURS = ("alpine", "arch", "cirros", "fedora", "oracle", "rhel", "sles", "windows")


def series(source: str, release: str = "", arch: str = "amd64") -> Series:
    """An image of a source; a release that is not listed is one that was found out."""
    read = catalogue.read_file(FOLDER / f"{source}.yaml")
    entry = next(
        (each for each in read.upstream.releases if each.release == release),
        ReleaseEntry(release=release or "0"),
    )
    traits = catalogue._traits(read, entry)
    return Series(read.name, read.path, read.upstream, entry, arch, traits)


@pytest.mark.parametrize(
    ("source", "release", "arch", "name", "known"),
    [
        ("fedora", "39", "amd64", "Fedora-Cloud-Base-39-1.5.x86_64.qcow2", Told("39-1.5")),
        (
            "fedora",
            "40",
            "amd64",
            "Fedora-Cloud-Base-Generic.x86_64-40-1.14.qcow2",
            Told("40-1.14"),
        ),
        ("fedora", "44", "arm64", "Fedora-Cloud-Base-Generic-44-1.7.aarch64.qcow2", Told("44-1.7")),
        (
            "fedora",
            "41",
            "amd64",
            "Fedora-Cloud-Base-Generic-41_Beta-1.2.x86_64.qcow2",
            Told("41_Beta-1.2"),
        ),
        ("fedora", "44", "amd64", "Fedora-Cloud-Base-Generic-44-1.7.aarch64.qcow2", None),
        ("fedora", "4", "amd64", "Fedora-Cloud-Base-Generic-44-1.7.x86_64.qcow2", None),
        ("fedora", "44", "amd64", "Fedora-Cloud-Base-UEFI-UKI-44-1.7.x86_64.qcow2", None),
        ("fedora", "44", "amd64", "Fedora-Cloud-Base-Generic-44-1.7.x86_64.qcow2.sig", None),
        (
            "alpine",
            "3.24",
            "arm64",
            "nocloud_alpine-3.24.1-aarch64-uefi-cloudinit-r10.qcow2",
            Told("3.24.1", "", "r10"),
        ),
        ("alpine", "3.2", "amd64", "nocloud_alpine-3.24.1-x86_64-uefi-cloudinit-r0.qcow2", None),
        ("alpine", "3.24", "amd64", "nocloud_alpine-3x24.1-x86_64-uefi-cloudinit-r0.qcow2", None),
        (
            "alpine",
            "3.24",
            "amd64",
            "nocloud_alpine-3.24.0_rc1-x86_64-uefi-cloudinit-r0.qcow2",
            None,
        ),
        (
            "arch",
            "rolling",
            "amd64",
            "Arch-Linux-x86_64-cloudimg-20260715.556894.qcow2",
            Told("", "20260715", "556894"),
        ),
        ("arch", "rolling", "amd64", "Arch-Linux-x86_64-cloudimg.qcow2", None),
        ("oracle", "8", "amd64", "OL8U10_x86_64-kvm-b258.qcow2", Told("8U10", "", "b258")),
        ("oracle", "9", "arm64", "OL9U4_aarch64-kvm-cloud-b90.qcow2", Told("9U4", "", "b90")),
        ("oracle", "9", "amd64", "OL9U4_x86_64-olvm-b234.ova", None),
        ("rhel", "9", "amd64", "rhel-9.10-x86_64-kvm.qcow2", Told("9.10")),
        ("rhel", "9", "amd64", "rhel-9.10-beta-x86_64-kvm.qcow2", None),
        ("rhel", "10", "amd64", "rhel-9.10-x86_64-kvm.qcow2", None),
        (
            "sles",
            "15",
            "amd64",
            "SLES15-SP7-Minimal-VM.x86_64-Cloud-QU4.qcow2",
            Told("SP7", "", "QU4"),
        ),
        (
            "sles",
            "16",
            "arm64",
            "SLES-16.0-Minimal-VM.aarch64-Cloud-GM.qcow2",
            Told("16.0", "", "GM"),
        ),
        ("sles", "16", "amd64", "SLES-16.0-Minimal-VM.x86_64-Cloud-PublicRC.qcow2", None),
    ],
)
def test_what_a_name_tells(
    source: str, release: str, arch: str, name: str, known: Told | None
) -> None:
    assert told(series(source, release, arch), name) == known


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        (Told("44-1.9"), Told("44-1.10")),
        (Told("44_Beta-1.9"), Told("44-1.1")),
        (Told("3.24.1", "", "r9"), Told("3.24.1", "", "r10")),
        (Told("3.24.9", "", "r10"), Told("3.24.10", "", "r0")),
        (Told("", "20260715", "99999"), Told("", "20260715", "100000")),
        (Told("8U9", "", "b300"), Told("8U10", "", "b2")),
        (Told("9U4", "", "b90"), Told("9U4", "", "b234")),
        (Told("SP7", "", "GM"), Told("SP7", "", "QU1")),
        (Told("16.0", "", "GM"), Told("16.0", "", "QU0")),
        (Told("SP7", "", "QU4"), Told("SP7", "", "QU10")),
        (Told("SP7", "", "QU4"), Told("SP8", "", "GM")),
    ],
)
def test_which_version_is_newer(older: Told, newer: Told) -> None:
    found = [Candidate("a", "https://a.example/a", *each) for each in (newer, older)]
    assert newest(found) is found[0]
    assert newest(found[::-1]) is found[0]


@pytest.mark.parametrize("name", OURS)
def test_our_files_say_what_a_store_wants_to_know(name: str) -> None:
    known = series(name)
    assert known.traits.default_user
    assert known.traits.firmware
    assert known.traits.min_ram
    assert known.traits.replace_frequency


def supplied(source: Source) -> set[bool]:
    return {each.supplied for each in source.series(Asking())}


def test_without_a_token_red_hat_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    source = catalogue.read_file(FOLDER / "rhel.yaml")
    monkeypatch.delenv("RHEL_OFFLINE_TOKEN", raising=False)
    assert supplied(source) == {False}
    assert series("rhel", "9").missing == "an offline token in $RHEL_OFFLINE_TOKEN"
    monkeypatch.setenv("RHEL_OFFLINE_TOKEN", "a-secret")
    assert supplied(source) == {True}


def test_what_a_site_has_to_supply_is_not_there() -> None:
    for name in ("sles", "windows"):
        assert supplied(catalogue.read_file(FOLDER / f"{name}.yaml")) == {False}


def places(url: str, login: bool) -> list[tuple[str, Client]]:
    known = series("fedora", "44")
    made = Candidate("x", url, login=(lambda: {"Authorization": "x"}) if login else None)
    return list(Found(known, made, None).places(Asking()))  # type: ignore[arg-type]


def test_a_login_is_for_one_place_only() -> None:
    path = "linux/releases/44/x.qcow2"
    url = f"https://download.fedoraproject.org/pub/fedora/{path}"
    both = places(url, login=False)
    assert [address for address, _ in both] == [
        url,
        f"https://dl.fedoraproject.org/pub/fedora/{path}",
    ]
    assert all(client.login is None for _, client in both)
    ((address, client),) = places(url, login=True)
    assert (address, client.base) == (url, "https://download.fedoraproject.org")
    assert client.login is not None
