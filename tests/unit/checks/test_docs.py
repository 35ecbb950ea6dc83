# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/checks.md lists just the checks that there are."""

from __future__ import annotations

import re
from pathlib import Path

from builder.checks import predicted
from builder.checks.offline import CHECKS

PAGE = Path(__file__).parents[3] / "docs/checks.md"


def test_the_page_lists_every_check_once() -> None:
    listed = re.findall(r"^\| `([a-z-]+)` \|", PAGE.read_text(), re.MULTILINE)
    assert sorted(listed) == sorted([predicted.NAME, *(each.name for each in CHECKS)])
    assert len(set(listed)) == len(listed)
