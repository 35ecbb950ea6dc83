# SPDX-License-Identifier: GPL-2.0-or-later
"""What systemd says of a start, and the lines by which we hear how far a boot is."""

from __future__ import annotations

import pytest

from builder.guest import startup
from builder.guest.progress import Event, line, read
from builder.guest.startlogs import sections

ANALYZE = """\
Startup finished in 14.555s (kernel) + 1min 51.353s (userspace) = 2min 5.908s
graphical.target reached after 1min 48.207s in userspace.
"""
BLAME = """\
1min 2.120s cloud-init-main.service
    23.666s cloud-init-local.service
      413ms dev-vda1.device
       74us -.mount
Hint: this is no unit.
"""


@pytest.mark.parametrize(
    ("span", "seconds"),
    [("2min 5.908s", 125.908), ("413ms", 0.413), ("74us", 0.000074), ("1h 1s", 3601.0), ("", 0.0)],
)
def test_spans(span: str, seconds: float) -> None:
    assert startup.seconds(span) == seconds


def test_a_start() -> None:
    start = startup.start(1, ANALYZE, BLAME)
    assert start.summary.startswith("Startup finished in 14.555s (kernel)")
    assert start.seconds == 125.908
    assert [(unit.name, unit.seconds) for unit in start.slowest] == [
        ("cloud-init-main.service", 62.12),
        ("cloud-init-local.service", 23.666),
        ("dev-vda1.device", 0.413),
        ("-.mount", 0.000074),
    ]


def test_a_start_that_is_not_over() -> None:
    start = startup.start(2, "Bootup is not yet finished.\n", "")
    assert (start.summary, start.seconds) == ("Bootup is not yet finished.", None)
    assert startup.start(1, "", "").summary == ""


def test_answers_are_told_apart() -> None:
    assert sections("# a -b\none\ntwo\n\n# c\n\nthree\n") == {"a -b": "one\ntwo", "c": "three"}
    assert sections("no heading\n") == {}


@pytest.mark.parametrize(
    "event",
    [
        Event("stage", 12.5, "host keys"),
        Event("test", 60.0, "SSHD/test_x::test_y[a b]", 3, 25, True),
        Event("test", 60.0, "test_x::test_y", 25, 25, False),
        Event("kept", 61.5, "/var/cache/fai-forge/guests/run-1"),
    ],
)
def test_events_come_back(event: Event) -> None:
    assert read(line(event) + "\n") == event


@pytest.mark.parametrize(
    "text", ["", "fai-forge: now", "fai-forge:  1.0 s  test many", "test_x.py::test_y PASSED"]
)
def test_other_lines_are_no_events(text: str) -> None:
    assert read(text) is None
