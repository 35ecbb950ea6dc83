# SPDX-License-Identifier: GPL-2.0-or-later
"""How a sync went, as it is kept; and which remotes are asked at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.errors import InfrastructureError, UsageError
from builder.facility import asking, record
from builder.facility.asking import Answer, Source
from builder.facility.config import Facility
from builder.facility.record import RemoteRecord, SeriesRecord, SyncRecord
from builder.imports.offers import Remote
from tests.unit.facilities import KEY, now, site


def kept(*series: SeriesRecord) -> SyncRecord:
    remote = RemoteRecord(name="portal", url="https://portal.example.org", ok=True, date=now())
    return SyncRecord(ended=now(), ok=True, remotes=(remote,), series=series)


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    north = site(tmp_path)
    assert record.read(north) is None
    for name in ("debian-13", "debian-12"):
        written = kept(SeriesRecord(name=name, newest="20261121", did=("pull",), date=now()))
        record.write(north, written)
        assert record.read(north) == written
    assert [path.name for path in north.state.iterdir()] == [record.FILE]


def test_a_damaged_record_is_no_record(tmp_path: Path) -> None:
    north = site(tmp_path)
    record.write(north, kept())
    record.path(north).write_text('{"ok": "perhaps"}')
    with pytest.raises(InfrastructureError, match="cannot be read") as caught:
        record.read(north)
    assert "remove it" in caught.value.hint


def test_what_was_not_looked_at_stays() -> None:
    old = [SeriesRecord(name=name, newest="20261101", date=now()) for name in ("a", "b")]
    new = [SeriesRecord(name=name, newest="20261121", date=now()) for name in ("b", "c")]
    found = {each.name: each.newest for each in record.merged(old, new)}
    assert found == {"a": "20261101", "b": "20261121", "c": "20261121"}


def facility(*rows: dict[str, object]) -> Facility:
    remotes = {
        name: {"kind": "store", "url": name, "keyring": "k"} for name in ("one", "two", "three")
    }
    store = {"path": "images", "key": KEY}
    return Facility.model_validate(
        {"name": "north", "store": store, "remotes": remotes, "series": rows}
    )


def never() -> Remote:
    raise UsageError("the keyring is gone", hint="export it again")


SOURCES = tuple(Source(name, never) for name in ("one", "two", "three"))


@pytest.mark.parametrize(
    ("rows", "asked"),
    [
        ([{"match": "a", "from": ["two"]}], ["two"]),
        ([{"match": "a", "from": ["two"]}, {"match": "b", "from": ["one"]}], ["one", "two"]),
        ([{"match": "a", "from": ["two"]}, {"match": "b"}], ["one", "two", "three"]),
    ],
)
def test_remotes_that_no_row_names_are_not_asked(
    rows: list[dict[str, object]], asked: list[str]
) -> None:
    assert [each.name for each in asking.needed(facility(*rows), SOURCES)] == asked


def test_the_order_of_a_row_counts() -> None:
    row = facility({"match": "a", "from": ["three", "one"]}).series[0]
    assert [each.name for each in asking.of_row(row, SOURCES)] == ["three", "one"]
    assert asking.of_row(None, SOURCES) == SOURCES


def test_what_cannot_even_be_opened_counts_as_down() -> None:
    assert asking.ask(SOURCES[0]) == (
        Answer("one", error="the keyring is gone", hint="export it again"),
        None,
    )


@pytest.mark.parametrize(
    "given", ["../store", "/srv/images", "https://images.example.org", "s3://b/p"]
)
def test_an_address_needs_a_keyring(given: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs a keyring"):
        asking.of(given, None, site(tmp_path), lambda _: lambda _serial, _form: None)


def test_a_keyring_needs_an_address(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="goes with --from URL"):
        asking.of("portal", Path("k"), site(tmp_path), lambda _: lambda _serial, _form: None)
