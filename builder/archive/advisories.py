# SPDX-License-Identifier: GPL-2.0-or-later
"""Which security advisories and vulnerabilities an upgrade fixes, by Debian's own data.

The data explains decisions and makes none. Whoever asks catches ForgeError, of `load` and of
`Advisories.fixed`, warns, and goes on without what is missing: with `Advisories()`, or, where only
the tracker's JSON fails, with `dataclasses.replace(advisories, tracker=None)`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TypeVar

from debian.debian_support import Version

from builder.archive import dsalist
from builder.archive import tracker as tracker_json
from builder.archive.dsalist import Dsa
from builder.archive.tracker import Tracker, Vulnerability, highest
from builder.archive.twins import canonical
from builder.errors import ForgeError, UsageError

T = TypeVar("T")


@dataclass(frozen=True)
class Fix:
    """A security advisory that an upgrade brings, or a vulnerability that it fixes without one.

    `id` is the advisory's number or the CVE's own. `urgency` is the tracker's word, the highest
    for these CVEs in the release; empty if it has none.
    """

    id: str
    cves: tuple[str, ...] = ()
    urgency: str = ""


@dataclass(frozen=True)
class Advisories:
    """What Debian knows of security updates; empty, and with an answer of none, by default."""

    dsas: tuple[Dsa, ...] = ()
    tracker: Tracker | None = None

    def fixed(self, source: str, old: str | None, new: str, codename: str) -> tuple[Fix, ...]:
        """What an upgrade of a source package fixes in a release: advisories, then single CVEs.

        A signed twin is looked up as what it was made of. A package that was not there before
        (`old` is None) had no hole that could be fixed. Raises ForgeError if the tracker's JSON,
        which is read when it is needed, cannot be had.
        """
        if old is None:
            return ()
        old = canonical(source, old)[1]
        name, new = canonical(source, new)
        known = self.tracker.vulnerabilities(name, codename) if self.tracker else ()
        candidates = self._by_package.get((name, codename), [])
        inside = _between(
            old, new, [version for version, _ in candidates] + [each.fixed for each in known]
        )
        urgencies = {each.cve: each.urgency for each in known}
        dsas = dict.fromkeys(dsa for version, dsa in candidates if version in inside)
        covered = {cve for dsa in dsas for cve in dsa.cves}
        alone = [each for each in known if each.fixed in inside and each.cve not in covered]
        return (
            *(Fix(dsa.id, dsa.cves, _highest(dsa.cves, urgencies)) for dsa in dsas),
            *(Fix(each.cve, (each.cve,), each.urgency) for each in sorted(alone, key=_number)),
        )

    @cached_property
    def _by_package(self) -> dict[tuple[str, str], list[tuple[str, Dsa]]]:
        """The fixed versions and their advisories, by source package and release."""
        table: dict[tuple[str, str], list[tuple[str, Dsa]]] = {}
        for dsa in self.dsas:
            for each in dsa.fixed:
                table.setdefault((each.source, each.codename), []).append((each.version, dsa))
        return table


def load(lists: Iterable[str], tracker: str | None, folder: Path, kept: Path) -> Advisories:
    """The advisories of some lists (DSA, DLA), and the tracker's JSON if it is to be had.

    Each is a file (relative to `folder`) or a URL; what URLs give is kept in the folder `kept`. The
    lists are read now, the tracker's JSON when it is needed. Raises UsageError for a file,
    InfrastructureError for a URL. Load once per process: what was read stays with the result.
    """
    dsas = tuple(dsa for each in lists for dsa in _at(each, folder, kept, dsalist.parse)())
    return Advisories(
        dsas, Tracker(_at(tracker, folder, kept, tracker_json.parse)) if tracker else None
    )


def _at(place: str, folder: Path, kept: Path, parse: Callable[[bytes], T]) -> Callable[[], T]:
    """What reads one place; raises UsageError at once for a URL that is not to be used."""
    if "://" not in place:
        return partial(_file, folder / place, parse)
    # requests takes longer to load than the rest of a plan that asks nobody.
    from builder.archive import webcache

    webcache.check(place)
    return partial(webcache.fetch, place, kept, parse)


def _file(path: Path, parse: Callable[[bytes], T]) -> T:
    try:
        return parse(path.read_bytes())
    except OSError as error:
        raise UsageError(
            f"{path}: {error.strerror}", hint="images.yaml names it under advisories:"
        ) from error
    except ForgeError as error:
        raise UsageError(f"{path}: {error.message}", hint=error.hint) from error


def _between(old: str, new: str, versions: Iterable[str]) -> set[str]:
    """Those of the versions that an upgrade reaches or passes; text that is no version is none."""
    low, high = _version(old), _version(new)
    if low is None or high is None:
        return set()
    read = ((text, _version(text)) for text in set(versions))
    return {text for text, version in read if version is not None and low < version <= high}


def _version(text: str) -> Version | None:
    try:
        return Version(text)
    except ValueError:
        return None


def _highest(cves: Iterable[str], urgencies: dict[str, str]) -> str:
    return highest(urgencies[cve] for cve in cves if cve in urgencies)


def _number(each: Vulnerability) -> tuple[int, int]:
    """The CVE's year and number, in which order they are listed."""
    _, year, number = each.cve.split("-")
    return int(year), int(number)
