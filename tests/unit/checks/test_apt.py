# SPDX-License-Identifier: GPL-2.0-or-later
"""The checks of `builder.checks.apt`, each seen failing on every kind of bad tree."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.checks.spoil import (
    DEB822,
    KEYRING,
    LIST,
    URI,
    Bad,
    Change,
    assert_fails,
    both,
    prepend,
    swap,
    write,
)
from tests.unit.checks.tree import SOURCES

BY = "[signed-by=/usr/share/keyrings/archive.pgp]"
SIGNED = f"deb {BY} {URI} trixie-updates main"
OTHER = "etc/apt/sources.list.d/x.sources"
MIRROR = """\
Types: deb
URIs: http://mirror.example/
Suites: trixie
Components: main
Signed-By: /usr/share/keyrings/archive.pgp
"""


def one_line(*lines: str) -> Change:
    """Give the tree these sources, in the old style, in place of its own."""
    return both(write(DEB822, ""), write(LIST, "".join(f"{line}\n" for line in lines)))


BAD: list[Bad] = [
    ("apt-sources", "Signed-By", write(DEB822, SOURCES.replace("Signed-By", "X-None"))),
    ("apt-sources", "missing or empty", write(KEYRING, "")),
    ("apt-sources", "trusted", prepend(DEB822, "Trusted: yes\n")),
    (
        "apt-sources",
        "list:1 does not",
        one_line(f"deb {URI} trixie main", f"deb {URI} trixie-updates main"),
    ),
    (
        "apt-sources",
        "/nowhere.pgp",
        one_line(f"deb [ arch=amd64 signed-by=/nowhere.pgp ] {URI} trixie main", SIGNED),
    ),
    (
        "apt-foreign",
        "http://mirror.example trixie main in /etc/apt/sources.list.d/x.sources, stanza 1",
        write(OTHER, MIRROR),
    ),
    ("apt-foreign", f"{URI} trixie-updates main is missing", swap(DEB822, " trixie-updates", "")),
    ("apt-foreign", f"{URI} sid main in", swap(DEB822, "trixie-updates", "trixie-updates sid")),
    ("apt-foreign", f"{URI} trixie contrib in", swap(DEB822, "main", "main contrib")),
    (
        "apt-foreign",
        "file:/srv/pool ./",
        write(LIST, "deb [signed-by=/usr/share/keyrings/archive.pgp] file:/srv/pool ./\n"),
    ),
    # The same in the other file and style (Debian #942326).
    (
        "apt-duplicates",
        f"{URI} trixie main is in /etc/apt/sources.list:1 and again in /etc",
        write(LIST, f"deb {BY} {URI} trixie main # x\n"),
    ),
    (
        "apt-duplicates",
        "sources, stanza 1 and again in /etc/apt/sources.list.d/x.sources, stanza 1",
        write(OTHER, SOURCES),
    ),
    (
        "apt-duplicates",
        "and again in /etc/apt/sources.list.d/debian.sources, stanza 1",
        swap(DEB822, "trixie-updates", "trixie-updates trixie"),
    ),
    (
        "apt-duplicates apt-foreign",
        f"{URI} trixie main is in /etc/apt/sources.list:1",
        write(LIST, f"deb {BY} https{URI[4:]}/ trixie main\n"),
    ),
    (
        "apt-keys",
        "/etc/apt/trusted.gpg.d/own.asc is trusted",
        write("etc/apt/trusted.gpg.d/own.asc"),
    ),
    ("apt-keys", "/etc/apt/trusted.gpg is trusted", write("etc/apt/trusted.gpg")),
    (
        "apt-passwords",
        "/etc/apt/auth.conf.d/x.conf",
        write("etc/apt/auth.conf.d/x.conf", "machine x\n"),
    ),
    (
        "apt-passwords apt-foreign",
        "in an address",
        write(OTHER, MIRROR.replace("mirror", "me:secret@mirror")),
    ),
    ("apt-leftovers", "InRelease", write("var/lib/apt/lists/x_InRelease")),
    ("apt-leftovers", "lists/lock", write("var/lib/apt/lists/lock")),
    ("apt-leftovers", "x.deb", write("var/cache/apt/archives/x.deb")),
    ("apt-leftovers", "pkgcache", write("var/cache/apt/pkgcache.bin", "")),
    (
        "proxies",
        "http://proxy.example",
        write("etc/apt/apt.conf.d/01x", 'Acquire::http::Proxy "http://proxy.example:3142";\n'),
    ),
    ("proxies", "apt.conf", write("etc/apt/apt.conf", 'Acquire { http { Proxy "x"; }; };\n')),
]


@pytest.mark.parametrize(("name", "word", "spoil"), BAD)
def test_bad_tree_fails(tree: Path, name: str, word: str, spoil: Change) -> None:
    assert_fails(tree, name, word, spoil)
