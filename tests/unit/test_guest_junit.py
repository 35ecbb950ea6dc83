# SPDX-License-Identifier: GPL-2.0-or-later
"""JUnit of a boot: what is read from it, and what CI shows of known issues."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

from builder.guest.reports.junit import excuse, read_session
from builder.guest.reports.report import Issue
from tests.unit.boots import case

NOT_READY = """<testsuites><testsuite tests="2" failures="1" errors="1" skipped="0"><properties>
<property name="cause" value="the guest did not start its kernel&#10;the console's end"/>
</properties>
<testcase classname="t" name="test_a" time="0.5"><error message="m">setup</error></testcase>
<testcase classname="t" name="test_b" time="1.25"><failure message="m">why</failure></testcase>
</testsuite></testsuites>"""
ISSUE = Issue.model_validate(
    {
        "state": "holds",
        "tracker": "https://bugs.example.org/1",
        "expires": "2027-01-31",
        "reason": "<late>",
    }
)


def test_tests_of_a_guest_that_was_not_ready_did_not_run() -> None:
    found = read_session(NOT_READY)
    assert found.cause == "the guest did not start its kernel\nthe console's end"
    assert [(test.name, test.run, test.seconds) for test in found.tests] == [
        ("t::test_a", False, 0.5),
        # It does not ask for a guest.
        ("t::test_b", True, 1.25),
    ]


def test_ci_takes_a_known_issue_for_no_failure(tmp_path: Path) -> None:
    path = tmp_path / "boot-uefi.xml"
    path.write_text(NOT_READY)
    excuse(path, [case("t::test_a"), case("t::test_b", "failed")])
    assert path.read_text() == NOT_READY
    excuse(path, [case("t::test_a", "failed"), case("t::test_b", "known", issue=ISSUE)])
    (suite,) = ET.parse(path).iter("testsuite")  # noqa: S314 - our own file
    assert [suite.get(name) for name in ("tests", "failures", "errors", "skipped")] == [
        *("2", "0", "1", "1")
    ]
    one, other = suite.iter("testcase")
    assert [child.tag for child in (*one, *other)] == ["error", "skipped"]
    said = "known issue until 2027-01-31: <late> (https://bugs.example.org/1)"
    assert (other[0].get("message"), other[0].text) == (said, "why")
