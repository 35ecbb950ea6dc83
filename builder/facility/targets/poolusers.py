# SPDX-License-Identifier: GPL-2.0-or-later
"""Which files of libvirt's pools something stands on: a domain, or a volume made from another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from xml.etree import ElementTree as ET

# Disks that nothing was made from.
REMOVABLE: Final = ("cdrom", "floppy")
# VIR_ERR_NO_DOMAIN, _NO_DOMAIN_SNAPSHOT, _NO_STORAGE_POOL, _NO_STORAGE_VOL
GONE: Final = (42, 72, 49, 50)


@dataclass(frozen=True)
class Users:
    """The paths that something was made from, and disks of which nobody can tell."""

    paths: frozenset[str] = frozenset()
    unknown: tuple[str, ...] = ()

    def uses(self, path: str) -> bool:
        """Whether a volume must stay; also where that cannot be told."""
        return path in self.paths or bool(self.unknown)


def users(connection: Any, real: Callable[[str], str]) -> Users:
    """What the domains and active pools of a connection use; `real` makes paths comparable.

    What is removed while it is asked uses nothing any more: on a busy machine that is usual.
    """
    backing: dict[str, str | None] = {}
    # VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE
    for pool in connection.listAllStoragePools(2):
        with _unless_gone():
            for volume in pool.listAllVolumes(0):
                with _unless_gone():
                    backing[volume.path()] = based_on(volume.XMLDesc(0))
    found: dict[str, bool] = {}
    for domain in connection.listAllDomains(0):
        texts: list[str] = []
        with _unless_gone():
            # As it runs, and as it starts next time (VIR_DOMAIN_XML_INACTIVE).
            texts = [domain.XMLDesc(0), domain.XMLDesc(2)]
            texts += [snapshot.getXMLDesc(0) for snapshot in domain.listAllSnapshots(0)]
        for path, known in (each for text in texts for each in disks(text, _volumes(connection))):
            # The running machine tells what the definition of the same disk leaves open.
            found[real(path)] = known or found.get(real(path), False)
    return chains(
        found,
        {real(path): real(base) if base else None for path, base in backing.items()},
    )


def disks(text: str, path_of: Callable[[str, str], str]) -> Iterator[tuple[str, bool]]:
    """The paths of a domain's disks, and whether it is known what each stands on.

    It is known of raw disks, which stand alone, and of a running machine's. `path_of` tells the
    path of a volume, given its pool and its name.
    """
    for disk in _parsed(text).iter("disk"):
        if disk.get("device", "disk") in REMOVABLE:
            continue
        driver = disk.find("driver")
        known = (driver is not None and driver.get("type") == "raw") or _is_whole(disk)
        # Also those of the images below it, which a running domain tells.
        for source in disk.iter("source"):
            volume = source.get("volume")
            path = source.get("file") or source.get("dev")
            if volume:
                yield path_of(source.get("pool", ""), volume), known
            elif path:
                yield path, known


def _is_whole(disk: ET.Element) -> bool:
    """Whether all images below a disk are told: libvirt ends such a chain with an empty element."""
    below = disk.find("backingStore")
    while below is not None and len(below):
        below = below.find("backingStore")
    return below is not None


def based_on(text: str) -> str | None:
    """The path that a volume was made from; None for one that stands alone."""
    return _parsed(text).findtext("backingStore/path")


def chains(disks: dict[str, bool], backing: dict[str, str | None]) -> Users:
    """What disks and volumes stand on.

    `disks` are those of domains, and whether it is known what each stands on; `backing` has all
    volumes, and what each one was made from.
    """
    bases = {base for base in backing.values() if base}
    unknown = sorted(
        path
        for path in bases | set(disks)
        # Of a file in no pool nobody says what it was made from.
        if path not in backing and not disks.get(path, False)
    )
    return Users(frozenset(bases | set(disks)), tuple(unknown))


def _volumes(connection: Any) -> Callable[[str, str], str]:
    def path_of(pool: str, volume: str) -> str:
        found = connection.storagePoolLookupByName(pool).storageVolLookupByName(volume)
        return str(found.path())

    return path_of


@contextmanager
def _unless_gone() -> Iterator[None]:
    # Late: only who has such a target needs it.
    import libvirt

    try:
        yield
    except libvirt.libvirtError as error:
        if error.get_error_code() not in GONE:
            raise


def _parsed(text: str) -> ET.Element:
    return ET.fromstring(text)  # noqa: S314 - libvirt's own words
