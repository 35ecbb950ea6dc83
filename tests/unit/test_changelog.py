# SPDX-License-Identifier: GPL-2.0-or-later
"""The changelog of an image: what is in the document, and how people read it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from builder.archive.debnews import Entry, Shelf
from builder.manifest.changelog import ImageChangelog
from builder.manifest.changelog_markdown import markdown
from builder.manifest.changelog_text import text
from builder.manifest.changes import Side, changelog, news_of
from builder.manifest.decision import Advisory, Impact
from builder.manifest.diff import BinaryChange, SourceChange
from builder.manifest.model import ConfigFile
from builder.models import Package

MAIN, SECURITY = ("Debian:13.2/stable",), ("Debian-Security:13/stable-security",)
IMPACTS: dict[str, Impact] = {
    "linux": "reboot",
    "openssl": "reboot",
    "cloud-init": "instance",
    "mc": "reboot",
}
FIXES = {
    "openssl": (
        Advisory(id="DSA-6001-1", cves=("CVE-2026-1000", "CVE-2026-1001"), urgency="high"),
        Advisory(id="CVE-2026-2000", cves=("CVE-2026-2000",)),
    )
}
NEWS = Entry(
    source="openssl",
    version="3.5.7-2",
    distributions="trixie-security",
    urgency="medium",
    author="A Maintainer <maintainer@debian.invalid>",
    date="Wed, 18 Nov 2026 10:00:00 +0100",
    lines=(
        "  * Fix an overflow in the parser of certificates that anyone may send (<b>).",
        "",
        "    - x",
    ),
    cves=("CVE-2026-1000",),
    bugs=(7,),
)


def package(name: str, version: str, source: str = "", origins: tuple[str, ...] = MAIN) -> Package:
    return Package(name, version, "amd64", source or name, version, origins=origins)


def file(path: str, digest: str = "a", overlay: str = "DEBIAN") -> ConfigFile:
    return ConfigFile(path=path, overlay=overlay, sha256=digest * 64)


OLD = Side(
    name="debian-13",
    serial="20261101",
    title="Debian 13 (trixie)",
    date=datetime(2026, 11, 1, 3, tzinfo=UTC),
    packages=(
        package("libssl3t64", "3.5.7-1", "openssl"),
        package("openssl", "3.5.7-1"),
        package("linux-image-6.12.48+deb13-amd64", "6.12.48-1", "linux"),
        package("cloud-init", "25.1"),
        package("less", "668-1"),
        package("nano", "8.4-1"),
        replace(package("bash", "5.2-2+b1"), source_version="5.2-2"),
        package("zstd", "1.5.7-1"),
    ),
    config="1" * 64,
    tool="0.1.0",
    suites={"trixie": "13.1", "trixie-updates": "", "gone": "1"},
    files=(file("class/A.var"), file("hooks/x"), file("scripts/y")),
)
NEW = Side(
    name="debian-13",
    serial="20261120",
    title="Debian 13 (trixie)",
    date=datetime(2026, 11, 20, 3, tzinfo=UTC),
    packages=(
        package("libssl3t64", "3.5.7-2", "openssl", SECURITY),
        package("openssl", "3.5.7-2", origins=SECURITY),
        package("linux-image-6.12.57+deb13-amd64", "6.12.57-1", "linux"),
        package("cloud-init", "24.9"),
        package("less", "669-1"),
        package("mc", "4.8"),
        replace(package("bash", "5.2-2+b2"), source_version="5.2-2"),
        package("zstd", "1.5.7-1"),
    ),
    config="2" * 64,
    tool="0.2.0",
    suites={"trixie": "13.2", "trixie-updates": "13-updates", "trixie-backports": ""},
    files=(file("class/A.var"), file("hooks/x", overlay="OTHER"), file("scripts/z")),
)


def made(old: Side = OLD, new: Side = NEW, **more: Any) -> ImageChangelog:
    return changelog(
        old, new, impact=IMPACTS.get, fixes=lambda change: FIXES.get(change.name, ()), **more
    )


def only_openssl(change: SourceChange) -> tuple[Entry, ...]:
    return (NEWS,) if change.name == "openssl" else ()


def test_the_document() -> None:
    document = json.loads(made(news=only_openssl).model_dump_json(by_alias=True))
    assert (document["apiVersion"], document["kind"]) == ("fai-forge/v1", "ImageChangelog")
    assert document["fromImage"] == {
        "name": "debian-13",
        "serial": "20261101",
        "title": "Debian 13 (trixie)",
        "date": "2026-11-01T03:00:00Z",
    }
    assert document["summary"] == {
        "deb": {
            "added": ["mc"],
            "removed": ["nano"],
            "diff": ["bash", "cloud-init", "less", "linux", "openssl"],
        },
        "counts": {
            "added": 1,
            "removed": 1,
            "upgraded": 3,
            "downgraded": 1,
            "rebuilt": 1,
            "security": 1,
        },
    }
    openssl = document["diff"]["deb"][-1]
    assert openssl["binaries"][0] == {
        "name": "libssl3t64",
        "arch": "amd64",
        "fromVersion": "3.5.7-1",
        "toVersion": "3.5.7-2",
    }
    assert (openssl["security"], openssl["impact"]) == (True, "reboot")
    assert [each["id"] for each in openssl["advisories"]] == ["DSA-6001-1", "CVE-2026-2000"]
    assert openssl["changes"][0]["log"] == list(NEWS.lines)
    assert openssl["changes"][0]["closes"] == [7]
    downgrades = {each["name"]: each["isVersionDowngrade"] for each in document["diff"]["deb"]}
    assert [name for name, down in downgrades.items() if down] == ["cloud-init"]
    assert document["added"]["deb"][0]["fromVersion"] is None
    assert document["removed"]["deb"][0]["toVersion"] is None
    assert document["tool"] == {"fromVersion": "0.1.0", "toVersion": "0.2.0"}


def test_it_can_be_read_again() -> None:
    document = made(news=only_openssl)
    read = ImageChangelog.model_validate_json(document.model_dump_json(by_alias=True))
    assert read == document


def test_config_space_and_suites() -> None:
    document = made()
    assert document.config_space is not None
    assert document.config_space.files is not None
    assert [(each.kind, each.path, each.overlay) for each in document.config_space.files] == [
        ("changed", "hooks/x", "OTHER"),
        ("removed", "scripts/y", "DEBIAN"),
        ("added", "scripts/z", "DEBIAN"),
    ]
    # One that does not say its version, as in an older manifest, did not change.
    assert [(each.suite, each.from_version, each.to_version) for each in document.suites] == [
        ("gone", "1", None),
        ("trixie", "13.1", "13.2"),
        ("trixie-backports", None, ""),
    ]


def test_the_archive_has_no_files() -> None:
    document = made(new=replace(NEW, serial="archive", files=None, date=None))
    assert document.to_image.serial == "archive"
    assert document.config_space is not None
    assert document.config_space.files is None
    lines = list(text(document, 80))
    assert lines[:2] == [
        "debian-13: 20261101 -> archive",
        "  Debian 13 (trixie), built 2026-11-01 -> archive of an unknown date",
    ]
    assert "  which files is not known: one side is not built" in lines


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"packages": ()}, False),
        ({"config": "3" * 64}, False),
        ({"tool": "9"}, False),
        ({"suites": {"trixie": "13.9"}}, False),
        ({"serial": "20261102", "date": None, "security": {"less": ("1",)}}, True),
    ],
)
def test_what_differs(change: dict[str, Any], expected: bool) -> None:
    assert made(OLD, replace(OLD, **change)).same is expected


def test_text() -> None:
    assert (
        "\n".join(text(made(news=only_openssl), 80))
        == """\
debian-13: 20261101 -> 20261120
  Debian 13 (trixie), built 2026-11-01 -> built 2026-11-20
  7 source packages changed: 3 upgraded, 1 downgraded, 1 added, 1 removed, 1
    rebuilt; 1 of them for security
  needs a reboot: linux, openssl
  needs a new instance: cloud-init

Security updates:
  openssl 3.5.7-1 -> 3.5.7-2, needs a reboot
      libssl3t64, openssl
      DSA-6001-1 (high): CVE-2026-1000, CVE-2026-1001
      CVE-2026-2000
      openssl 3.5.7-2 (trixie-security, medium)
        * Fix an overflow in the parser of certificates that anyone may send
          (<b>).

          - x

Downgrades:
  cloud-init 25.1 -> 24.9, needs a new instance

Upgrades:
  less 668-1 -> 669-1
  linux 6.12.48-1 -> 6.12.57-1, needs a reboot
      linux-image-6.12.48+deb13-amd64 removed; linux-image-6.12.57+deb13-amd64
        added

Added:
  mc 4.8

Removed:
  nano 8.4-1

Rebuilt:
  bash 5.2-2
      bash 5.2-2+b1 -> 5.2-2+b2

Archive:
  gone removed
  trixie 13.1 -> 13.2
  trixie-backports added

Config space:
  changed: hooks/x (OTHER)
  removed: scripts/y (DEBIAN)
  added: scripts/z (DEBIAN)

Built with:
  fai-forge 0.1.0 -> 0.2.0"""
    )


def test_no_line_is_wider() -> None:
    for width in (60, 80, 120):
        assert max(map(len, text(made(news=only_openssl), width))) <= width


def test_a_long_entry_is_cut_for_people() -> None:
    long = replace(NEWS, lines=tuple(f"  * Line {number}." for number in range(50)))
    document = made(news=lambda change: (long,) if change.name == "openssl" else ())
    for lines in (list(text(document, 80)), list(markdown(document))):
        (last,) = (number for number, line in enumerate(lines) if "Line 39." in line)
        assert lines[last + 1].strip() == "[10 more lines are in the JSON form]"
    assert document.diff.deb[-1].changes[0].log == long.lines


def test_nothing_and_other_images() -> None:
    assert list(text(made(OLD, OLD), 80)) == [
        "debian-13: 20261101 -> 20261101",
        "  Debian 13 (trixie), built 2026-11-01 -> built 2026-11-01",
        "  nothing differs",
    ]
    assert list(markdown(made(OLD, OLD)))[-1] == "Nothing differs."
    other = replace(OLD, name="debian-12", title="Debian 12 (bookworm)", tool="0.2.0")
    lines = list(text(made(OLD, other), 80))
    assert lines[0] == "debian-13-20261101 -> debian-12-20261101"
    assert "built 2026-11-01 -> Debian 12 (bookworm), built 2026-11-01" in lines[1]
    assert lines[2] == "  no package changed"
    settings = made(OLD, replace(OLD, config="3" * 64))
    assert "  no file; the classes, the disk's size, the kernel or the sources" in text(
        settings, 80
    )


def test_markdown() -> None:
    lines = list(markdown(made(news=only_openssl)))
    assert lines[0] == "# debian-13: 20261101 → 20261120"
    assert lines[4].endswith("1 of them for security.")
    assert "An update in place needs a reboot: linux, openssl." in lines
    start = lines.index("## Security updates")
    assert lines[start : start + 14] == [
        "## Security updates",
        "",
        "- **openssl** 3.5.7-1 → 3.5.7-2, needs a reboot",
        "  - DSA-6001-1 (high): CVE-2026-1000, CVE-2026-1001",
        "  - CVE-2026-2000",
        "  - libssl3t64, openssl",
        "  - openssl 3.5.7-2 (trixie-security, medium)",
        "",
        "          * Fix an overflow in the parser of certificates that anyone may send (<b>).",
        "",
        "            - x",
        "",
        "",
        "## Downgrades",
    ]
    assert "- changed: hooks/x (OTHER)" in lines


def test_words_of_others_cannot_act() -> None:
    evil = replace(NEW, packages=(*OLD.packages, package("a\x1b[2J*b*<i>", "1`2", "e\u202evil|")))
    document = made(OLD, evil)
    shown = "\n".join(text(document, 80))
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    page = "\n".join(markdown(document))
    assert "**e?vil\\|** 1\\`2" in page
    assert "a?\\[2J\\*b\\*\\<i\\>" in page


def test_security_says_of_which_kind() -> None:
    bash = replace(package("bash", "5.2-2+b3", origins=SECURITY), source_version="5.2-2")
    new = replace(OLD, packages=(package("less", "667-1", origins=SECURITY), bash))
    old = replace(OLD, packages=tuple(p for p in OLD.packages if p.name in ("less", "bash")))
    assert [line for line in text(made(old, new), 80) if line.startswith("  ")][2:] == [
        "  bash 5.2-2, rebuilt",
        "      bash 5.2-2+b1 -> 5.2-2+b3",
        "  less 668-1 -> 667-1, downgraded",
    ]


@pytest.mark.parametrize(
    ("kind", "old", "new", "asked"),
    [
        ("upgraded", "1", "2", True),
        ("rebuilt", "1", "1", True),
        ("downgraded", "2", "1", False),
        ("added", None, "1", False),
        ("removed", "1", None, False),
    ],
)
def test_news_is_asked_of_debs(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    kind: Any,
    old: str | None,
    new: str | None,
    asked: bool,
) -> None:
    # It is no .deb, and saying so is how the test knows that it was opened.
    (tmp_path / f"a_{new}_amd64.deb").write_bytes(b"")
    known = [package("a", new)] if new else []
    change = SourceChange("a", kind, old, new, (BinaryChange("a", "amd64", old, new),), False)
    assert news_of(Shelf.of(tmp_path, None), known)(change) == ()
    assert ("cannot be read" in caplog.text) is asked
