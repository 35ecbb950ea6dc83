# SPDX-License-Identifier: GPL-2.0-or-later
"""How long a start took, as `systemd-analyze` says it: the sum, and the slowest units."""

from __future__ import annotations

import re

from builder.guest.reports.report import Start, Unit

# systemd writes spans as "1min 2.345s", from years down to microseconds.
SPAN = re.compile(r"(\d+(?:\.\d+)?)(h|min|s|ms|us)\b")
SECONDS = {"h": 3600.0, "min": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6}
BLAME = re.compile(r"^ *(?P<span>\d[\d.a-z ]*[a-z]) (?P<unit>\S+\.[a-z]+)$")
SLOWEST = 10


def seconds(span: str) -> float:
    """The seconds of a span that systemd wrote."""
    return round(sum(float(number) * SECONDS[unit] for number, unit in SPAN.findall(span)), 6)


def start(number: int, analyze: str, blame: str) -> Start:
    """What `systemd-analyze` and `systemd-analyze blame`, slowest first, printed of one start."""
    summary = analyze.strip().partition("\n")[0]
    _, equals, total = summary.rpartition(" = ")
    found = (BLAME.match(line) for line in blame.splitlines())
    units = [Unit(name=each["unit"], seconds=seconds(each["span"])) for each in found if each]
    return Start(
        number=number,
        summary=summary,
        seconds=seconds(total) if equals else None,
        slowest=tuple(units[:SLOWEST]),
    )
