# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a boot's report goes: nothing is lost, and nothing of another image is kept."""

from __future__ import annotations

import threading
from pathlib import Path

from builder.builds import Built
from builder.guest.reports import report
from builder.guest.reports.remember import Records
from builder.manifest import document
from tests import published
from tests.unit.boots import boot, case

KINDS = ("bios", "uefi", "secureboot", "container")


def records(folder: Path) -> Records:
    built = Built("debian-13", "20261121", folder)
    made = published.manifest().model_copy(update={"boots": ()})
    built.manifest.write_text(document.dump(made))
    return Records(folder, "debian-13", "amd64", built)


def test_boots_that_end_at_once_are_all_remembered(tmp_path: Path) -> None:
    where = records(tmp_path)
    boots = [boot(case("m::a"), name=kind) for kind in KINDS]
    threads = [threading.Thread(target=where.add, args=(each,)) for each in boots]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = report.load(where.document)
    assert found is not None
    assert {each.name for each in found.boots} == set(KINDS)
    manifest = document.load(tmp_path / "debian-13-20261121.manifest.json")
    assert {each.name for each in manifest.boots} == set(KINDS)
    assert where.page.read_text().count("<section") == len(KINDS)
    # All that lies there is published.
    assert {path.name for path in tmp_path.iterdir()} == {
        "debian-13-20261121.manifest.json",
        "debian-13-20261121.boots.json",
        "debian-13-20261121.report.html",
    }


def test_a_boot_takes_the_place_of_its_older_one(tmp_path: Path) -> None:
    where = records(tmp_path)
    (tmp_path / "boot-uefi.xml").touch()
    where.add(boot(case("m::a", "failed")))
    where.add(boot(case("m::a"), name="bios"))
    whole = where.add(boot(case("m::a"), case("m::b")))
    assert [(each.name, each.verdict) for each in whole.boots] == [
        ("bios", "passed"),
        ("uefi", "passed"),
    ]
    assert where.built is not None
    bios, uefi = document.load(where.built.manifest).boots
    assert (uefi.verdict, uefi.detail) == ("passed", "2 of 2 tests passed under tcg")
    # What is not there is not named.
    assert (uefi.log, bios.log) == ("boot-uefi.xml", None)


def test_boots_of_another_image_are_forgotten(tmp_path: Path) -> None:
    where = Records(tmp_path / "reports", "disk", "amd64")
    where.add(boot(case("m::a"), name="bios"))
    other = {"name": "disk.qcow2", "sha256": "b" * 64}
    whole = where.add(boot(case("m::a"), image=other))
    assert [each.name for each in whole.boots] == ["uefi"]
    assert (whole.name, whole.serial, where.document.name) == ("disk", None, "disk.boots.json")


def test_a_container_starts_from_another_image_of_the_build(tmp_path: Path) -> None:
    where = records(tmp_path)
    where.add(boot(case("m::a")))
    tarball = {"name": "debian-13-20261121.rootfs.tar.xz", "sha256": "b" * 64}
    whole = where.add(boot(case("m::a"), name="container", image=tarball))
    assert [each.name for each in whole.boots] == ["container", "uefi"]
    # A build is never made again under its name; if somebody did, it is another one.
    other = {"name": "debian-13-20261121.qcow2", "sha256": "c" * 64}
    whole = where.add(boot(case("m::a"), name="bios", image=other))
    assert [each.name for each in whole.boots] == ["bios", "container"]


def test_a_document_that_cannot_be_read_is_replaced(tmp_path: Path) -> None:
    where = Records(tmp_path, "disk", "amd64")
    where.document.write_text('{"apiVersion": "fai-forge/v9"}')
    assert where.add(boot(case("m::a"))).ok


def test_reports_of_a_build_go_elsewhere_if_asked(tmp_path: Path) -> None:
    (tmp_path / "build").mkdir()
    built = records(tmp_path / "build").built
    where = Records(tmp_path / "reports", "debian-13", "amd64", built)
    where.add(boot(case("m::a")))
    assert where.page.is_file()
    assert built is not None
    (verdict,) = document.load(built.manifest).boots
    assert verdict.log is None
