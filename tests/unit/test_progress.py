# SPDX-License-Identifier: GPL-2.0-or-later
"""Stages that are measured and told in plain lines."""

from __future__ import annotations

import re

import pytest

from builder.progress import NoProgress, PlainProgress, Stopwatch


def test_each_stage_and_each_new_detail_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    shown = PlainProgress()
    shown.stage("Installing with FAI")
    shown.update(0, 9)
    shown.update(1, 9, "installing packages")
    shown.update(2, 9, "installing packages")
    shown.update(9, 9, "finishing")
    shown.update(3, 0, "of nobody knows how many")
    shown.finish()
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert re.fullmatch(r"\[ *\d+ s\] Installing with FAI", lines[0])
    assert [line.strip() for line in lines[1:]] == [
        "installing packages (1/9)",
        "finishing (9/9)",
        "of nobody knows how many",
    ]


def test_a_stage_that_fails_is_measured_too() -> None:
    watch = Stopwatch()
    with watch.stage("one", NoProgress()):
        pass
    with pytest.raises(ValueError, match="no"), watch.stage("two", NoProgress()):
        raise ValueError("no")
    assert list(watch.seconds) == ["one", "two"]
    assert all(seconds >= 0 for seconds in watch.seconds.values())
