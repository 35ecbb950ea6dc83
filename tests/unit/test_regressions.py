# SPDX-License-Identifier: GPL-2.0-or-later
"""What is said of a test, by what became of it in an earlier build and in this one."""

from __future__ import annotations

import pytest

from builder.guest.reports.regressions import compare
from builder.guest.reports.report import Change, Test
from tests.unit.boots import boot, case, report

EARLIER = "20261101"
OLD = Change(what="still-failing", since="20261001")
NEW = Change(what="new-failure", since="20261020")


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        (case("a"), case("a"), None),
        (case("a"), case("a", "failed"), "new failure since 20261101"),
        # That somebody knows why makes it no less new.
        (case("a"), case("a", "known"), "new failure since 20261101"),
        (case("a", "failed"), case("a", "failed"), "still failing since 20261101"),
        (case("a", "known"), case("a", "failed"), "still failing since 20261101"),
        # It was new in the earlier build, so that is the first that had it.
        (case("a", "failed", change=NEW), case("a", "failed"), "still failing since 20261101"),
        (case("a", "failed", change=OLD), case("a", "failed"), "still failing since 20261001"),
        (case("a", "failed"), case("a"), "fixed since 20261101"),
        (case("a", "failed", change=OLD), case("a"), "fixed since 20261101"),
        (case("b"), case("a", "failed"), None),
        (case("a", "not-run"), case("a", "failed"), None),
        (case("a"), case("a", "not-run"), None),
    ],
)
def test_changes(before: Test, now: Test, said: str | None) -> None:
    compared = compare(boot(now), report(boot(before), serial=EARLIER))
    (test,) = compared.tests
    assert (test.change.phrase if test.change else None) == said
    assert compared.against == EARLIER


def test_only_the_same_kind_is_compared() -> None:
    now = boot(case("a", "failed"), name="bios")
    for earlier in (None, report(boot(case("a")), serial=EARLIER), report(serial=EARLIER)):
        assert compare(now, earlier) == now
    before = report(boot(case("a")), boot(case("a", "failed"), name="bios"), serial=EARLIER)
    (test,) = compare(now, before).changed("still-failing")
    assert test.name == "a"
