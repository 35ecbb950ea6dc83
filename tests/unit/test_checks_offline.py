# SPDX-License-Identifier: GPL-2.0-or-later
"""Every offline check, seen passing on a small good tree and failing on each kind of bad one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from builder.checks import files
from builder.checks.offline import CHECKS, SHOWN, check
from builder.checks.terms import CheckResult, Promise
from builder.manifest.collect import packages

EPOCH = 1_795_143_600
STUB = "../run/systemd/resolve/stub-resolv.conf"
VERSION = "6.12+deb13-amd64"
PROMISE = Promise(
    epoch=EPOCH,
    packages=("bash",),
    kernel="linux-image-amd64",
    resolv_conf=STUB,
    hostname="debian",
    apt_uris=("http://archive.example/debian",),
)
STATUS = """\
Package: bash
Status: install ok installed
Architecture: amd64
Version: 5.2

Package: linux-image-amd64
Status: install ok installed
Architecture: amd64
Version: 6.12
"""
SOURCES = """\
# The archive
Types: deb
URIs: http://archive.example/debian/
Suites: trixie trixie-updates
Components: main
Signed-By: /usr/share/keyrings/archive.pgp

Enabled: no
Types: deb
URIs: http://off.example
Suites: x
Components: main
"""
SSHD = """\
Include /etc/ssh/sshd_config.d/*.conf
KbdInteractiveAuthentication no
UsePAM yes
Subsystem sftp /usr/lib/openssh/sftp-server
"""
# The tests' own ids own the files of the tree.
OWNERS = f"tester:x:{os.getuid() or 1}:1::/nonexistent:/usr/sbin/nologin\n"
GROUPS = f"root:x:0:\ntesters:x:{os.getgid()}:\n"
GOOD = {
    "etc/machine-id": "uninitialized\n",
    "etc/hostname": "debian\n",
    "etc/passwd": "root:x:0:0:root:/root:/bin/bash\n" + OWNERS,
    "etc/group": GROUPS,
    "etc/shadow": "root:*:19675:0:99999:7:::\ntester:!*:19675::::::\n",
    "etc/ssh/sshd_config": SSHD,
    "etc/ssh/sshd_config.d/10-keys.conf": "PasswordAuthentication no\n",
    "etc/apt/sources.list": "# see sources.list.d\n",
    "etc/apt/sources.list.d/debian.sources": SOURCES,
    "etc/apt/apt.conf.d/70debconf": '// Proxy "http://x";\nDPkg::Pre-Install-Pkgs {"x";};\n',
    "usr/share/keyrings/archive.pgp": "key",
    "usr/sbin/sshd": "#!",
    "usr/lib/modules/" + VERSION + "/modules.dep": "",
    "boot/vmlinuz-" + VERSION: "kernel",
    "boot/initrd.img-" + VERSION: "initrd",
    "root/.ssh/authorized_keys": "",
    "tmp/": "",
    "var/cache/apt/archives/lock": "",
    "var/lib/apt/lists/lock": "",
    "var/lib/dbus/": "",
    "var/lib/dpkg/diversions": "/libx32\n/.libx32.usr-is-merged\nbase-files\n",
    "var/lib/dpkg/status": STATUS,
    "var/log/wtmp": "",
    "var/log/journal/": "",
}


def put(tree: Path, path: str, text: str = "x") -> None:
    """Write a file, or make a folder where the path ends with a slash."""
    place = tree / path
    if path.endswith("/"):
        place.mkdir(parents=True, exist_ok=True)
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    place.write_text(text)
    place.chmod(0o644)


def settle(tree: Path, epoch: int = EPOCH) -> None:
    """Give everything in the tree the same time."""
    for path in [tree, *tree.rglob("*")]:
        os.utime(path, (epoch, epoch), follow_symlinks=False)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for path, text in GOOD.items():
        put(tmp_path, path, text)
    (tmp_path / "etc/resolv.conf").symlink_to(STUB)
    (tmp_path / "var/lib/dbus/machine-id").symlink_to("/etc/machine-id")
    (tmp_path / "var/log/README").symlink_to("../../usr/share/doc/systemd/README.logs")
    (tmp_path / "tmp").chmod(0o1777)
    settle(tmp_path)
    return tmp_path


def failures(tree: Path, promise: Promise = PROMISE) -> dict[str, str]:
    results = check(tree, promise, packages(tree))
    assert [result.name for result in results] == [each.name for each in CHECKS]
    assert all(result.passed == (result.detail == "") for result in results)
    return {result.name: result.detail for result in results if not result.passed}


def test_good_tree_passes(tree: Path) -> None:
    assert failures(tree) == {}


def write(path: str, text: str = "x") -> Callable[[Path], None]:
    return lambda tree: put(tree, path, text)


def append(path: str, text: str) -> Callable[[Path], None]:
    return lambda tree: put(tree, path, (tree / path).read_text() + text)


def prepend(path: str, text: str) -> Callable[[Path], None]:
    return lambda tree: put(tree, path, text + (tree / path).read_text())


def remove(path: str) -> Callable[[Path], None]:
    return lambda tree: (tree / path).unlink()


def link(path: str, target: str) -> Callable[[Path], None]:
    def make(tree: Path) -> None:
        (tree / path).unlink(missing_ok=True)
        (tree / path).symlink_to(target)

    return make


def mode(path: str, bits: int) -> Callable[[Path], None]:
    return lambda tree: (tree / path).chmod(bits)


LIST = "etc/apt/sources.list"
URI = "http://archive.example/debian"
DEB822 = "etc/apt/sources.list.d/debian.sources"
SSHD_CONFIG = "etc/ssh/sshd_config"
DROP_IN = "etc/ssh/sshd_config.d/10-keys.conf"
INLINE = SOURCES.replace(
    "/usr/share/keyrings/archive.pgp", "\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n /base64"
)

# The check that must fail, a word of its detail, and what is done to the good tree.
BAD: list[tuple[str, str, Callable[[Path], None]]] = [
    ("machine-id", "0123abcd", write("etc/machine-id", "0123abcd\n")),
    ("machine-id", "dbus", write("var/lib/dbus/machine-id", "0123abcd\n")),
    ("ssh-host-keys", "ed25519", write("etc/ssh/ssh_host_ed25519_key")),
    ("ssh-host-keys", "rsa_key.pub", write("etc/ssh/ssh_host_rsa_key.pub")),
    ("unique-files", "random pool", write("var/lib/systemd/random-seed")),
    ("unique-files", "cloud-init", write("var/lib/cloud/instances/i-1/x")),
    ("build-files", "policy-rc.d", write("usr/sbin/policy-rc.d")),
    ("build-files", "90fai", write("etc/apt/apt.conf.d/90fai", "x;")),
    ("build-files", "/tmp/.hidden", write("tmp/.hidden")),
    (
        "build-files",
        "/sbin/init is still diverted",
        append("var/lib/dpkg/diversions", "/sbin/init\n/sbin/init.distrib\nfai\n"),
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
    ("logs", "dpkg.log has 1 bytes", write("var/log/dpkg.log")),
    ("logs", "/var/log/apt/term.log", write("var/log/apt/term.log")),
    ("resolv-conf", "is a file", write("etc/resolv.conf", "nameserver 192.0.2.1\n")),
    ("resolv-conf", "missing", remove("etc/resolv.conf")),
    ("resolv-conf", "/run/other", link("etc/resolv.conf", "/run/other")),
    ("hostname", "build-host", write("etc/hostname", "build-host\n")),
    ("root-locked", "root has a password", write("etc/shadow", "root:$y$j9T$x:1::::::\n")),
    ("root-locked", "but has", write("etc/shadow", "root:!$y$j9T$x:1::::::\n")),
    ("root-locked", "needs no password", write("etc/shadow", "root::1::::::\n")),
    ("root-locked", "no line", write("etc/shadow", "")),
    ("no-passwords", "eve has a password", append("etc/shadow", "eve:$y$x:1::::::\n")),
    ("no-passwords", "eve needs no password", append("etc/shadow", "eve::1::::::\n")),
    ("no-passwords", "/etc/passwd", append("etc/passwd", "eve::1000:1000::/:/bin/sh\n")),
    ("one-superuser", "toor", append("etc/passwd", "toor:x:00:0::/:/bin/sh\n")),
    ("authorized-keys", "/root/.ssh", write("root/.ssh/authorized_keys", "ssh-ed25519 x\n")),
    ("sshd-passwords", "not set", remove(DROP_IN)),
    ("sshd-passwords", "yes in /etc/ssh", write(DROP_IN, "passwordauthentication = YES\n")),
    (
        # The first value counts: the drop-in's "no" comes too late.
        "sshd-passwords",
        "/etc/ssh/sshd_config:1",
        prepend(SSHD_CONFIG, "PasswordAuthentication yes # for now\n"),
    ),
    (
        # What stands in a Match block is not set for all.
        "sshd-passwords",
        "passwordauthentication is not set",
        write(DROP_IN, "Match User x\n PasswordAuthentication no\n"),
    ),
    (
        "sshd-passwords",
        "/etc/ssh/sshd_config:6",
        append(SSHD_CONFIG, "Match User x\nPasswordAuthentication yes\n"),
    ),
    (
        "sshd-passwords",
        "kbdinteractiveauthentication",
        write(SSHD_CONFIG, SSHD.replace("KbdInteractiveAuthentication no", "")),
    ),
    (
        "sshd-passwords",
        "kbdinteractiveauthentication is yes",
        prepend(SSHD_CONFIG, "ChallengeResponseAuthentication yes\n"),
    ),
    ("sshd-passwords", "permitempty", append(DROP_IN, "PermitEmptyPasswords yes\n")),
    ("apt-sources", "Signed-By", write(DEB822, SOURCES.replace("Signed-By", "X-None"))),
    ("apt-sources", "missing or empty", write("usr/share/keyrings/archive.pgp", "")),
    ("apt-sources", "trusted", prepend(DEB822, "Trusted: yes\n")),
    ("apt-sources", "list:1 does not", write(LIST, f"deb {URI} trixie main\n")),
    (
        "apt-sources",
        "/nowhere.pgp",
        write(LIST, f"deb [ arch=amd64 signed-by=/nowhere.pgp ] {URI} trixie main\n"),
    ),
    (
        "apt-uris",
        "http://build-mirror.example",
        write(DEB822, SOURCES + "\nTypes: deb\nURIs: http://build-mirror.example\nSigned-By: x\n"),
    ),
    ("apt-uris", "missing", write(DEB822, SOURCES.replace(URI, "http://other.example"))),
    (
        "packages-finished",
        "half: install ok unpacked",
        append(
            "var/lib/dpkg/status",
            "\nPackage: half\nStatus: install ok unpacked\nArchitecture: all\nVersion: 1\n",
        ),
    ),
    (
        "packages-promised",
        "bash is not",
        write("var/lib/dpkg/status", STATUS.replace("bash", "dash")),
    ),
    (
        "kernel",
        "linux-image-amd64 is not",
        write("var/lib/dpkg/status", STATUS.replace("linux-image-amd64", "linux-image-cloud")),
    ),
    ("kernel", "no kernel", remove("boot/vmlinuz-" + VERSION)),
    ("kernel", "initrd.img", write("boot/initrd.img-" + VERSION, "")),
    ("kernel", "initrd.img-7 is missing", write("boot/vmlinuz-7")),
    ("kernel", "modules/7 is missing", write("boot/vmlinux-7")),
    ("world-writable", "/etc/hostname has mode 0666", mode("etc/hostname", 0o666)),
    ("world-writable", "/etc has mode 0777", mode("etc", 0o777)),
    ("world-writable", "/usr/share has mode 0777", mode("usr/share", 0o777)),
    ("known-owners", "user id", write("etc/passwd", "nobody:x:65534:65534::/:\n")),
    ("known-owners", "group id", write("etc/group", "other:x:99999:\n")),
]


@pytest.mark.parametrize(("name", "word", "spoil"), BAD)
def test_bad_tree_fails(tree: Path, name: str, word: str, spoil: Callable[[Path], None]) -> None:
    spoil(tree)
    settle(tree)
    found = failures(tree)
    assert set(found) == {name}
    assert word in found[name]


def test_every_check_is_seen_failing() -> None:
    seen = {name for name, _, _ in BAD} | {"newer-than-epoch"}
    assert seen == {each.name for each in CHECKS}


@pytest.mark.parametrize("path", ["etc/hostname", "var/log", "etc/resolv.conf", ""])
def test_newer_than_epoch(tree: Path, path: str) -> None:
    os.utime(tree / path, (EPOCH, EPOCH + 7), follow_symlinks=False)
    assert failures(tree) == {"newer-than-epoch": f"/{path} is 7 s newer"}


def test_nobody_owns_no_files(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Only root can give a file to nobody, so whoever runs the tests is nobody here.
    monkeypatch.setattr(files, "OVERFLOW_ID", os.getgid())
    assert "/boot belongs to the group id" in failures(tree)["known-owners"]


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
        write(LIST, f"deb [signed-by=/usr/share/keyrings/archive.pgp] {URI} trixie main\n"),
        # Without sshd, its configuration lets nobody in.
        lambda tree: [remove("usr/sbin/sshd")(tree), remove(DROP_IN)(tree)],
        # Later values do not count.
        append(SSHD_CONFIG, "PasswordAuthentication yes\n"),
        append(DROP_IN, "Match all\n"),
        write(DROP_IN, 'PasswordAuthentication "no" # never\n'),
        mode("etc", 0o1777),
        append("var/lib/dpkg/status", "\nPackage: x\nStatus: deinstall ok config-files\n"),
    ],
)
def test_other_good_trees_pass(tree: Path, change: Callable[[Path], object]) -> None:
    change(tree)
    settle(tree)
    assert failures(tree) == {}


def test_what_is_not_promised_is_not_asked_for(tree: Path) -> None:
    for path in ("boot/vmlinuz-", "boot/initrd.img-"):
        (tree / (path + VERSION)).unlink()
    put(tree, LIST, "deb http://own.example/debian trixie main\n")
    (tree / "etc/resolv.conf").unlink()
    settle(tree)
    assert failures(tree, Promise(epoch=EPOCH, hostname="debian", signed_by=False)) == {}


def test_unpromised_resolv_conf_must_be_absent(tree: Path) -> None:
    promise = Promise(epoch=EPOCH, hostname="debian")
    assert failures(tree, promise) == {
        "resolv-conf": f"/etc/resolv.conf is a symlink to {STUB}; it must be absent"
    }


def test_tree_without_sources_gets_no_updates(tree: Path) -> None:
    put(tree, DEB822, "")
    settle(tree)
    assert failures(tree, Promise(epoch=EPOCH, hostname="debian", resolv_conf=STUB)) == {
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
