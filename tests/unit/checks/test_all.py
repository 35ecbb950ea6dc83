# SPDX-License-Identifier: GPL-2.0-or-later
"""What holds for all offline checks: a good tree passes, and each is seen failing somewhere."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from builder.checks import permissions
from builder.checks.offline import CHECKS, SHOWN, check
from builder.checks.terms import CheckResult, Promise
from builder.manifest.collect import packages
from tests.unit.checks import (
    test_accounts,
    test_apt,
    test_boot,
    test_cmdline,
    test_identity,
    test_leftovers,
    test_permissions,
    test_promises,
    test_settings,
    test_software,
    test_sshd,
)
from tests.unit.checks.spoil import (
    DEB822,
    DROP_IN,
    INLINE,
    LIST,
    SSHD_CONFIG,
    URI,
    Change,
    append,
    both,
    failures,
    link,
    mode,
    remove,
    write,
)
from tests.unit.checks.tree import EPOCH, PROMISE, STATUS, STUB, VERSION, put, settle

BY = "[signed-by=/usr/share/keyrings/archive.pgp]"
# What holds for a tree of which nothing is promised.
BARE = Promise(epoch=EPOCH, hostname="debian")


def test_every_check_is_seen_failing() -> None:
    rows = (
        *(test_accounts.BAD, test_apt.BAD, test_boot.BAD, test_cmdline.BAD, test_identity.BAD),
        *(test_leftovers.BAD, test_permissions.BAD, test_promises.BAD, test_settings.BAD),
        *(test_software.BAD, test_sshd.BAD),
    )
    seen = {row[0].split()[0] for each in rows for row in each}
    seen |= {"newer-than-epoch", "root-owned"}
    assert seen == {each.name for each in CHECKS}


@pytest.mark.parametrize("path", ["etc/hostname", "var/log", "etc/resolv.conf", ""])
def test_newer_than_epoch(tree: Path, path: str) -> None:
    os.utime(tree / path, (EPOCH, EPOCH + 7), follow_symlinks=False)
    assert failures(tree) == {"newer-than-epoch": f"/{path} is 7 s newer"}


def test_nobody_owns_no_files(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Only root can give a file to nobody, so whoever runs the tests is nobody here.
    monkeypatch.setattr(permissions, "OVERFLOW_ID", os.getgid())
    assert "/boot belongs to the group id" in failures(tree)["known-owners"]


def test_root_owns_the_system(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(permissions, "ROOT", os.getuid() + 1)
    monkeypatch.setattr(permissions, "ROOT_FOLDERS", ("etc/polkit-1/rules.d",))
    assert failures(tree) == {}
    monkeypatch.setattr(permissions, "ROOT_FOLDERS", ("boot",))
    assert f"/boot belongs to the user id {os.getuid()}" in failures(tree)["root-owned"]


def test_older_than_epoch_is_fine(tree: Path) -> None:
    settle(tree, EPOCH - 7)
    assert failures(tree) == {}


@pytest.mark.parametrize(
    "change",
    [
        remove("etc/machine-id"),
        write("etc/machine-id", ""),
        remove("etc/hostname"),
        write("etc/hostname", "localhost\n"),
        link("etc/resolv.conf", "/run/systemd/resolve/stub-resolv.conf"),
        write(DEB822, INLINE),
        both(
            write(DEB822, ""),
            write(LIST, f"deb {BY} {URI} trixie main\n deb  {BY} {URI} trixie-updates main # x\n"),
        ),
        # Without sshd, its configuration lets nobody in.
        lambda tree: [remove("usr/sbin/sshd")(tree), remove(DROP_IN)(tree)],
        # Later values do not count.
        append(SSHD_CONFIG, "PasswordAuthentication yes\n"),
        append(DROP_IN, "Match all\n"),
        write(DROP_IN, 'PasswordAuthentication "no" # never\n'),
        mode("etc", 0o1777),
        append("var/lib/dpkg/status", "\nPackage: x\nStatus: deinstall ok not-installed\n"),
    ],
)
def test_other_good_trees_pass(tree: Path, change: Change) -> None:
    change(tree)
    settle(tree)
    assert failures(tree) == {}


def test_what_is_not_promised_is_not_asked_for(tree: Path) -> None:
    for path in ("boot", f"usr/lib/modules/{VERSION}"):
        shutil.rmtree(tree / path)
    put(tree, "var/lib/dpkg/status", STATUS.partition("\n\n")[0])
    put(tree, LIST, "deb http://own.example/debian trixie main\n")
    (tree / "etc/resolv.conf").unlink()
    settle(tree)
    (tree / "usr/bin/own-helper").chmod(0o755)
    assert failures(tree, replace(BARE, resolv_conf=None, signed_by=False)) == {}


def test_unpromised_resolv_conf_must_be_absent(tree: Path) -> None:
    assert failures(tree, replace(PROMISE, resolv_conf=None)) == {
        "resolv-conf": f"/etc/resolv.conf is a symlink to {STUB}; it must be absent"
    }


def test_tree_without_sources_gets_no_updates(tree: Path) -> None:
    put(tree, DEB822, "")
    settle(tree)
    assert failures(tree, replace(PROMISE, apt_archives=None)) == {
        "apt-sources": "there are no apt sources, so no updates"
    }


def test_many_problems_are_counted(tree: Path) -> None:
    for number in range(SHOWN + 3):
        put(tree, f"var/log/{number}.log")
    settle(tree)
    (detail,) = failures(tree).values()
    assert detail.count("bytes") == SHOWN
    assert detail.endswith("; and 3 more")


def test_nothing_in_the_tree_is_changed(tree: Path) -> None:
    def state() -> Iterator[tuple[str, os.stat_result]]:
        return ((str(path), path.lstat()) for path in sorted(tree.rglob("*")))

    before = [(path, info.st_mtime_ns, info.st_ctime_ns) for path, info in state()]
    results = check(tree, PROMISE, packages(tree))
    assert [(path, info.st_mtime_ns, info.st_ctime_ns) for path, info in state()] == before
    assert results[0] == CheckResult("machine-id", passed=True, detail="")
