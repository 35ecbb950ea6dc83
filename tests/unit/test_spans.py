# SPDX-License-Identifier: GPL-2.0-or-later
"""Spans of time, in words."""

from __future__ import annotations

from datetime import timedelta

import pytest

from builder.spans import in_words


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (timedelta(days=14), "14 days"),
        (timedelta(days=1), "1 day"),
        (timedelta(hours=12), "12 hours"),
        (timedelta(hours=1), "1 hour"),
        (timedelta(hours=36), "36 hours"),
        (timedelta(weeks=8), "56 days"),
    ],
)
def test_a_span_in_words(span: timedelta, words: str) -> None:
    assert in_words(span) == words
