# SPDX-License-Identifier: GPL-2.0-or-later
"""What OpenStack is told of an upstream's image: each property, by what its YAML file says."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from builder import distros
from builder.imports.offers import Offer, OfferedFile
from builder.upstream import scs
from builder.upstream.asking import Asking
from builder.upstream.candidates import Candidate
from builder.upstream.catalogue import read_file
from builder.upstream.finding import Found
from builder.upstream.model import Frequency, Purpose

# Source: SCS-0102, "image metadata", the properties that must be there. `min_disk` comes with the
# image itself.
MANDATORY: Final = {
    "architecture",
    "hw_disk_bus",
    "image_build_date",
    "image_description",
    "image_original_user",
    "image_source",
    "min_ram",
    "os_distro",
    "os_purpose",
    "os_version",
    "provided_until",
    "replace_frequency",
    "uuid_validity",
}
URL: Final = "https://images.example.org/ours.qcow2"


def found(folder: Path, url: str = URL, arch: str = "amd64", **more: Any) -> Found:
    """The newest version of an image with such a YAML file."""
    content = {
        "distro": "alma",
        "os_distro": "almalinux",
        "unsigned": "nobody signs it",
        "arches": {"amd64": "x86_64", "arm64": "aarch64"},
        "index": {"kind": "checksums", "list": "https://images.example.org/SHA256SUMS"},
        "file": "ours.qcow2",
        "releases": [{"release": "10"}],
        **more,
    }
    path = folder / "ours.yaml"
    path.write_text(yaml.safe_dump(content))
    series = next(each for each in read_file(path).series(Asking()) if each.arch == arch)
    made = datetime(2026, 11, 1, tzinfo=UTC)
    image = OfferedFile("ours.qcow2", "qcow2", url)
    offer = Offer("ours", "alma-10", "20261101", "upstream", (image,), "TLS", made, "10.1")
    return Found(series, Candidate("ours.qcow2", url), offer)


def told(folder: Path, **more: Any) -> dict[str, str]:
    return scs.properties(found(folder, **more))


def test_all_that_must_be_there_is(tmp_path: Path) -> None:
    plain = told(tmp_path)
    assert set(plain) == MANDATORY
    assert plain["image_build_date"] == "2026-11-01"
    assert plain["image_description"] == "AlmaLinux 10, 10.1, as its makers publish it"
    assert (plain["min_ram"], plain["uuid_validity"]) == ("512", "last-3")
    assert (plain["os_purpose"], plain["replace_frequency"]) == ("generic", "critical_bug")
    assert (plain["image_original_user"], plain["provided_until"]) == ("none", "none")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"firmware": ["bios", "uefi"]}, {"hw_firmware_type": None, "os_secure_boot": None}),
        ({"firmware": ["bios"]}, {"hw_firmware_type": None}),
        ({"firmware": ["uefi"]}, {"hw_firmware_type": "uefi", "os_secure_boot": None}),
        ({"firmware": ["uefi", "uefi-secureboot"]}, {"os_secure_boot": "optional"}),
        ({"disk_bus": "scsi"}, {"hw_disk_bus": "scsi", "hw_scsi_model": "virtio-scsi"}),
        ({}, {"hw_disk_bus": "virtio", "hw_scsi_model": None}),
        ({"min_ram": 2048}, {"min_ram": "2048"}),
        ({"min_ram": 0}, {"min_ram": "0"}),
        ({"purpose": "minimal"}, {"os_purpose": "minimal"}),
        ({"os_version": "10-stream"}, {"os_version": "10-stream"}),
        ({"releases": [{"release": "10", "number": "10.0"}]}, {"os_version": "10.0"}),
        ({"keep": 7}, {"uuid_validity": "last-7"}),
        ({"default_user": "alma"}, {"image_original_user": "alma"}),
        ({"provided_until": "2035-05-31"}, {"provided_until": "2035-05-31"}),
        ({"arch": "arm64"}, {"architecture": "aarch64"}),
        ({"url": "file:///srv/ours.qcow2"}, {"image_source": "private"}),
        ({"url": f"{URL}?signature=secret"}, {"image_source": URL}),
        ({"properties": {"os_type": "linux"}}, {"os_type": "linux"}),
        # What the file says goes before all, and an empty text leaves a property out.
        ({"properties": {"min_ram": "1", "os_distro": ""}}, {"min_ram": "1", "os_distro": None}),
    ],
)
def test_what_the_file_says_counts(
    tmp_path: Path, said: dict[str, Any], expected: dict[str, str | None]
) -> None:
    found = told(tmp_path, **said)
    assert {name: found.get(name) for name in expected} == expected


def test_distro_info_knows_the_end_of_updates(tmp_path: Path) -> None:
    ends = distros.end_of_life("debian", "12")
    releases = [{"release": "12"}]
    debian = told(tmp_path, distro="debian", os_distro="debian", releases=releases)
    assert debian["provided_until"] == f"{ends}"
    assert debian["image_description"].startswith("Debian 12 (bookworm), ")
    rolling = told(tmp_path, distro="debian", releases=[{"release": "sid"}])
    assert rolling["provided_until"] == "none"


def test_words_are_those_of_the_standard() -> None:
    assert scs.PURPOSE in Purpose.__args__  # type: ignore[attr-defined]
    assert scs.FREQUENCY in Frequency.__args__  # type: ignore[attr-defined]
