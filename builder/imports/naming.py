# SPDX-License-Identifier: GPL-2.0-or-later
"""What the name of an image tells of it, where nobody built it here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from builder import names
from builder.errors import UsageError
from builder.models import DEFAULT_ARCH

UNKNOWN: Final = "unknown"


@dataclass(frozen=True)
class Facts:
    """What a name tells of an image; what it does not tell is "unknown".

    `says_arch` is false where the architecture is only the usual one.
    """

    distro: str
    release: str
    codename: str
    arch: str
    roles: tuple[str, ...]
    title: str
    says_arch: bool = True


def facts(name: str) -> Facts:
    """What an image's name tells: by the grammar of names, or else by its parts."""
    try:
        found = names.parse(name)
        if found.serial or found.tag:
            raise UsageError(f"{name} is no series")
    except UsageError:
        return _by_parts(name)
    roles = f", {' '.join(found.roles)}" if found.roles else ""
    return Facts(
        found.distro,
        found.release,
        names.codename(found),
        found.arch,
        found.roles,
        f"{names.title(found)}{roles}",
    )


def _by_parts(name: str) -> Facts:
    first, *rest = name.split("-")
    arch = next((names.ARCH_TOKENS[word] for word in rest if word in names.ARCH_TOKENS), None)
    other = [word for word in rest if word and word not in names.ARCH_TOKENS]
    roles = tuple(dict.fromkeys(other[1:]))
    release = other[0] if other else UNKNOWN
    return Facts(first, release, "", arch or DEFAULT_ARCH, roles, name, arch is not None)
