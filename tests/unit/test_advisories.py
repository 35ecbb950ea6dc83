# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's security data: which advisories and vulnerabilities an upgrade fixes."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.archive import dsalist, tracker
from builder.archive.advisories import Advisories, Fix, load
from builder.archive.dsalist import Dsa, Fixed
from builder.archive.tracker import Tracker, highest
from builder.errors import ForgeError, InfrastructureError, UsageError

# Two advisories of one package, one of two packages in two releases, a regression update without
# CVEs, announcements, and the kinds of lines that are found in the older half of the real list.
LIST = """\
[20 Nov 2026] DSA-9006-1 nss - security update
	{CVE-2026-90743 CVE-2026-96602}
	[bookworm] - nss 2:3.87.1-1+deb12u3
	[trixie] - nss 2:3.110-1+deb13u2
[12 Nov 2026] DSA-9004-2 nss - regression update
	[bookworm] - nss 2:3.87.1-1+deb12u2
	NOTE: reverts one of the changes of DSA-9004-1
[10 Nov 2026] DSA-9005-1 linux - security update
	{CVE-2026-90100 CVE-2026-90101}
	[trixie] - linux 6.12.111-1
[02 Nov 2026] DSA-9004-1 nss - security update
	{CVE-2026-90001}
	[bookworm] - nss 2:3.87.1-1+deb12u1
[30 Oct 2026] DSA-9003-1 bullseye end-of-life
	NOTE: end of security support for bullseye

[29 Oct 2026] DSA-9002-1 apr apr-util - security update
        { CVE-2026-90200  CVE-2026-90200 DSA-9001-1 }
        [bookworm] - apr  1.7.2-3+deb12u1 (bug #1000000)
\x20\t[bookworm] - apr-util 1.6.3-1+deb12u1
	[trixie] - apr <not-affected> (Vulnerable code not present)
	TODO: check
[02 Oct 2026] DSA-9001-1 grub2 - security update
	[trixie] - grub2 2.12-9
[01 Oct 2026] DLA-9001-1 nss - security update
	{CVE-2026-90001}
	[bullseye] - nss 2:3.61-1+deb11u5
"""
U = "2:3.87.1-1+deb12u"


def release(fixed: str | None, urgency: str = "not yet assigned", **more: Any) -> dict[str, Any]:
    """What the tracker says of a release; open if nothing is fixed."""
    state = {"status": "open"} if fixed is None else {"status": "resolved", "fixed_version": fixed}
    repositories = {"bookworm": "2:3.87.1-1", "bookworm-security": "2:3.87.1-1+deb12u1"}
    return {"repositories": repositories, "urgency": urgency, **state, **more}


TRACKER = {
    "nss": {
        "CVE-2026-90743": {
            "description": 'a {hole} in "nss"',
            "scope": "remote",
            "releases": {
                "bookworm": release("2:3.87.1-1+deb12u3", "medium**"),
                "trixie": release("2:3.110-1+deb13u2", "high"),
            },
        },
        "CVE-2026-96602": {"releases": {"bookworm": release("2:3.87.1-1+deb12u3", "low")}},
        "CVE-2026-90001": {"releases": {"bookworm": release("2:3.87.1-1+deb12u1")}},
        "CVE-2026-100300": {"releases": {"bookworm": release("2:3.87.1-1+deb12u3", "low")}},
        "CVE-2026-99300": {
            "debianbug": 1000001,
            "releases": {"bookworm": release("2:3.87.1-1+deb12u3", "unimportant")},
        },
        "CVE-2026-90500": {"releases": {"bookworm": release("0")}},
        "CVE-2026-90501": {
            "releases": {"bookworm": release(None, nodsa="Minor issue", nodsa_reason="")}
        },
        # As it may be while something is undecided, and with a version that is none.
        "CVE-2026-90502": {
            "releases": {"bookworm": {"status": "undetermined", "fixed_version": f"{U}3"}}
        },
        "CVE-2026-90503": {"releases": {"bookworm": release("unknown")}},
        "CVE-2026-90504": {"releases": {"bookworm": {"status": "resolved"}}},
        "CVE-2026-90505": {"releases": []},
        "TEMP-1000002-A1B2C3": {"releases": {"bookworm": release("2:3.87.1-1+deb12u3")}},
    },
    "linux": {
        "CVE-2026-90101": {"releases": {"trixie": release("6.12.111-1", "high**")}},
        "CVE-2026-90102": {"releases": {"trixie": release("6.12.107-1", "low")}},
    },
    "vim-syntax": {"CVE-2026-90600": {"releases": {"trixie": release("0")}}},
}

NEWEST = Fix("DSA-9006-1", ("CVE-2026-90743", "CVE-2026-96602"), "medium**")
REGRESSION = Fix("DSA-9004-2")
OLDEST = Fix("DSA-9004-1", ("CVE-2026-90001",), "not yet assigned")
ALONE = (
    Fix("CVE-2026-99300", ("CVE-2026-99300",), "unimportant"),
    Fix("CVE-2026-100300", ("CVE-2026-100300",), "low"),
)
KERNEL = Fix("DSA-9005-1", ("CVE-2026-90100", "CVE-2026-90101"), "high**")

CASES: dict[str, tuple[tuple[str, str | None, str, str], tuple[Fix, ...]]] = {
    "one step": (("nss", f"{U}2", f"{U}3", "bookworm"), (NEWEST, *ALONE)),
    "several steps": (
        ("nss", "2:3.87.1-1", f"{U}3", "bookworm"),
        (NEWEST, REGRESSION, OLDEST, *ALONE),
    ),
    "a later version": (("nss", f"{U}2", f"{U}3+b1", "bookworm"), (NEWEST, *ALONE)),
    "not as far as the newest": (
        ("nss", "2:3.87.1-1", f"{U}2", "bookworm"),
        (REGRESSION, OLDEST),
    ),
    "an older one, by Debian's order": (
        ("nss", f"{U}10", f"{U}11", "bookworm"),
        (),
    ),
    "the epoch counts": (("nss", "3.87.1-1+deb12u2", "9.0-1", "bookworm"), ()),
    "another release": (
        ("nss", "2:3.110-1", "2:3.110-1+deb13u2", "trixie"),
        (replace(NEWEST, urgency="high"),),
    ),
    "nothing changed": (("nss", f"{U}3", f"{U}3", "bookworm"), ()),
    "a downgrade": (("nss", f"{U}3", f"{U}1", "bookworm"), ()),
    "a package that is new": (("nss", None, f"{U}3", "bookworm"), ()),
    "an unknown package": (("nspr", "1", "2", "bookworm"), ()),
    "an unknown release": (("nss", "1", "9:1", "forky"), ()),
    "no version": (("nss", "", f"{U}3", "bookworm"), ()),
    "never vulnerable": (("vim-syntax", "0~20260101-1", "0.1-1", "trixie"), ()),
    "two packages": (
        ("apr-util", "1.6.3-1", "1.6.3-1+deb12u1", "bookworm"),
        (Fix("DSA-9002-1", ("CVE-2026-90200",)),),
    ),
    "not affected": (("apr", "1.7.5-1", "1.7.5-2", "trixie"), ()),
    "the kernel": (
        ("linux", "6.12.94-1", "6.12.111-1", "trixie"),
        (KERNEL, Fix("CVE-2026-90102", ("CVE-2026-90102",), "low")),
    ),
    "a twin with a number of its own": (
        ("grub-efi-amd64-signed", "1+2.12+9", "1+2.12+9+deb13u1", "trixie"),
        (),
    ),
    "the same, from before": (
        ("grub-efi-amd64-signed", "1+2.12+7", "1+2.12+9+deb13u1", "trixie"),
        (Fix("DSA-9001-1"),),
    ),
    "its signed twin": (("linux-signed-amd64", "6.12.107+1", "6.12.111+1", "trixie"), (KERNEL,)),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with both documents."""
    (tmp_path / "list").write_text(LIST, encoding="utf-8")
    (tmp_path / "tracker.json").write_text(json.dumps(TRACKER), encoding="utf-8")
    return tmp_path


def both(folder: Path) -> Advisories:
    return load(["list"], "tracker.json", folder, folder / "kept")


@pytest.mark.parametrize("case", CASES)
def test_what_an_upgrade_fixes(folder: Path, case: str) -> None:
    asked, expected = CASES[case]
    assert both(folder).fixed(*asked) == expected


def test_with_one_of_both_the_other_is_not_missed(folder: Path) -> None:
    step = ("nss", f"{U}2", f"{U}3", "bookworm")
    kept = folder / "kept"
    listed = load(["list"], None, folder, kept).fixed(*step)
    tracked = load([], "tracker.json", folder, kept).fixed(*step)
    assert listed == (replace(NEWEST, urgency=""),)
    assert [each.id for each in tracked] == [
        "CVE-2026-90743",
        "CVE-2026-96602",
        "CVE-2026-99300",
        "CVE-2026-100300",
    ]


def test_without_places_nothing_is_known(tmp_path: Path) -> None:
    assert load([], None, tmp_path, tmp_path).fixed("nss", "1", "9:1", "bookworm") == ()


def test_a_file_may_be_elsewhere(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("project")
    assert load([str(folder / "list")], None, elsewhere, elsewhere).dsas


def test_the_list_is_read_line_by_line() -> None:
    found = {each.id: each for each in dsalist.parse(LIST.encode())}
    assert next(iter(found)) == "DSA-9006-1"
    assert len(found) == 8
    assert found["DSA-9003-1"] == Dsa("DSA-9003-1", (), ())
    assert found["DSA-9002-1"] == Dsa(
        "DSA-9002-1",
        ("CVE-2026-90200",),
        (
            Fixed("bookworm", "apr", "1.7.2-3+deb12u1"),
            Fixed("bookworm", "apr-util", "1.6.3-1+deb12u1"),
        ),
    )


def test_the_tracker_is_read_when_it_is_needed_and_once(folder: Path) -> None:
    reads = []

    def read() -> tracker.Document:
        reads.append(1)
        return tracker.parse((folder / "tracker.json").read_bytes())

    advisories = Advisories(tracker=Tracker(read))
    assert advisories.fixed("nss", None, "1", "bookworm") == ()
    assert not reads
    for _ in range(2):
        assert advisories.fixed("linux", "6.12.94-1", "6.12.107-1", "trixie")
    assert reads == [1]


def test_a_tracker_that_fails_is_asked_once_and_the_list_serves_without(folder: Path) -> None:
    reads = []

    def read() -> tracker.Document:
        reads.append(1)
        raise InfrastructureError("gone")

    advisories = replace(load(["list"], None, folder, folder), tracker=Tracker(read))
    step = ("nss", f"{U}2", f"{U}3", "bookworm")
    for _ in range(2):
        with pytest.raises(InfrastructureError, match="gone"):
            advisories.fixed(*step)
    assert reads == [1]
    assert replace(advisories, tracker=None).fixed(*step)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), ""),
        (("",), ""),
        (("not yet assigned", "end-of-life"), "end-of-life"),
        (("unimportant", "end-of-life"), "unimportant"),
        (("low**", "unimportant"), "low**"),
        (("medium**", "low", "high**", "not yet assigned"), "high**"),
        (("medium", "medium**"), "medium"),
        (("medium**", "medium"), "medium"),
        (("of great import", "not yet assigned"), "not yet assigned"),
    ],
)
def test_the_highest_urgency(words: tuple[str, ...], expected: str) -> None:
    assert highest(words) == expected


FOREIGN_LISTS = [
    b"",
    b"\n\n",
    b"<!DOCTYPE html><html>404</html>",
    b"\xff\xfe\x00",
    json.dumps(TRACKER).encode(),
    b"CVE-2026-90743 (a hole)\n\t- nss 2:3.110-1\n",
    b"\t{CVE-2026-90743}\n\t[bookworm] - nss 2:3.87.1-1+deb12u1\n",
]
FOREIGN_TRACKERS = [
    b"",
    b"{}",
    b"[]",
    b"null",
    b"<!DOCTYPE html><html>404</html>",
    b"\xff\xfe\x00",
    LIST.encode(),
    json.dumps(TRACKER).encode()[:-1],
    b'{"nss": []}',
    b'{"nss": {"CVE-2026-90743": {}}}',
    b'{"nss": {"CVE-2026-90743": {"releases": {"bookworm": {}}}}}',
    b'{"nss": {"CVE-2026-90743": {"releases": {"bookworm": {"status": 1}}}}}',
    b'{"matches": [{"vulnerability": {"id": "CVE-2026-90743"}}]}',
    b"[" * 100_000,
]


@pytest.mark.parametrize("content", FOREIGN_LISTS)
def test_a_list_that_is_none_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "list").write_bytes(content)
    with pytest.raises(UsageError, match=f"{tmp_path}/list: ") as caught:
        load(["list"], None, tmp_path, tmp_path)
    assert "data/DSA/list" in caught.value.hint


@pytest.mark.parametrize("content", FOREIGN_TRACKERS)
def test_json_of_something_else_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "tracker.json").write_bytes(content)
    advisories = load([], "tracker.json", tmp_path, tmp_path)
    with pytest.raises(UsageError, match=f"{tmp_path}/tracker.json: this is not ") as caught:
        advisories.fixed("nss", "1", "2", "bookworm")
    assert "data/json" in caught.value.hint
    assert len(caught.value.message) < 400


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no-list: No such file"):
        load(["no-list"], None, tmp_path, tmp_path)


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("http://tracker.example.org/list", "is no https URL"),
        ("http://127.0.0.1.example.org/list", "is no https URL"),
        ("ftp://127.0.0.1/list", "is no https URL"),
        ("file:///etc/passwd", "is no https URL"),
        ("https://", "is no https URL"),
        ("https://[::1/list", "is no URL"),
        ("https://me:secret@tracker.example.org/list", "of tracker.example.org has a login"),
    ],
)
@pytest.mark.parametrize("which", ["dsa", "tracker"])
def test_a_url_is_https_or_refused_before_anything_is_asked(
    tmp_path: Path, place: str, words: str, which: str
) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        load(
            [place] if which == "dsa" else [],
            place if which == "tracker" else None,
            tmp_path,
            tmp_path,
        )
    assert caught.value.hint
    assert "secret" not in caught.value.message + caught.value.hint


# Pieces of both formats, so that most of what is made gets past the first line.
PIECES = st.sampled_from(
    [*LIST.splitlines(keepends=True), *json.dumps(TRACKER).split(" "), "\n", "\t", "\x00"]
)


@settings(max_examples=60)
@given(st.one_of(st.text(), st.lists(PIECES).map("".join), st.binary()))
def test_no_text_is_more_than_an_error(content: str | bytes) -> None:
    raw = content if isinstance(content, bytes) else content.encode("utf-8", "replace")
    with suppress(ForgeError):
        Advisories(dsalist.parse(raw)).fixed("nss", "0", "9:9", "bookworm")
    with suppress(ForgeError):
        Advisories(tracker=Tracker(lambda: tracker.parse(raw))).fixed("nss", "0", "9", "bookworm")


VERSIONS = st.text("0123456789.:~+-abc\u0663", max_size=8)


@settings(max_examples=60)
@given(old=VERSIONS, new=VERSIONS, fixed=VERSIONS)
def test_no_version_is_more_than_unknown(old: str, new: str, fixed: str) -> None:
    document = {"nss": {"CVE-2026-90743": {"releases": {"bookworm": release(fixed)}}}}
    raw = json.dumps(document).encode()
    advisories = Advisories(
        (Dsa("DSA-9006-1", (), (Fixed("bookworm", "nss", fixed),)),),
        Tracker(lambda: tracker.parse(raw)),
    )
    assert len(advisories.fixed("nss", old, new, "bookworm")) in (0, 1, 2)
