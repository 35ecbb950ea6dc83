# SPDX-License-Identifier: GPL-2.0-or-later
"""The way in by SSH: what sshd's settings, Include and Match taken into account, allow.

Each function is one check, named and given its reason in `builder.checks.offline`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from builder.checks.accounts import accounts
from builder.checks.rootfs import Rootfs
from builder.checks.terms import Subject

# What sshd does if it is told nothing, by keyword. Source: sshd_config(5).
DEFAULTS = {
    "passwordauthentication": "yes",
    "kbdinteractiveauthentication": "yes",
    "permitemptypasswords": "no",
    "permitrootlogin": "prohibit-password",
    "hostbasedauthentication": "no",
    "strictmodes": "yes",
}
# What must be in force instead; a value of each is enough.
PASSWORDS_WANTED: dict[str, tuple[str, ...]] = {
    "passwordauthentication": ("no",),
    "kbdinteractiveauthentication": ("no",),
    "permitemptypasswords": ("no",),
}
ROOT_WANTED: dict[str, tuple[str, ...]] = {
    "permitrootlogin": ("no", "prohibit-password", "without-password", "forced-commands-only"),
}
# Hosts are not believed, nor are keys in folders that others can write to.
TRUST_WANTED: dict[str, tuple[str, ...]] = {
    "hostbasedauthentication": ("no",),
    "strictmodes": ("yes",),
}
# Where Debian's service takes more options of sshd from, which come before the configuration.
SERVICE_OPTIONS = re.compile(r"^\s*SSHD_OPTS=\s*(?P<value>[^#]*)")
SSHD_ALIASES = {
    "challengeresponseauthentication": "kbdinteractiveauthentication",
    "skeyauthentication": "kbdinteractiveauthentication",
}
SSHD = "usr/sbin/sshd"
# As deep as sshd itself follows Include.
MAX_INCLUDES = 16


@dataclass(frozen=True)
class SshdSetting:
    """One line of sshd's configuration: lower-case keyword and value, and where it applies."""

    keyword: str
    value: str
    where: str
    conditional: bool


def authorized_keys(subject: Subject) -> Iterator[str]:
    """No account may hold a key that lets somebody in."""
    homes = {f"{each.home}/.ssh" for each in accounts(subject.root)}
    for folder in sorted({*homes, "/root/.ssh", "/home/*/.ssh", "/etc/skel/.ssh", "/etc/ssh"}):
        for path in subject.root.glob(f"{folder}/authorized_keys*"):
            found = (path, *subject.root.glob(f"{path}/*"))
            yield from (
                f"/{each} lets somebody in" for each in found if subject.root.size(each) > 0
            )


def sshd_passwords(subject: Subject) -> Iterator[str]:
    """No password, not even an empty one, may let anybody in."""
    yield from _unwanted(subject, PASSWORDS_WANTED)


def sshd_root(subject: Subject) -> Iterator[str]:
    """Root may come in with a key at most."""
    yield from _unwanted(subject, ROOT_WANTED)


def sshd_trust(subject: Subject) -> Iterator[str]:
    """No other host is trusted, no folder that others write to, and no option hides a setting."""
    yield from _unwanted(subject, TRUST_WANTED)
    if not subject.root.exists(SSHD):
        return
    for number, line in enumerate(subject.root.lines("etc/default/ssh"), 1):
        match = SERVICE_OPTIONS.match(line)
        if match and match["value"].strip().strip("\"'"):
            yield f"/etc/default/ssh:{number} gives sshd the options {match['value'].strip()}"


def _unwanted(subject: Subject, wanted: dict[str, tuple[str, ...]]) -> Iterator[str]:
    """What sshd would do otherwise, by its configuration and all that it includes."""
    if not subject.root.exists(SSHD):
        return
    settings = tuple(_sshd_settings(subject.root, "etc/ssh/sshd_config"))
    for keyword, right in wanted.items():
        said = [each for each in settings if each.keyword == keyword]
        # sshd takes the first value that it reads; a Match block can only be judged by its text.
        first = next((each for each in said if not each.conditional), None)
        if first is None and DEFAULTS[keyword] not in right:
            yield f"{keyword} is not set, and is {DEFAULTS[keyword]} by default"
        for each in said:
            if (each is first or each.conditional) and each.value not in right:
                yield f"{keyword} is {each.value} in {each.where}"


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
