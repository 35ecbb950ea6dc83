# SPDX-License-Identifier: GPL-2.0-or-later
"""The journal: no errors but those that somebody has reviewed, in a start and in its end."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from builder.classes.reviewed_errors import Row
from builder.guest import journal
from builder.guest.guest import Guest

Rows = tuple[Row, ...]


@pytest.mark.parametrize(
    "boot",
    [
        pytest.param(journal.THIS_BOOT, id="first"),
        # With what was written while it went down.
        pytest.param(
            journal.LAST_BOOT, id="first to its end", marks=pytest.mark.guest_stage("rebooted")
        ),
        pytest.param(
            journal.THIS_BOOT, id="after the reboot", marks=pytest.mark.guest_stage("rebooted")
        ),
    ],
)
def test_no_errors_in_the_journal(guest: Guest, reviewed_errors: Rows, boot: str) -> None:
    """Nothing of priority 3 (err) or worse is unexplained, and no explanation is out of date."""
    found = journal.lines(guest.check(journal.COMMAND.format(boot=boot)))
    review = journal.review(found, reviewed_errors, datetime.now(UTC).date())
    assert (review.unexplained, review.expired) == ((), ()), str(review)
