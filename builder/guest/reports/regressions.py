# SPDX-License-Identifier: GPL-2.0-or-later
"""What changed since an earlier build's report: new failures, old ones, and those that are gone.

Tests are compared by name, within the same kind of boot. A test that the earlier build did not
have, or that did not run in one of the two, says nothing.
"""

from __future__ import annotations

from builder.guest.reports.report import Boot, Change, Report, Test


def compare(boot: Boot, earlier: Report | None) -> Boot:
    """The boot with what changed in its tests since `earlier`, the report of another build."""
    before = earlier.boot(boot.name) if earlier else None
    if earlier is None or earlier.serial is None or before is None:
        return boot
    known = {test.name: test for test in before.tests}
    tests = tuple(_compared(test, known.get(test.name), earlier.serial) for test in boot.tests)
    return boot.model_copy(update={"tests": tests, "against": earlier.serial})


def _compared(test: Test, before: Test | None, serial: str) -> Test:
    change = _change(test, before, serial) if before else None
    return test.model_copy(update={"change": change})


def _change(test: Test, before: Test, serial: str) -> Change | None:
    if "not-run" in (test.outcome, before.outcome):
        return None
    if not before.bad:
        return Change(what="new-failure", since=serial) if test.bad else None
    if not test.bad:
        return Change(what="fixed", since=serial)
    # The earlier build may have found it failing before itself.
    old = before.change if before.change and before.change.what == "still-failing" else None
    return Change(what="still-failing", since=old.since if old else serial)
