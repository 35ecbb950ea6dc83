# SPDX-License-Identifier: GPL-2.0-or-later
"""Documents that are asked for once in a run, by whoever wants them first."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from builder.downloads.client import Absent
from builder.downloads.documents import Document
from builder.upstream.once import Known


def test_what_is_known_is_not_asked_for_again() -> None:
    known, asked = Known(most=10), list[str]()

    def ask(content: bytes) -> Document:
        asked.append("x")
        return Document("https://a.example/", content)

    for _ in range(2):
        assert known.get("small", lambda: ask(b"12345678")).content == b"12345678"
    assert len(asked) == 1
    for _ in range(2):
        # There is no room for it.
        assert known.get("large", lambda: ask(b"12345678")).content == b"12345678"
    assert len(asked) == 3


def test_what_failed_is_not_asked_for_again_and_fails_anew() -> None:
    known, asked = Known(), list[str]()

    def ask() -> Document:
        asked.append("x")
        raise Absent("it is not there", hint="look for it")

    found = []
    for _ in range(2):
        with pytest.raises(Absent, match="it is not there") as caught:
            known.get("x", ask)
        found.append(caught.value)
    assert len(asked) == 1
    assert found[0] is not found[1]
    assert found[1].hint == "look for it"


def test_who_asks_for_the_same_at_once_waits_for_one_answer() -> None:
    known, asked, begun = Known(), list[str](), Barrier(4, timeout=30)

    def ask() -> Document:
        asked.append("x")
        return Document("x", b"x")

    def one(_: int) -> bytes:
        begun.wait()
        return known.get("x", ask).content

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(one, range(4))) == [b"x"] * 4
    assert asked == ["x"]
