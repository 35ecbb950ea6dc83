# SPDX-License-Identifier: GPL-2.0-or-later
"""Which earlier build's report a boot is compared with, in a folder of builds and in a store."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.errors import InfrastructureError, UsageError
from builder.guest.reports.report import SUFFIX, Report, dump
from builder.planning.earlier import earlier
from builder.planning.published import FolderStore, IndexStore
from builder.store.memory import Memory
from tests.unit.boots import boot, case, report
from tests.unit.stores import NOW, Seal, build, publisher, put

SERIES = "debian-13"


def text(serial: str) -> str:
    return dump(report(boot(case("m::a")), serial=serial))


def folder(root: Path, *serials: str, without: tuple[str, ...] = ()) -> FolderStore:
    for serial in serials:
        place = root / SERIES / serial
        place.mkdir(parents=True)
        if serial not in without:
            (place / f"{SERIES}-{serial}{SUFFIX}").write_text(text(serial))
    return FolderStore(root)


@pytest.mark.parametrize(
    ("serials", "without", "serial", "found"),
    [
        ((), (), "20261121", None),
        (("20261121",), (), "20261121", None),
        (("20261119", "20261120", "20261121", "20261122"), (), "20261121", "20261120"),
        (("20261119", "20261120"), ("20261120",), "20261121", "20261119"),
        (("20261121", "20261121.2", "20261121.10"), (), "20261121.10", "20261121.2"),
        (("20261119",), ("20261119",), "20261121", None),
    ],
)
def test_in_a_folder(
    tmp_path: Path,
    serials: tuple[str, ...],
    without: tuple[str, ...],
    serial: str,
    found: str | None,
) -> None:
    answer = earlier(folder(tmp_path, *serials, without=without), SERIES, serial)
    assert (answer.serial if answer else None) == found


def test_what_cannot_be_read_is_no_report_that_is_missing(tmp_path: Path) -> None:
    store = folder(tmp_path, "20261120")
    (tmp_path / SERIES / "20261120" / f"{SERIES}-20261120{SUFFIX}").write_text("{}")
    with pytest.raises(UsageError):
        earlier(store, SERIES, "20261121")


def published(root: Path) -> IndexStore:
    """A signed store with three builds; the last but one has no report."""
    to = publisher(root)
    for serial in ("20261119", "20261120", "20261121"):
        more = {} if serial == "20261120" else {f"{SERIES}-{serial}{SUFFIX}": text(serial).encode()}
        put(to, build(root / "out", serial, more=more))
    return IndexStore(to.place, Seal(), Memory(root / "reader"), NOW)


def test_in_a_store(tmp_path: Path) -> None:
    store = published(tmp_path)
    found = {serial: earlier(store, SERIES, serial) for serial in ("20261119", "20261121")}
    assert found["20261119"] is None
    assert isinstance(found["20261121"], Report)
    assert found["20261121"].serial == "20261119"
    assert earlier(store, "debian-12", "20261121") is None


def test_a_report_that_nobody_signed_is_refused(tmp_path: Path) -> None:
    store = published(tmp_path)
    path = tmp_path / "store" / SERIES / "20261119" / f"{SERIES}-20261119{SUFFIX}"
    path.write_text(text("20261119").replace("m::a", "m::b"))
    with pytest.raises(InfrastructureError):
        earlier(store, SERIES, "20261121")
