# SPDX-License-Identifier: GPL-2.0-or-later
"""The ways in which tests spoil the good tree, and what the checks then say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from builder.checks.offline import CHECKS, check
from builder.checks.terms import Promise
from builder.manifest.collect import packages
from tests.unit.checks.tree import PROMISE, SOURCES, put, settle

# What is done to a good tree.
Change = Callable[[Path], object]
# The check that must fail, a word of its detail, and what is done to the good tree.
Bad = tuple[str, str, Change]


def failures(tree: Path, promise: Promise = PROMISE) -> dict[str, str]:
    results = check(tree, promise, packages(tree))
    assert [result.name for result in results] == [each.name for each in CHECKS]
    assert all(result.passed == (result.detail == "") for result in results)
    return {result.name: result.detail for result in results if not result.passed}


def assert_fails(tree: Path, name: str, word: str, spoil: Change) -> None:
    """Spoil a good tree: this check fails, and its detail has this word.

    More names, after spaces, are those of other checks that see the same; no others fail.
    """
    spoil(tree)
    settle(tree)
    found = failures(tree)
    assert set(found) == set(name.split())
    assert word in found[name.split()[0]]


def write(path: str, text: str = "x") -> Change:
    return lambda tree: put(tree, path, text)


def append(path: str, text: str) -> Change:
    return lambda tree: put(tree, path, (tree / path).read_text() + text)


def prepend(path: str, text: str) -> Change:
    return lambda tree: put(tree, path, text + (tree / path).read_text())


def swap(path: str, old: str, new: str) -> Change:
    def change(tree: Path) -> None:
        text = (tree / path).read_text()
        assert old in text
        put(tree, path, text.replace(old, new, 1))

    return change


def remove(path: str) -> Change:
    return lambda tree: (tree / path).unlink()


def both(*changes: Change) -> Change:
    return lambda tree: [change(tree) for change in changes]


def link(path: str, target: str) -> Change:
    def make(tree: Path) -> None:
        (tree / path).unlink(missing_ok=True)
        (tree / path).symlink_to(target)

    return make


def mode(path: str, bits: int) -> Change:
    return lambda tree: (tree / path).chmod(bits)


LIST = "etc/apt/sources.list"
GRUB_CFG = "boot/grub/grub.cfg"
GRUB_D = "etc/default/grub.d/50-console.cfg"
KEYRING = "usr/share/keyrings/archive.pgp"
WANTED = "etc/systemd/system/multi-user.target.wants/ssh.service"
TELNETD = "\nPackage: telnetd\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n"
URI = "http://archive.example/debian"
DEB822 = "etc/apt/sources.list.d/debian.sources"
SSHD_CONFIG = "etc/ssh/sshd_config"
DROP_IN = "etc/ssh/sshd_config.d/10-keys.conf"
INLINE = SOURCES.replace(
    "/usr/share/keyrings/archive.pgp", "\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n /base64"
)
