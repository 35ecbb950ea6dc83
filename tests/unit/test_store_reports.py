# SPDX-License-Identifier: GPL-2.0-or-later
"""The reports beside an image: every verdict is in them, and nothing in them is markup."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

from builder.guest.reports.report import dump
from builder.manifest.model import Manifest, Verdict
from builder.store.reports import checks_junit, reports
from tests.unit.boots import boot, case, report
from tests.unit.worlds import MAIN, NOW, manifest, source


def tried(*verdicts: Verdict, boots: tuple[Verdict, ...] = ()) -> Manifest:
    made = manifest((), NOW, (source(MAIN),))
    return made.model_copy(update={"checks": verdicts, "boots": boots})


GOOD = Verdict(name="fstab", verdict="passed")
BAD = Verdict(name="hostname", verdict="failed", detail="it is <i>builder</i> & not debian")


def test_checks_are_junit() -> None:
    suite = ET.fromstring(checks_junit(tried(GOOD, BAD)))  # noqa: S314 - our own text
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    good, bad = suite.iter("testcase")
    assert (good.get("name"), good.find("failure")) == ("fstab", None)
    failure = bad.find("failure")
    assert failure is not None
    assert failure.get("message") == BAD.detail


def test_the_page_tells_all_and_escapes_it(tmp_path: Path) -> None:
    made = tried(GOOD, BAD, boots=(Verdict(name="uefi", verdict="failed", detail="1 of 2"),))
    stem = f"{made.name}-{made.serial}"
    failed = boot(case("test_system::test_down", "failed", message="it <b>broke</b>"))
    whole = report(failed, serial=made.serial)
    (tmp_path / f"{stem}.boots.json").write_text(dump(whole))
    found = reports(made, tmp_path)
    assert set(found) == {f"{stem}.checks.xml", f"{stem}.report.html"}
    page = found[f"{stem}.report.html"].decode()
    assert "1 of 2 checks failed, 1 of 1 boot failed." in page
    assert "it is &lt;i&gt;builder&lt;/i&gt; &amp; not debian" in page
    assert "it &lt;b&gt;broke&lt;/b&gt;" in page
    assert found == reports(made, tmp_path)


def test_a_boot_without_a_report_is_a_row(tmp_path: Path) -> None:
    """So it was before there were reports."""
    old = Verdict(name="bios", verdict="passed", detail="24 of 24 <tests>", log="boot-bios.xml")
    page = b"".join(reports(tried(GOOD, boots=(old,)), tmp_path).values()).decode()
    assert "24 of 24 &lt;tests&gt;" in page
    assert 'href="boot-bios.xml"' in page


def test_what_was_not_booted_says_so(tmp_path: Path) -> None:
    page = reports(tried(GOOD), tmp_path)
    assert b"1 check passed, it was not booted." in b"".join(page.values())
    both = tried(GOOD, boots=(Verdict(name="bios", verdict="passed"),))
    assert b"1 check passed, 1 boot passed." in b"".join(reports(both, tmp_path).values())
