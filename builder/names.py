# SPDX-License-Identifier: GPL-2.0-or-later
"""Image names: their grammar, the aliases that people type, codenames and titles.

    <distro>-<release>[-<role>...][-<arch>][-<serial> | -<tag>]

`parse()` accepts many spellings and returns the one canonical `Name`. A name may come from anyone
and become part of a path, so what comes out holds only a-z, 0-9, "." and "-", never "..", and at
most `MAX_LENGTH` characters. Releases, codenames and titles are distro-info's, not ours.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

from builder.distros import (
    DEBIAN_SUITES,
    DISTRO_TOKENS,
    DISTROS,
    Distro,
    releases,
    suite_codename,
)
from builder.errors import UsageError
from builder.models import ARCHES, DEFAULT_ARCH

# Leaves room for a serial and a file suffix within the 255 bytes of a file name.
MAX_LENGTH = 100
GRAMMAR = "<distro>-<release>[-<role>...][-<arch>][-<serial or tag>], such as debian-13-arm64"

TOKEN = re.compile(r"[a-z0-9]+(?:[._][a-z0-9]+)*")
ROLE = re.compile(r"[a-z][a-z0-9]*")
FREE_RELEASE = re.compile(r"[a-z0-9]+(?:\.[a-z0-9]+)*")
SERIAL = re.compile(r"([0-9]{8})(?:\.([1-9][0-9]{0,3}))?")
# A point release (4, or Ubuntu's 24.04.3 as its third: 3); two digits are enough for any of them.
POINT = re.compile(r"(?:0|[1-9][0-9]?)(?:\.(?:0|[1-9][0-9]?))*")
MONTH = re.compile(r"[0-9]{4}(?:0[1-9]|1[0-2])")
# These words are reserved: roles start with a letter too, and debian-14-rc1 must mean one thing.
MILESTONE = re.compile(r"(?:alpha|beta|rc)[0-9]*")

ARCH_TOKENS = {word: arch.name for arch in ARCHES.values() for word in (arch.name, *arch.aliases)}


@dataclass(frozen=True)
class Name:
    """An image's canonical name; `parse()` makes it from text, `str()` gives the text back."""

    distro: str
    release: str
    roles: tuple[str, ...] = ()
    arch: str = DEFAULT_ARCH
    serial: str | None = None
    tag: str | None = None

    def __str__(self) -> str:
        arch = () if self.arch == DEFAULT_ARCH else (self.arch,)
        last = filter(None, (self.serial, self.tag))
        return "-".join((self.distro, self.release, *self.roles, *arch, *last))

    @property
    def series(self) -> Name:
        """The name without what singles out one build."""
        return replace(self, serial=None, tag=None)


def parse(text: str, today: date | None = None) -> Name:
    """Read an image name in any accepted spelling.

    `today` decides what Debian's stable, testing and oldstable are. Raises UsageError, and nothing
    else, for text that is no name; it says which token is wrong and offers the nearest ones.
    """
    distro, release, rest = _read_release(_tokens(text), today)
    name = _read_rest(text, Name(distro, release), rest)
    if len(str(name)) > MAX_LENGTH:
        raise _too_long(str(name))
    return name


def title(name: Name) -> str:
    """The full title of the release: "Debian 13 (trixie)", "Ubuntu 24.04 LTS (Noble Numbat)"."""
    release = releases(DISTROS[name.distro]).get(name.release)
    return release.title if release else f"{DISTROS[name.distro].title} {name.release}"


def codename(name: Name) -> str:
    """The release's codename as archives write it, such as "trixie"; empty where none is known."""
    release = releases(DISTROS[name.distro]).get(name.release)
    return release.codename if release else ""


def in_development(name: Name, today: date | None = None) -> bool:
    """Whether the release is still being made on that day, which is today if none is given.

    Releases that distro-info does not know are taken for finished.
    """
    release = releases(DISTROS[name.distro]).get(name.release)
    if release is None:
        return False
    return release.released is None or release.released > (today or datetime.now(UTC).date())


def next_serial(day: date, existing: Iterable[str]) -> str:
    """The serial of a new build of that day: YYYYMMDD, then .1, .2; never one that was used."""
    today = f"{day:%Y%m%d}"
    used = [serial_key(s)[1] for s in existing if SERIAL.fullmatch(s) and s[:8] == today]
    return f"{today}.{max(used) + 1}" if used else today


def serial_key(serial: str) -> tuple[int, int]:
    """What serials sort by: the day, then the number within the day (as a number: .10 after .9)."""
    match = SERIAL.fullmatch(serial)
    if match is None:
        raise UsageError(f"{serial!r} is not a serial", hint="serials look like 20261120.1")
    return int(match[1]), int(match[2] or 0)


def is_role(token: str) -> bool:
    """Whether a name can say this token as a role: no reserved word, and not an architecture."""
    return (
        ROLE.fullmatch(token) is not None
        and token not in ARCH_TOKENS
        and MILESTONE.fullmatch(token) is None
    )


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """What to add to "there is no WORD": "; did you mean A or B?", or nothing if none is near."""
    near = difflib.get_close_matches(word, sorted(set(known)), n=3, cutoff=0.6)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def _tokens(text: str) -> list[str]:
    """The tokens of a name in lower case, each of harmless characters."""
    if len(text) > MAX_LENGTH:
        raise _too_long(text)
    # Before lower(): outside of ASCII, a few letters become ASCII ones (the Kelvin sign a "k").
    tokens = text.lower().split("-") if text.isascii() else [text]
    for token in tokens:
        if not TOKEN.fullmatch(token):
            what = f"the token {token!r} of {text!r}" if token and len(tokens) > 1 else repr(text)
            raise UsageError(f"{what} cannot be part of an image name", hint=f"names are {GRAMMAR}")
    return tokens


def _too_long(text: str) -> UsageError:
    return UsageError(
        f"an image name has at most {MAX_LENGTH} characters, and {text[:40]!r}... has {len(text)}",
        hint=f"names are {GRAMMAR}",
    )


def _read_release(tokens: list[str], today: date | None) -> tuple[str, str, list[str]]:
    """Distribution and release that the first tokens mean, and the tokens after them."""
    first, rest = tokens[0], tokens[1:]
    distro = DISTRO_TOKENS.get(first)
    if distro is not None:
        return distro.token, _release_token(distro, rest[0] if rest else "", today), rest[1:]

    codenames = {r.codename: (d, r) for d in DISTROS.values() for r in releases(d).values()}
    if first not in codenames:
        near = did_you_mean(first, [*DISTROS, *codenames])
        raise UsageError(
            f"no distribution or codename is called {first}{near}",
            hint=f"distributions are {', '.join(DISTROS)}",
        )
    distro, release = codenames[first]
    return distro.token, release.token, rest


def _release_token(distro: Distro, token: str, today: date | None) -> str:
    """The canonical release token for one that follows the distribution."""
    if not token:
        raise UsageError(f"{distro.token} alone names no release", hint=_releases_hint(distro))
    if not distro.data:
        reserved = token in ARCH_TOKENS or MILESTONE.fullmatch(token)
        if reserved or not FREE_RELEASE.fullmatch(token):
            raise UsageError(
                f"{token} cannot be a release of {distro.title}", hint=f"names are {GRAMMAR}"
            )
        return token

    if distro is DISTROS["debian"] and token in DEBIAN_SUITES:
        token = suite_codename(token, today)
    spellings = {word: r for r in releases(distro).values() for word in r.spellings}
    if token not in spellings:
        raise UsageError(
            f"{distro.title} has no release {token}{did_you_mean(token, spellings)}",
            hint=_releases_hint(distro),
        )
    return spellings[token].token


def _releases_hint(distro: Distro) -> str:
    """The newest releases to choose from, where distro-info knows them."""
    newest = list(releases(distro))[-6:]
    return f"its newest releases are {', '.join(newest)}" if newest else f"names are {GRAMMAR}"


def _read_rest(text: str, name: Name, tokens: list[str]) -> Name:
    """Add roles, architecture, serial and tag to `name`; they come in this order."""
    stage, roles, found = 0, list[str](), dict[str, str]()
    for token in tokens:
        position, field, value = _classify(token)
        if position < stage or (position == stage and position > 0):
            raise UsageError(
                f"the {field} {token} is at the wrong place in {text}", hint=f"names are {GRAMMAR}"
            )
        stage = position
        if field != "role":
            found[field] = value
        elif value in roles:
            raise UsageError(f"the role {value} stands twice in {text}", hint="say it once")
        else:
            roles.append(value)
    return replace(
        name,
        roles=tuple(roles),
        arch=found.get("arch", DEFAULT_ARCH),
        serial=found.get("serial"),
        tag=found.get("tag"),
    )


def _classify(token: str) -> tuple[int, str, str]:
    """A token's position in the grammar, its field, and its canonical value."""
    if token in ARCH_TOKENS:
        return 1, "arch", ARCH_TOKENS[token]
    if serial := SERIAL.fullmatch(token):
        if not _is_date(serial[1]):
            raise UsageError(
                f"the serial {token} is no date", hint="serials are YYYYMMDD, then YYYYMMDD.1"
            )
        return 2, "serial", token
    if MILESTONE.fullmatch(token) or MONTH.fullmatch(token) or POINT.fullmatch(token):
        return 2, "tag", token
    if is_role(token):
        return 0, "role", token
    raise UsageError(
        f"{token} is neither a role, an architecture, a serial nor a tag"
        f"{did_you_mean(token, ARCH_TOKENS)}",
        hint="serials are YYYYMMDD, tags are point releases (4), months (202611) or beta, rc1",
    )


def _is_date(text: str) -> bool:
    try:
        datetime.strptime(text, "%Y%m%d")
    except ValueError:
        return False
    return True
