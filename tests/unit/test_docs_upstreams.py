# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/upstreams.md: its tables are what the files say, and its examples are files that work."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from builder.upstream import catalogue, kinds, model
from builder.upstream.catalogue import Source
from builder.upstream.kinds import IndexEntry

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/upstreams.md").read_text(encoding="utf-8")
SOURCES = catalogue.read([ROOT / "upstreams"]).sources
BLOCK = re.compile(r"^```yaml\n(.*?)^```$", re.M | re.S)
TESTED = ("recorded", "derived", "files of the test")


def rows(heading: str) -> list[list[str]]:
    """The cells of the table whose heading begins so."""
    lines = iter(PAGE.splitlines())
    next(line for line in lines if line.startswith(f"| {heading} |"))
    assert next(lines).startswith("| --- ")
    found = []
    for line in lines:
        if not line.startswith("|"):
            break
        found.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return found


def words(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def images(source: Source) -> list[str]:
    upstream = source.upstream
    tokens = ["*"] if upstream.newest else [each.release for each in upstream.releases]
    return ["-".join((upstream.distro, token, *upstream.roles)) for token in tokens]


def test_every_distribution_has_a_row() -> None:
    found = {words(row[0])[0]: row[1:] for row in rows("file | images")}
    assert set(found) == set(SOURCES)
    for name, (series, kind, signed, arches, tested) in found.items():
        upstream = SOURCES[name].upstream
        assert upstream.index is not None
        assert words(series) == images(SOURCES[name]), name
        assert kind == upstream.index.kind, name
        over = upstream.signature.over if upstream.signature else "**no**"
        assert signed == over, name
        assert arches == ", ".join(upstream.arches or ()), name
        assert tested.startswith(TESTED), name


def test_every_key_is_named() -> None:
    found = [
        (words(file)[0], *words(key), *words(keyring), "expired" in key, words(place))
        for file, key, keyring, place in rows("file | key")
    ]
    wanted = [
        (name, key, signature.keyring, key in signature.expired, [signature.package])
        for name, source in SOURCES.items()
        if (signature := source.upstream.signature)
        for key in signature.keys
    ]
    assert sorted(row[:4] for row in found) == sorted(row[:4] for row in wanted)
    assert {row[0]: row[4] for row in found if row[4]} == {
        row[0]: row[4] for row in wanted if row[4] != [None]
    }


def test_every_kind_and_its_fields_are_explained() -> None:
    union = get_args(get_args(IndexEntry)[0])
    found = {words(kind)[0]: set(words(fields)) for kind, _, fields in rows("kind | what it is")}
    assert set(found) == {get_args(each.model_fields["kind"].annotation)[0] for each in union}
    for each in union:
        (kind,) = get_args(each.model_fields["kind"].annotation)
        fields = set(each.model_fields) - {"kind"}
        assert fields <= found[kind], kind
    assert set(kinds.GivenImage.model_fields) <= found["given"]


@pytest.mark.parametrize(
    "entry", [model.Upstream, model.ReleaseEntry, model.Signature, model.Packages, model.Newest]
)
def test_every_field_is_explained(entry: type[BaseModel]) -> None:
    told = set(words(PAGE.partition("### Fields")[2].partition("### Kinds of indexes")[0]))
    told |= {word.partition(":")[0] for word in told}
    assert set(entry.model_fields) - told == set()


@pytest.mark.parametrize("text", BLOCK.findall(PAGE))
def test_the_examples_are_right(text: str, tmp_path: Path) -> None:
    path = tmp_path / "example.yaml"
    path.write_text(text)
    assert catalogue.read_file(path).upstream.releases


def test_there_are_examples() -> None:
    assert len(BLOCK.findall(PAGE)) == 2
