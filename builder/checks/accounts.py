# SPDX-License-Identifier: GPL-2.0-or-later
"""The accounts of an image: no way in by password, and nobody but who should be there.

Each function is one check, named and given its reason in `builder.checks.offline`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from builder.checks.reviewed import reviewed
from builder.checks.rootfs import Rootfs
from builder.checks.terms import Subject

PASSWD, GROUP, SHADOW, GSHADOW = "etc/passwd", "etc/group", "etc/shadow", "etc/gshadow"
# What /etc/passwd says where the password is in /etc/shadow.
IN_SHADOW = "x"
# What locks an account. A hash behind a "!" is locked too, but it is still a hash in a public file.
LOCKED = re.compile(r"[!*]+")

# Ids of accounts that packages make, and of nobody. Source: Debian policy, "UID and GID classes".
PACKAGE_IDS = (range(1000), range(60000, 65000), range(65534, 65535))
# Names that only packages give, by Debian's policy and by systemd's.
PACKAGE_NAME = re.compile(r"_|systemd-")
# Shells that let nobody in, and what lets in those that may be let in.
NO_SHELLS = ("/usr/sbin/nologin", "/sbin/nologin", "/bin/false", "/usr/bin/false")
SHELLS = {
    "root": ("/bin/bash", "/bin/sh", "/usr/bin/bash"),
    "sync": ("/bin/sync", "/usr/bin/sync"),
    # OpenStack's packages give their account a shell, and lock its password.
    "octavia": ("/bin/sh",),
}
# Groups whose members are root, or nearly, or read what is root's.
POWERFUL = (
    *("adm", "admin", "disk", "docker", "incus-admin", "kmem", "libvirt", "lxd", "root"),
    *("shadow", "staff", "sudo", "wheel"),
)


@dataclass(frozen=True)
class Account:
    """A line of /etc/passwd."""

    name: str
    password: str
    uid: int
    gid: int
    home: str
    shell: str


def root_locked(subject: Subject) -> Iterator[str]:
    """Root's password must be locked, with no hash behind the lock."""
    fields = dict(_shadow(subject.root))
    if "root" not in fields:
        yield "/etc/shadow has no line for root"
    elif not LOCKED.fullmatch(fields["root"]):
        yield f"root {_kind(fields['root'])}"


def no_passwords(subject: Subject) -> Iterator[str]:
    """No other account may have a password, a hash or an empty field."""
    for name, password in _shadow(subject.root):
        if name != "root" and not LOCKED.fullmatch(password):
            yield f"{name} {_kind(password)}"
    for each in accounts(subject.root):
        if each.password != IN_SHADOW and not LOCKED.fullmatch(each.password):
            yield f"{each.name} {_kind(each.password)} in /{PASSWD}"


def one_superuser(subject: Subject) -> Iterator[str]:
    """Only root may have the user id 0."""
    for each in accounts(subject.root):
        if each.uid == 0 and each.name != "root":
            yield f"{each.name} has the user id 0"


def known_accounts(subject: Subject) -> Iterator[str]:
    """Every account must be one that packages make, and none but root may log in."""
    promised = {name for promise in subject.promise.classes for name in promise.users}
    for each in accounts(subject.root):
        known = each.name in promised or each.name in reviewed().users
        if not known and not PACKAGE_NAME.match(each.name):
            yield f"{each.name} is an account that nobody has reviewed (users: in offline.yaml)"
        if not any(each.uid in ids for ids in PACKAGE_IDS):
            yield f"{each.name} has the user id {each.uid}, as a person's account"
        if each.shell not in (*NO_SHELLS, *SHELLS.get(each.name, ())):
            yield f"{each.name} has the shell {each.shell or '/bin/sh, which is the default'}"


def powerful_groups(subject: Subject) -> Iterator[str]:
    """Nobody may be in a group that makes root of its members, or lets them read what is root's."""
    groups = {line[0]: line for line in _colons(subject.root, GROUP, 4)}
    for name in POWERFUL:
        for member in groups[name][3].split(",") if name in groups else ():
            if member.strip():
                yield f"{member.strip()} is in the group {name}"
    ids = {line[2]: name for name, line in groups.items()}
    for each in accounts(subject.root):
        group = ids.get(str(each.gid))
        if group in POWERFUL and each.name != group:
            yield f"{each.name} has the group {group} as its own"


def account_files(subject: Subject) -> Iterator[str]:
    """passwd, group and their shadows must agree, each name and id standing there once."""
    users = [each.name for each in accounts(subject.root)]
    groups = [line[0] for line in _colons(subject.root, GROUP, 4)]
    for path, names in ((PASSWD, users), (GROUP, groups)):
        yield from (f"{name} is in /{path} twice" for name in _twice(names))
    uids = [str(each.uid) for each in accounts(subject.root)]
    gids = [line[2] for line in _colons(subject.root, GROUP, 4)]
    yield from (f"the user id {uid} is in /{PASSWD} twice" for uid in _twice(uids) if uid != "0")
    yield from (f"the group id {gid} is in /{GROUP} twice" for gid in _twice(gids))
    for path, shadow, names in ((PASSWD, SHADOW, users), (GROUP, GSHADOW, groups)):
        hidden = {line[0] for line in _colons(subject.root, shadow, 2)}
        yield from (
            f"{each} is in /{path}, not in /{shadow}" for each in names if each not in hidden
        )
        yield from (f"{each} is in /{shadow} only" for each in sorted(hidden - set(names)))
    for each in accounts(subject.root):
        if str(each.gid) not in gids:
            yield f"{each.name} has the group id {each.gid}, which is not in /{GROUP}"


def accounts(root: Rootfs) -> tuple[Account, ...]:
    """The lines of /etc/passwd."""
    return tuple(
        Account(name, password, int(uid), int(gid), home, shell)
        for name, password, uid, gid, _, home, shell, *_ in _colons(root, PASSWD, 7)
        if uid.isdecimal() and gid.isdecimal()
    )


def _kind(password: str) -> str:
    """Name what is in a password field without repeating it."""
    if password == "":
        return "needs no password"
    return "is locked, but has a password" if password[0] in "!*" else "has a password"


def _shadow(root: Rootfs) -> list[tuple[str, str]]:
    """(account, password field) of /etc/shadow."""
    return [(line[0], line[1]) for line in _colons(root, SHADOW, 2)]


def _colons(root: Rootfs, path: str, least: int) -> Iterator[list[str]]:
    """The fields of a file such as /etc/passwd; lines with fewer than `least` mean nothing."""
    for line in root.lines(path):
        fields = line.split(":")
        if len(fields) >= least and not line.startswith("#"):
            yield fields


def _twice(names: list[str]) -> list[str]:
    """What stands there more than once."""
    return sorted(name for name, times in Counter(names).items() if times > 1)
