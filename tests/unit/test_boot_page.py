# SPDX-License-Identifier: GPL-2.0-or-later
"""The report of boots, as a page, as text and as a document: all is said, and nothing is markup."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.errors import UsageError
from builder.guest.reports import page, report
from builder.guest.reports.page import Subject, counted, render, span
from builder.guest.reports.report import Boot, Change, Issue
from builder.guest.reports.text import lines
from tests.unit.boots import boot, case
from tests.unit.boots import report as document
from tests.unit.pagecheck import Page

PROJECT = Path(__file__).parents[2]
HOSTILE = "</pre><script>alert(1)</script>&\"'"
SUBJECT = Subject("debian-13-20261121", "Debian 13 (trixie)", "amd64")
ISSUE = {"tracker": "https://bugs.example.org/1", "expires": "2027-01-31"}
HOLDS = Issue.model_validate({"state": "holds", "reason": "bar is late", **ISSUE})
HOPE = Issue.model_validate({"state": "may-be-fixed", "reason": "foo was slow", **ISSUE})
OVER = Issue.model_validate({"state": "expired", "reason": "baz is old", **ISSUE})
ALL = boot(
    case("m::good"),
    case("m::bad", "failed", change=Change(what="new-failure", since="20261101")),
    case("m::over", "failed", issue=OVER),
    case("m::known", "known", issue=HOLDS),
    case("m::hope", issue=HOPE),
    case("m::back", change=Change(what="fixed", since="20261101")),
    against="20261101",
    without_screenshot="guests of amd64 have no screen here",
    console_end="login:",
    starts=[
        {
            "number": 1,
            "summary": "Startup finished in 62s.",
            "seconds": 62.0,
            "slowest": [{"name": "cloud-init.service", "seconds": 20.5}],
        }
    ],
    logs=[{"name": "console-uefi.log", "what": "console"}],
)
SENTENCES = (
    "new failure since 20261101",
    "It was a known issue until 2027-01-31, and that day is over: baz is old",
    "known issue until 2027-01-31: bar is late",
    "m::hope passed: foo was slow",
    "m::back: fixed since 20261101",
    "guests of amd64 have no screen here",
    "First start: Startup finished in 62s.",
    "cloud-init.service 20 s",
    "console-uefi.log: console",
    "fai-forge boot debian-13-20261121 --firmware uefi",
    "1 newly failing, 1 fixed since 20261101",
    "1 of 1 boot failed.",
)


def shown(*boots: Boot, folder: Path = Path("/none")) -> Page:
    made = Page(render(SUBJECT, (), document(*boots), folder))
    assert made.problems == []
    return made


def test_all_is_on_the_page() -> None:
    made = shown(ALL)
    (body,) = made.all("body")
    for sentence in SENTENCES:
        assert sentence in body.text
    assert {"console-uefi.log", "https://bugs.example.org/1"} <= set(made.values("href"))
    # Nothing is fetched from anywhere.
    assert made.values("src") == []


def test_nothing_on_the_page_is_markup() -> None:
    test = case(
        HOSTILE,
        "failed",
        message=HOSTILE,
        issue=OVER.model_copy(update={"reason": HOSTILE}),
    )
    bad = boot(
        test,
        name=HOSTILE,
        cause=HOSTILE,
        command=HOSTILE,
        console_end=HOSTILE,
        without_screenshot=HOSTILE,
        accel=HOSTILE,
        stages=[{"name": HOSTILE, "seconds": 1.0}],
        starts=[{"number": 1, "summary": HOSTILE, "slowest": [{"name": HOSTILE, "seconds": 1}]}],
        logs=[{"name": "a.log", "what": HOSTILE}],
        image={"name": HOSTILE, "sha256": "a" * 64},
    )
    text = render(Subject(HOSTILE, HOSTILE, HOSTILE), (), document(bad), Path("/none"))
    assert "<script" not in text
    assert not Page(text).all("script")


def test_the_picture_is_in_the_page(tmp_path: Path) -> None:
    (tmp_path / "screen-uefi.png").write_bytes(b"\x89PNG")
    failed = boot(case("m::bad", "failed"), screenshot="screen-uefi.png")
    assert shown(failed, folder=tmp_path).values("src") == ["data:image/png;base64,iVBORw=="]
    # Browsers show no PPM.
    (tmp_path / "screen-uefi.ppm").write_bytes(b"P6")
    plain = boot(case("m::bad", "failed"), screenshot="screen-uefi.ppm")
    made = shown(plain, folder=tmp_path)
    assert made.values("src") == []
    assert "screen-uefi.ppm" in made.values("href")


def test_a_guest_that_never_got_ready() -> None:
    dead = boot(case("m::a", "not-run"), cause="the guest did not start its kernel", stages=[])
    (body,) = shown(dead).all("body")
    assert "No test could run the guest did not start its kernel" in body.text
    assert counted(dead) == "no test could run under tcg"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (3725, "1 h 2 min")],
)
def test_spans(seconds: float, words: str) -> None:
    assert span(seconds) == words


def test_the_text() -> None:
    assert list(lines(ALL)) == [
        "FAILED  uefi        3 of 6 tests passed, 1 known issue under tcg in 2 min 5 s",
        "        m::bad: new failure since 20261101",
        "          it broke",
        "        m::over",
        "          it broke",
        "          it was a known issue, whose day is over:",
        "          baz is old (until 2027-01-31, https://bugs.example.org/1)",
        "        known: m::known",
        "          bar is late (until 2027-01-31, https://bugs.example.org/1)",
        "        may be fixed: m::hope passed",
        "          foo was slow (until 2027-01-31, https://bugs.example.org/1)",
        "        m::back: fixed since 20261101",
        "        repeat it: fai-forge boot debian-13-20261121 --firmware uefi",
    ]
    assert list(lines(boot(case("m::good")))) == [
        "passed  uefi        1 of 1 test passed under tcg in 2 min 5 s"
    ]


def test_the_document_comes_back(tmp_path: Path) -> None:
    whole = document(ALL, boot(case("m::good"), name="bios"))
    text = report.dump(whole)
    assert report.parse(text, "it") == whole
    assert [each.name for each in whole.boots] == ["bios", "uefi"]
    assert (PROJECT / "schema/boot-report.schema.json").read_text() == report.schema_text()
    assert report.load(tmp_path / "none") is None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{}", "it is no BootReport of fai-forge/v1: name: Field required"),
        ("[", "it is no BootReport"),
        ('{"apiVersion": "fai-forge/v2"}', "apiVersion"),
    ],
)
def test_another_document_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        report.parse(text, "it")
    assert sentence in caught.value.message


def test_the_page_has_the_suffix_that_stores_publish() -> None:
    assert page.SUFFIX == ".report.html"
