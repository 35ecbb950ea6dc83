# SPDX-License-Identifier: GPL-2.0-or-later
"""Package lists that upstreams publish beside their images."""

from __future__ import annotations

import hashlib
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from builder.downloads.documents import Document
from builder.errors import InfrastructureError
from builder.manifest.model import Package
from builder.upstream import catalogue, packages
from builder.upstream.asking import Asking
from builder.upstream.candidates import Candidate
from builder.upstream.series import Series

RECORDED = Path(__file__).parents[1] / "recorded"
BUILD = RECORDED / "containerdisks" / "debian" / "debian-13-genericcloud-amd64.json"
FILE = """\
distro: ubuntu
os_distro: ubuntu
arches: {amd64: amd64}
index: {kind: checksums, list: https://images.invalid/SHA256SUMS}
file: 'ubuntu-(?P<date>[0-9]{8})\\.img'
unsigned: this is a test
packages: {file: '{stem}.manifest', form: dpkg}
releases: [{release: "2404"}]
"""
LIST = "adduser\t3.137ubuntu1\nlibc6:amd64\t2.39-0ubuntu8.5\nsnap:core22\tlatest/stable\t1748\n"


class Answers(Asking):
    """Gives documents, and remembers who was to vouch for each."""

    def __init__(self, documents: dict[str, bytes]) -> None:
        super().__init__()
        object.__setattr__(self, "given", documents)
        object.__setattr__(self, "asked", [])

    def document(self, url: str, *_: Any, **how: Any) -> Document:
        self.asked.append((url, how.get("signed", False)))  # type: ignore[attr-defined]
        return Document(url, self.given[url])  # type: ignore[attr-defined]


def series(tmp_path: Path, more: str = "") -> Series:
    path = tmp_path / "ubuntu.yaml"
    path.write_text(FILE + more)
    return catalogue.read_file(path).series(Asking(), date(2026, 11, 22))[0]


def candidate(**more: Any) -> Candidate:
    url = "https://images.invalid/release/ubuntu-20260725.img"
    return Candidate("ubuntu-20260725.img", url, date="20260725", **more)


BESIDE = "https://images.invalid/release/ubuntu-20260725.manifest"


def names(found: tuple[Package, ...]) -> list[tuple[str, str, str]]:
    return [(each.name, each.arch, each.version) for each in found]


def test_lines_of_dpkg_without_snaps() -> None:
    found = packages.parse(LIST, "dpkg", "amd64", "here")
    assert names(found) == [
        ("adduser", "amd64", "3.137ubuntu1"),
        ("libc6", "amd64", "2.39-0ubuntu8.5"),
    ]
    # Nothing of it is made up.
    assert {(each.source, each.source_version, each.origins) for each in found} == {("", "", ())}


def test_another_architecture_is_another_package() -> None:
    found = packages.parse("libc6:amd64\t2.39\nlibc6:i386\t2.39\n", "dpkg", "amd64", "here")
    assert [each.arch for each in found] == ["amd64", "i386"]


def test_debians_own_description() -> None:
    found = packages.parse(BUILD.read_text(), "debian-json", "amd64", "here")
    assert len(found) == 322
    assert ("bind9-libs", "amd64", "1:9.20.11-4") in names(found)
    assert ("adduser", "amd64", "3.152") in names(found)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        "<!DOCTYPE html>\n<title>Sign in</title>\n",
        "adduser 3.137\n",
        "adduser\t\n",
        "adduser\t3.137\textra\n",
        "../etc\t1\n",
        "adduser\t1\nadduser\t2\n",
        "adduser\t1\n<html>\n",
    ],
)
def test_what_is_no_list_is_refused_whole(text: str) -> None:
    with pytest.raises(InfrastructureError, match="no list of packages"):
        packages.parse(text, "dpkg", "amd64", "here")


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"kind": "List", "items": []}', "[" * 100_000])
def test_what_is_no_build_is_refused(text: str) -> None:
    with pytest.raises(InfrastructureError, match="no list of packages"):
        packages.parse(text, "debian-json", "amd64", "here")


def test_the_list_is_beside_the_image_and_comes_from_no_other_server(tmp_path: Path) -> None:
    asking = Answers({BESIDE: LIST.encode()})
    assert len(packages.read(series(tmp_path), candidate(), asking)) == 2
    assert asking.asked == [(BESIDE, False)]  # type: ignore[attr-defined]


def test_what_the_index_has_is_not_asked_for(tmp_path: Path) -> None:
    known = (Package.listed("adduser", "1", "amd64"),)
    assert packages.read(series(tmp_path), candidate(packages=known), Answers({})) == known


def test_nobody_is_asked_where_no_list_is_published(tmp_path: Path) -> None:
    path = tmp_path / "ubuntu.yaml"
    path.write_text(FILE.replace("packages: {file: '{stem}.manifest', form: dpkg}\n", ""))
    found = catalogue.read_file(path).series(Asking())[0]
    assert packages.read(found, candidate(), Answers({})) == ()


def sums(content: bytes) -> bytes:
    digest = hashlib.sha256(content).hexdigest()
    return f"{digest} *ubuntu-20260725.manifest\n".encode()


def test_a_digest_of_the_list_must_be_its_own(tmp_path: Path) -> None:
    listed = "https://images.invalid/release/SHA256SUMS"
    wanted = series(tmp_path, "checksums: SHA256SUMS\n")
    good = Answers({BESIDE: LIST.encode(), listed: sums(LIST.encode())})
    assert len(packages.read(wanted, candidate(), good)) == 2
    changed = Answers({BESIDE: LIST.encode() + b"mc\t1\n", listed: sums(LIST.encode())})
    with pytest.raises(InfrastructureError, match="not what its list of digests says"):
        packages.read(wanted, candidate(), changed)
    # Of another file's digest nothing follows: names are compared whole.
    other = sums(b"x").replace(b"*ubuntu", b"*old-ubuntu")
    assert packages.read(wanted, candidate(), Answers({BESIDE: LIST.encode(), listed: other}))
