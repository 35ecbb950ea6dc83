# SPDX-License-Identifier: GPL-2.0-or-later
"""Indexes of every kind, spoiled: no crash, and no image that nobody vouches for."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from builder.checksums import ACCEPTED
from builder.downloads.client import Client
from builder.errors import ForgeError
from builder.upstream import finding
from builder.upstream.asking import Asking
from builder.upstream.candidates import Candidate
from builder.upstream.indexes import open as indexes
from builder.upstream.series import Series
from tests.unit.upstreamseeds import SEEDS, Servers

EXAMPLES = 25
pytestmark = pytest.mark.usefixtures("offline")

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(
        ["..", "../../x", "//evil.invalid/x", "https://evil.invalid/x.qcow2", "9" * 40]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=4,
)
# What stands for something in one format or another.
NASTY = st.sampled_from(
    ["", "\0", "\n", "<", ">", '"', "{", "]", "\\", "../", "//", "&#0;", "latest", "é", "9" * 50]
) | st.text(max_size=5)


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def modified(*_: Any) -> datetime:
        return datetime(2026, 5, 26, tzinfo=UTC)

    monkeypatch.setattr(Asking, "modified", modified)
    monkeypatch.setattr(Client, "get", None)
    monkeypatch.setenv("RHEL_OFFLINE_TOKEN", "a token")


def edited(content: bytes, edits: list[tuple[float, int, str]]) -> bytes:
    """A document with bytes cut out, and others put in."""
    for at, cut, put in edits:
        start = int(at * len(content))
        content = content[:start] + put.encode("utf-8", "replace") + content[start + cut :]
    return content


def grafted(content: bytes, which: float, other: object) -> bytes:
    """A JSON document with another value somewhere; others stay as they are."""
    try:
        document = json.loads(content)
    except ValueError:
        return content
    places = list(_places(document))
    if not places:
        return content
    parent, key = places[int(which * (len(places) - 1))]
    parent[key] = other
    return json.dumps(document).encode()


def _places(node: Any) -> Any:
    """Each place of a document: what holds it, and by which key."""
    pairs = node.items() if isinstance(node, dict) else enumerate(node)
    for key, each in list(pairs):
        yield node, key
        if isinstance(each, dict | list):
            yield from _places(each)


EDITS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 40), NASTY), max_size=3)
SPOILED = st.one_of(
    EDITS.map(lambda edits: lambda content: edited(content, edits)),
    st.tuples(st.floats(0, 1), JSON).map(lambda graft: lambda content: grafted(content, *graft)),
    st.binary(max_size=60).map(lambda other: lambda _content: other),
)


def asked(kind: str, series: Series, spoil: Callable[[bytes], bytes]) -> list[Candidate]:
    """What an index gives out of spoiled answers; only an error of ours may come out of it."""
    servers, found = Servers(SEEDS[kind], spoil), list[Candidate]()
    index = series.traits.index
    assert index is not None
    with servers.asked():
        with contextlib.suppress(ForgeError):
            found += indexes.reader(index).candidates(index, series, Asking())
        with contextlib.suppress(ForgeError):
            newest = finding.newest(series, Asking())
            (image,) = newest.offer.images
            # Never an image without a digest, or with one that could be forged.
            assert len(image.digest) == ACCEPTED[image.algorithm]
            must_be_told(image.digest, servers.said)
    for each in found:
        if each.checksum is not None:
            must_be_told(each.checksum.value, servers.said)
    return found


def must_be_told(digest: str, said: list[bytes]) -> None:
    """A digest is what a server said, and nothing that was made of parts of it."""
    encoded = base64.b64encode(bytes.fromhex(digest)).rstrip(b"=")
    assert any(digest.encode() in each.lower() or encoded in each for each in said)


def upwards(content: bytes) -> bytes:
    """Paths that lead out of the folder that they are relative to."""
    for begin in (b"server/", b"trixie/", b"templates/"):
        content = content.replace(begin, b"a/../../" + begin)
    return content


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sources")


@pytest.mark.parametrize("kind", SEEDS)
def test_the_seed_is_good(kind: str, folder: Path) -> None:
    """A fuzzer of answers that nobody takes would find nothing."""
    series = SEEDS[kind].series(folder)
    found = asked(kind, series, bytes)
    assert found
    assert all(each.url.startswith("https://") for each in found)
    with Servers(SEEDS[kind]).asked():
        assert finding.newest(series, Asking()).offer.images


@pytest.mark.parametrize("kind", SEEDS)
@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(spoil=SPOILED)
@example(spoil=lambda _: b"[" * 100_000)
@example(spoil=lambda _: b'{"a":' * 50_000)
@example(spoil=lambda _: b"<a href=" * 20_000)
@example(spoil=lambda _: b"<!DOCTYPE html><title>Sign in</title>")
@example(spoil=lambda content: content + content)
@example(spoil=lambda content: content.replace(b"2026", b"9999"))
@example(spoil=lambda content: content.replace(b"0", "٣".encode()))
def test_nothing_that_an_index_says_is_a_crash(
    kind: str, folder: Path, spoil: Callable[[bytes], bytes]
) -> None:
    series = SEEDS[kind].series(folder)
    pattern = series.pattern(series.traits.file) if series.traits.file else None
    for each in asked(kind, series, spoil):
        # The name is that of such an image, whole, and no path.
        assert pattern is None or pattern.fullmatch(each.file)
        assert "/" not in each.file
        assert "\n" not in each.file
        assert each.order <= each.order
        assert each.serial is None or each.serial[:8].isascii()


@pytest.mark.parametrize("kind", [each for each in SEEDS if each not in ("fedora", "github")])
@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(spoil=SPOILED)
@example(spoil=lambda content: upwards(content))
def test_an_index_sends_nobody_to_another_server(
    kind: str, folder: Path, spoil: Callable[[bytes], bytes]
) -> None:
    """Where an index tells whole addresses it may; these tell names and paths."""
    series = SEEDS[kind].series(folder)
    known = {each.url.split("/")[2] for each in asked(kind, series, bytes)}
    for each in asked(kind, series, spoil):
        assert each.url.split("/")[2] in known
        assert "/../" not in each.url
