# SPDX-License-Identifier: GPL-2.0-or-later
"""The JUnit file of a boot: what our own pytest wrote, and what CI shows of it."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from builder.guest.reports.report import Test
from builder.guest.session import ACCEL_PROPERTY, CAUSE_PROPERTY, MODULE_PROPERTY

BAD = ("failure", "error", "skipped")


@dataclass(frozen=True)
class TestResult:
    """One test of a boot; `message` is empty where it passed.

    One that has not `run` counts as failed: its guest did not get ready.
    """

    # pytest must not take this class for a test.
    __test__ = False

    name: str
    passed: bool
    message: str = ""
    seconds: float = 0.0
    run: bool = True


@dataclass(frozen=True)
class Session:
    """What a JUnit file says: what ran the guest, why none got ready (if so), and the tests."""

    accel: str
    cause: str
    tests: tuple[TestResult, ...]


def read_session(text: str) -> Session:
    """The session of a JUnit file that our own pytest wrote.

    A test that failed and whose cleaning up failed too counts once. Skipped tests are failures:
    the base tests skip nothing, and a class's test that cannot run promises nothing.
    """
    root = ET.fromstring(text)  # noqa: S314 - our own file
    cause = _property(root, CAUSE_PROPERTY)
    found: dict[str, TestResult] = {}
    for name, case in _cases(root):
        seconds = float(case.get("time", "0"))
        bad = next((child for child in case if child.tag in BAD), None)
        if bad is not None:
            # Where no guest got ready, the error of each test is that of the guest.
            run = not cause or bad.tag != "error"
            message = bad.text or bad.get("message") or ""
            found[name] = TestResult(name, False, message, seconds, run)
        else:
            found.setdefault(name, TestResult(name, True, seconds=seconds))
    return Session(_property(root, ACCEL_PROPERTY), cause, tuple(found.values()))


def excuse(path: Path, tests: Iterable[Test]) -> None:
    """Have the failures that known issues explain skipped in the file, with the reason.

    CI would count them as failures; what failed is still there, as the skipped test's text.
    """
    known = {test.name: test.issue for test in tests if test.outcome == "known" and test.issue}
    if not known:
        return
    tree = ET.parse(path)  # noqa: S314 - our own file
    for suite in tree.iter("testsuite"):
        for name, case in _cases(suite):
            issue = known.get(name)
            for bad in [child for child in case if child.tag in ("failure", "error") and issue]:
                kind = "failures" if bad.tag == "failure" else "errors"
                suite.set(kind, str(int(suite.get(kind, "1")) - 1))
                suite.set("skipped", str(int(suite.get("skipped", "0")) + 1))
                bad.tag = "skipped"
                assert issue is not None
                bad.set(
                    "message",
                    f"known issue until {issue.expires}: {issue.reason} ({issue.tracker})",
                )
    tree.write(path, encoding="utf-8", xml_declaration=True)


def _cases(root: ET.Element) -> Iterator[tuple[str, ET.Element]]:
    """The tests by the names that reports use; what could not be imported has no properties."""
    for case in root.iter("testcase"):
        module = _property(case, MODULE_PROPERTY) or case.get("classname", "")
        yield f"{module}::{case.get('name', '')}", case


def _property(element: ET.Element, name: str) -> str:
    """The first property of that name at or below an element; empty where there is none."""
    rows = (row for row in element.iter("property") if row.get("name") == name)
    return next((row.get("value", "") for row in rows), "")
