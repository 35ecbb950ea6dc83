# SPDX-License-Identifier: GPL-2.0-or-later
"""Ways into an image that must be closed: passwords, keys, sshd's settings.

Each function is one check, named and given its reason in `builder.checks.offline`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from builder.checks.rootfs import Rootfs
from builder.checks.terms import Subject

# What /etc/passwd says where the password is in /etc/shadow.
IN_SHADOW = "x"
# What locks an account. A hash behind a "!" is locked too, but it is still a hash in a public file.
LOCKED = re.compile(r"[!*]+")

# sshd's own defaults for what decides about passwords, and what must be in force instead.
# Source: sshd_config(5).
SSHD_DEFAULTS = {
    "passwordauthentication": "yes",
    "kbdinteractiveauthentication": "yes",
    "permitemptypasswords": "no",
}
SSHD_WANTED = {
    "passwordauthentication": "no",
    "kbdinteractiveauthentication": "no",
    "permitemptypasswords": "no",
}
SSHD_ALIASES = {
    "challengeresponseauthentication": "kbdinteractiveauthentication",
    "skeyauthentication": "kbdinteractiveauthentication",
}
# As deep as sshd itself follows Include.
MAX_INCLUDES = 16


@dataclass(frozen=True)
class SshdSetting:
    """One line of sshd's configuration: lower-case keyword and value, and where it applies."""

    keyword: str
    value: str
    where: str
    conditional: bool


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
    for name, password, *_ in _colons(subject.root, "etc/passwd", 7):
        if password != IN_SHADOW and not LOCKED.fullmatch(password):
            yield f"{name} {_kind(password)} in /etc/passwd"


def one_superuser(subject: Subject) -> Iterator[str]:
    """Only root may have the user id 0."""
    for name, _, uid, *_ in _colons(subject.root, "etc/passwd", 7):
        if uid.strip().lstrip("0") == "" and name != "root":
            yield f"{name} has the user id 0"


def authorized_keys(subject: Subject) -> Iterator[str]:
    """No account may hold a key that lets somebody in."""
    for *_, home, _shell in _colons(subject.root, "etc/passwd", 7):
        for path in subject.root.glob(f"{home}/.ssh/authorized_keys*"):
            if (subject.root.text(path) or "").strip():
                yield f"/{path} lets somebody in"


def sshd_passwords(subject: Subject) -> Iterator[str]:
    """What sshd would do with passwords, by its configuration and all that it includes."""
    if not subject.root.exists("usr/sbin/sshd"):
        return
    settings = tuple(_sshd_settings(subject.root, "etc/ssh/sshd_config"))
    for keyword, wanted in SSHD_WANTED.items():
        said = [each for each in settings if each.keyword == keyword]
        # sshd takes the first value that it reads; a Match block can only be judged by its text.
        first = next((each for each in said if not each.conditional), None)
        if first is None and SSHD_DEFAULTS[keyword] != wanted:
            yield f"{keyword} is not set, and is {SSHD_DEFAULTS[keyword]} by default"
        for each in said:
            if (each is first or each.conditional) and each.value != wanted:
                yield f"{keyword} is {each.value} in {each.where}"


def _kind(password: str) -> str:
    """Name what is in a password field without repeating it."""
    if password == "":
        return "needs no password"
    return "is locked, but has a password" if password[0] in "!*" else "has a password"


def _shadow(root: Rootfs) -> list[tuple[str, str]]:
    """(account, password field) of /etc/shadow."""
    return [(line[0], line[1]) for line in _colons(root, "etc/shadow", 2)]


def _colons(root: Rootfs, path: str, least: int) -> Iterator[list[str]]:
    """The fields of a file such as /etc/passwd; lines with fewer than `least` mean nothing."""
    for line in root.lines(path):
        fields = line.split(":")
        if len(fields) >= least and not line.startswith("#"):
            yield fields


def _sshd_settings(
    root: Rootfs, path: str, conditional: bool = False, depth: int = 0
) -> Iterator[SshdSetting]:
    """sshd's settings in the order in which it reads them, Include followed in place."""
    for number, line in enumerate(root.lines(path), 1):
        words = re.split(r"[\s=]+", line.split("#", 1)[0].strip(), maxsplit=1)
        keyword = words[0].lower()
        value = words[1].replace('"', "").strip() if len(words) > 1 else ""
        if keyword == "match":
            conditional = True
        elif keyword == "include":
            if depth < MAX_INCLUDES:
                for pattern in value.split():
                    # A relative path is relative to /etc/ssh, wherever the file is.
                    name = pattern if pattern.startswith("/") else f"etc/ssh/{pattern}"
                    for included in root.glob(name):
                        # A Match in there ends with that file.
                        yield from _sshd_settings(root, included, conditional, depth + 1)
        elif keyword:
            yield SshdSetting(
                SSHD_ALIASES.get(keyword, keyword),
                value.lower(),
                f"/{path.lstrip('/')}:{number}",
                conditional,
            )
