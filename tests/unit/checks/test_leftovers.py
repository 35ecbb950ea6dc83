# SPDX-License-Identifier: GPL-2.0-or-later
"""The checks of `builder.checks.leftovers`, each seen failing on every kind of bad tree."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from builder.classes import ClassPromise
from tests.unit.checks.spoil import (
    Bad,
    Change,
    append,
    assert_fails,
    both,
    failures,
    link,
    mode,
    write,
)
from tests.unit.checks.tree import BASE, PROMISE, put, settle

KEY = "cert\n-----BEGIN RSA PRIVATE KEY-----\n"

BAD: list[Bad] = [
    ("build-files foreign-programs", "policy-rc.d", write("usr/sbin/policy-rc.d")),
    ("build-files", "90fai", write("etc/apt/apt.conf.d/90fai", "x;")),
    (
        "build-files",
        "/sbin/init is still diverted",
        append("var/lib/dpkg/diversions", "/sbin/init\n/sbin/init.distrib\nfai\n"),
    ),
    ("logs", "dpkg.log has 1 bytes", write("var/log/dpkg.log")),
    ("logs", "/var/log/apt/term.log", write("var/log/apt/term.log")),
    ("build-files foreign-programs", "the emulator", write("usr/bin/qemu-aarch64-static")),
    ("stray-paths", "/etc/mailname exists: it is the name", write("etc/mailname")),
    ("stray-paths", "/initrd.img.old exists", link("initrd.img.old", "boot/initrd.img")),
    ("stray-paths", "/vmlinuz exists", link("vmlinuz", "boot/vmlinuz")),
    ("stray-paths", "/root/.ssh/known_hosts exists", write("root/.ssh/known_hosts")),
    ("stray-paths", "/root/.bash_history exists", write("root/.bash_history")),
    ("backup-files", "/etc/passwd- exists", write("etc/passwd-")),
    (
        "backup-files",
        "/etc/.resolv.conf.systemd-resolved.bak",
        write("etc/.resolv.conf.systemd-resolved.bak"),
    ),
    ("backup-files", "/etc/default/x.pre_fcopy exists", link("etc/default/x.pre_fcopy", "nowhere")),
    ("backup-files", "/etc/x.dpkg-old exists", write("etc/x.dpkg-old")),
    ("empty-folders", "/tmp/.hidden exists", write("tmp/.hidden")),
    ("empty-folders", "/dev/null exists", write("dev/null")),
    ("empty-folders", "/var/tmp has mode 1755", mode("var/tmp", 0o1755)),
    ("empty-folders", "/srv is missing", lambda tree: (tree / "srv").rmdir()),
    (
        "empty-folders",
        "/media is missing or no folder",
        both(lambda tree: (tree / "media").rmdir(), link("media", "mnt")),
    ),
    ("empty-folders", "/var/cache/man/index.db exists", write("var/cache/man/index.db")),
    ("empty-folders", "/home/eve is somebody's home", write("home/eve/.profile")),
    ("private-keys", "/etc/ssl/x.pem holds a private key", write("etc/ssl/x.pem", KEY)),
    (
        "private-keys",
        "/var/lib/x/key holds a private key",
        write("var/lib/x/key", KEY.replace("RSA", "OPENSSH")),
    ),
    ("private-keys", "/opt/key holds", write("opt/key", "-----BEGIN PGP PRIVATE KEY BLOCK-----")),
    ("private-keys", "/usr/local/x.p12 is a store", write("usr/local/x.p12")),
]


@pytest.mark.parametrize(("name", "word", "spoil"), BAD)
def test_bad_tree_fails(tree: Path, name: str, word: str, spoil: Change) -> None:
    assert_fails(tree, name, word, spoil)


def test_the_promised_accounts_have_homes(tree: Path) -> None:
    put(tree, "home/eve/.profile")
    settle(tree)
    promised = ClassPromise("EVE", users=("eve",))
    assert failures(tree, replace(PROMISE, classes=(BASE, promised))) == {}
