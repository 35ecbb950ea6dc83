# SPDX-License-Identifier: GPL-2.0-or-later
"""The distributions that a name may say, and their releases as distro-info knows them.

Which releases exist, their codenames and their titles are distro-info's data and never a table of
ours. Distributions that it does not know may have any release.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import date
from typing import Any

from builder.errors import InfrastructureError, UsageError

# Suites whose codename changes with time; sid does not move, but is better known as unstable.
DEBIAN_SUITES = ("oldstable", "stable", "testing", "unstable")
# Packages for a few machines to try, never a whole system: no image can be made of it.
NO_RELEASE = ("experimental",)


@dataclass(frozen=True)
class Distro:
    """A distribution: `data` is its name in distro-info, empty where that does not know it."""

    token: str
    title: str
    aliases: tuple[str, ...] = ()
    data: str = ""


DISTROS: dict[str, Distro] = {
    distro.token: distro
    for distro in (
        Distro("debian", "Debian", ("debn", "deb"), data="Debian"),
        Distro("ubuntu", "Ubuntu", ("ubnt",), data="Ubuntu"),
        Distro("alma", "AlmaLinux", ("almalinux",)),
        Distro("alpine", "Alpine Linux"),
        Distro("amazon", "Amazon Linux", ("amazonlinux", "amzn")),
        Distro("arch", "Arch Linux", ("archlinux",)),
        Distro("centos", "CentOS Stream", ("cnts",)),
        Distro("cirros", "CirrOS"),
        Distro("devuan", "Devuan"),
        Distro("fedora", "Fedora", ("fdra",)),
        Distro("flatcar", "Flatcar Container Linux"),
        Distro("freebsd", "FreeBSD"),
        Distro("gentoo", "Gentoo"),
        Distro("kali", "Kali Linux"),
        Distro("opensuse", "openSUSE", ("suse",)),
        Distro("oracle", "Oracle Linux", ("oraclelinux", "ol")),
        Distro("rhel", "Red Hat Enterprise Linux", ("redhat",)),
        Distro("rocky", "Rocky Linux", ("rockylinux",)),
        Distro("sles", "SUSE Linux Enterprise Server"),
        Distro("windows", "Windows", ("win",)),
    )
}
DISTRO_TOKENS = {
    word: distro for distro in DISTROS.values() for word in (distro.token, *distro.aliases)
}


@dataclass(frozen=True)
class Release:
    """One release as distro-info describes it; `spellings` are the tokens that mean it.

    `number` is its version as people write it (13, 24.04), empty for sid. Days that are not known
    yet are None: `released`; `end_of_life`, the last one of the distribution's own security
    support; and `ends`, the last one of security updates that everybody gets: long-term support is
    counted, and what is sold is not.
    """

    token: str
    codename: str
    title: str
    spellings: tuple[str, ...]
    released: date | None
    number: str = ""
    end_of_life: date | None = None
    ends: date | None = None


@functools.cache
def releases(distro: Distro) -> dict[str, Release]:
    """The releases of a distribution by canonical token, oldest first; none if it has no data.

    Raises InfrastructureError where distro-info is not installed.
    """
    if not distro.data:
        return {}
    rows = _distro_info(distro.data).get_all("object")
    found = (_release(distro, row) for row in rows if row.series not in NO_RELEASE)
    return {release.token: release for release in found}


def end_of_life(distro: str, release: str) -> date | None:
    """The last day of a release, by both tokens; None if it has no such day yet.

    Raises UsageError where distro-info does not know the release: nobody knows its end.
    """
    known = DISTROS.get(distro)
    found = releases(known).get(release) if known else None
    if found is None:
        raise UsageError(
            f"nobody knows the end of life of {distro} {release}: distro-info has no such release",
            hint="upgrade the package distro-info-data; where it has no data about a distribution,"
            " use a channel with delete_after",
        )
    return found.ends


def suite_codename(suite: str, today: date | None = None) -> str:
    """The codename that one of DEBIAN_SUITES has on that day."""
    if suite == "unstable":
        return "sid"
    info = _distro_info("Debian")
    import distro_info

    try:
        return str(info.codename(suite, today))
    except distro_info.DistroDataOutdated as error:
        raise UsageError(
            f"distro-info's data does not say what Debian's {suite} is on that day",
            hint="name the release by its number, or upgrade the package distro-info-data",
        ) from error


def _distro_info(data: str) -> Any:
    """distro-info's object for Debian or Ubuntu."""
    try:
        # Imported late, so that `doctor` can run where Debian's package is not installed.
        import distro_info

        return getattr(distro_info, f"{data}DistroInfo")()
    except (ImportError, OSError) as error:
        raise InfrastructureError(
            f"distro-info's data about {data}'s releases cannot be read: {error}",
            hint="apt-get install python3-distro-info distro-info-data",
        ) from error


def _release(distro: Distro, row: Any) -> Release:
    """One of distro-info's rows; its version may be empty (sid) or say more ("24.04 LTS")."""
    number = row.version.split(" ")[0]
    if distro.data == "Ubuntu":
        token, nickname = number.replace(".", ""), row.codename
    else:
        token, nickname = number or row.series, row.series
    version = row.version or "unstable"
    return Release(
        token,
        row.series,
        f"{distro.title} {version} ({nickname})",
        spellings=tuple(dict.fromkeys(filter(None, (token, number, row.series)))),
        released=row.release,
        number=number,
        end_of_life=row.eol,
        ends=row.eol_lts or row.eol,
    )
