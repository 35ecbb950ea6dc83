# SPDX-License-Identifier: GPL-2.0-or-later
"""The checks of `builder.checks.promises`, each seen failing on every kind of bad tree."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from builder.checks import units
from builder.checks.rootfs import Rootfs
from builder.classes import ClassPromise
from tests.unit.checks.spoil import (
    DEB822,
    GRUB_CFG,
    INLINE,
    KEYRING,
    TELNETD,
    WANTED,
    Bad,
    Change,
    append,
    assert_fails,
    both,
    failures,
    link,
    remove,
    swap,
    write,
)
from tests.unit.checks.tree import BASE, PROMISE, put, settle

BAD: list[Bad] = [
    ("class-paths", "BASE: /usr/**/*.pgp is missing", both(remove(KEYRING), write(DEB822, INLINE))),
    (
        "class-paths",
        "BASE: /usr/share/doc/x/changelog.gz exists, and /usr/share/doc/*/changelog* must be",
        write("usr/share/doc/x/changelog.gz"),
    ),
    ("class-paths", "BASE: /etc/secret exists", link("etc/secret", "nowhere")),
    (
        "class-content",
        "BASE: /etc/default/grub has nothing that matches ^GRUB_TIMEOUT=0$",
        swap("etc/default/grub", "TIMEOUT=0", "TIMEOUT=01"),
    ),
    (
        "class-content",
        "BASE: /etc/default/gru[ab] is missing",
        both(remove("etc/default/grub"), swap(GRUB_CFG, "quiet", "")),
    ),
    (
        "class-content",
        "BASE: /etc/ssh/sshd_config:5 matches ^X11",
        append("etc/ssh/sshd_config", "X11Forwarding yes\n"),
    ),
    (
        "class-units",
        "BASE: the unit ssh.service is missing",
        remove("usr/lib/systemd/system/ssh.service"),
    ),
    (
        "class-units",
        "BASE: ssh.service is masked",
        link("etc/systemd/system/ssh.service", "/dev/null"),
    ),
    (
        "class-units",
        "BASE: ssh.service is not enabled",
        both(remove(WANTED), remove("etc/systemd/system/sshd.service")),
    ),
    (
        "class-units",
        "BASE: getty@tty1.service is not enabled",
        remove("usr/lib/systemd/system/getty.target.wants/getty@tty1.service"),
    ),
    (
        "class-units",
        "BASE: getty@tty1.service is masked",
        link("etc/systemd/system/getty@tty1.service", "/dev/null"),
    ),
    ("class-units", "BASE: slow.timer is not masked", remove("etc/systemd/system/slow.timer")),
    (
        "class-units",
        "BASE: gone.service is not masked",
        write("etc/systemd/system/gone.service", "[Unit]"),
    ),
    ("class-packages", "BASE: telnetd is installed", append("var/lib/dpkg/status", TELNETD)),
    (
        "size-budget",
        "BASE: the tree takes 2 MiB, and 1 MiB are allowed",
        write("usr/lib/large", "x" * (2 << 20)),
    ),
]


@pytest.mark.parametrize(("name", "word", "spoil"), BAD)
def test_bad_tree_fails(tree: Path, name: str, word: str, spoil: Change) -> None:
    assert_fails(tree, name, word, spoil)


def test_a_promise_without_its_thing_says_nothing(tree: Path) -> None:
    # What lacks something may be missing as a whole.
    promise = ClassPromise("NONE", lacks={"/etc/none/*": ("x",)}, absent=("/etc/no*ne",))
    assert failures(tree, replace(PROMISE, classes=(BASE, promise))) == {}


def test_the_last_budget_counts(tree: Path) -> None:
    put(tree, "usr/lib/large", "x" * (2 << 20))
    settle(tree)
    larger = ClassPromise("LARGER", installed_size_max={"amd64": 4 << 20, "arm64": 1})
    assert failures(tree, replace(PROMISE, classes=(BASE, larger, ClassPromise("X")))) == {}
    assert set(failures(tree, replace(PROMISE, classes=(larger, BASE)))) == {"size-budget"}


@pytest.mark.parametrize(
    ("unit", "enabled"),
    [("ssh.service", True), ("sshd.service", True), ("a.service", False), ("b.service", False)],
)
def test_enabled(tmp_path: Path, unit: str, enabled: bool) -> None:
    put(tmp_path, "usr/lib/systemd/system/ssh.service")
    put(tmp_path, "usr/lib/systemd/system/a.service")
    put(tmp_path, "etc/systemd/system/x.target.wants/")
    # An alias alone enables, a link to a unit that is not there does not, nor does default.target.
    (tmp_path / "etc/systemd/system/sshd.service").symlink_to("/lib/systemd/system/ssh.service")
    (tmp_path / "etc/systemd/system/x.target.wants/b.service").symlink_to("/lib/b.service")
    (tmp_path / "etc/systemd/system/default.target").symlink_to("/lib/systemd/system/a.service")
    assert units.is_enabled(Rootfs(tmp_path), unit) is enabled
