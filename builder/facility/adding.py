# SPDX-License-Identifier: GPL-2.0-or-later
"""Custom images: a disk image that a site made or got, taken into its own store.

It is copied first, and the copy is what is looked at and taken in: the file may be another one a
moment later.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from builder import images, names
from builder.builds import MANIFEST
from builder.errors import UsageError
from builder.facility import disks
from builder.facility.config import CUSTOM
from builder.facility.locks import alone
from builder.facility.site import Site
from builder.imports.naming import Facts, facts
from builder.manifest import collect, document
from builder.manifest.imported import Imported, Origin
from builder.manifest.model import Verdict
from builder.manifest.parts import Serial, Series
from builder.models import ARCHES
from builder.progress import Progress
from builder.store.publishing import Published

SERIES: Final = TypeAdapter(Series)
SERIAL: Final = TypeAdapter(Serial)
PROPERTY: Final = re.compile(r"([A-Za-z][A-Za-z0-9_:.-]{0,254})=([^\n]*)")


@dataclass(frozen=True)
class Wish:
    """What is to be added, and what is said of it; `format` only where the file does not tell."""

    file: Path
    name: str
    serial: str | None = None
    title: str = ""
    arch: str | None = None
    format: str | None = None
    properties: Mapping[str, str] = field(default_factory=dict)


def add(site: Site, wish: Wish, project: Path, now: datetime, progress: Progress) -> Published:
    """Take an image into the site's store, in the channel of custom images.

    Raises UsageError for a name or a file that may not be, and CheckError for a damaged image.
    """
    about = _about(wish)
    refuse_name(site, wish.name, project)
    if not wish.file.is_file():
        raise UsageError(f"{wish.file} is no file", hint="name a disk image: qcow2 or raw")
    with alone(site.state, "add"):
        serial = wish.serial or next_serial(site, wish.name, now)
        _check_serial(serial)
        folder = site.incoming / "added" / f"{wish.name}-{serial}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            _fill(folder, wish, serial, about, now, progress)
            return site.store.admit(folder, CUSTOM, now, progress, title=about.title)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def refuse_name(site: Site, name: str, project: Path) -> None:
    """Raise UsageError for a name that is not free for images of the site's own."""
    try:
        SERIES.validate_python(name)
        if names.SERIAL.fullmatch(name.rpartition("-")[2]):
            raise UsageError(f"{name} ends in a serial", hint="the serial is given by --serial")
    except ValidationError as error:
        raise UsageError(
            f"{name!r} cannot be the name of an image",
            hint="names have small letters, digits, - and ., such as appliance-1",
        ) from error
    canonical = _canonical(name)
    if canonical in {str(row.name) for row in images.read(project).rows}:
        raise UsageError(
            f"{name} is an image of the project",
            hint="give yours a name of its own, such as appliance-1",
        )
    row = site.facility.wanted(name) or site.facility.wanted(canonical)
    if row or synced(site, name):
        pattern = f" ({row.match})" if row else ""
        raise UsageError(
            f"{name} is a series that sync keeps here{pattern}",
            hint="give yours a name that no row of series: matches",
        )


def synced(site: Site, name: str) -> bool:
    """Whether builds of a series came from elsewhere."""
    entry = site.store.entry(name)
    builds = entry.builds if entry else ()
    return any(each.channel != CUSTOM and each.state != "removed" for each in builds)


def next_serial(site: Site, name: str, now: datetime) -> str:
    """Today, or the next one of today; never one that was used."""
    return names.next_serial(now.date(), site.store.serials(name))


def properties(words: list[str]) -> dict[str, str]:
    """K=V words as a mapping; UsageError for others."""
    found: dict[str, str] = {}
    for word in words:
        matched = PROPERTY.fullmatch(word)
        if matched is None:
            raise UsageError(f"{word!r} is no property", hint="write K=V, such as os_type=linux")
        found[matched[1]] = matched[2]
    return found


def _check_serial(serial: str) -> None:
    names.serial_key(serial)
    try:
        datetime.strptime(serial[:8], "%Y%m%d")
    except ValueError as error:
        raise UsageError(
            f"the serial {serial} is no date", hint="serials look like 20261120.1"
        ) from error


def _canonical(name: str) -> str:
    try:
        return str(names.parse(name).series)
    except UsageError:
        return name


def _about(wish: Wish) -> Facts:
    """What is known of an image by its name, and by what was said."""
    known = facts(wish.name)
    if known.says_arch and wish.arch not in (None, known.arch):
        raise UsageError(
            f"{wish.name} is a name for {known.arch}, and --arch says {wish.arch}",
            hint=f"names of other machines end in one of {', '.join(ARCHES)}",
        )
    return replace(known, arch=wish.arch or known.arch, title=wish.title or known.title)


def _fill(
    folder: Path, wish: Wish, serial: str, about: Facts, now: datetime, progress: Progress
) -> None:
    """Lay a build's folder out: the image, and its manifest."""
    said = disks.format_of(wish.file, wish.format)
    if said == "qcow2":
        # Many GB need not be copied for that.
        disks.check_header(wish.file)
    stem = f"{wish.name}-{serial}"
    image = folder / f"{stem}.{said}"
    progress.stage(f"Copying {wish.file.name}")
    disks.copy(wish.file, image)
    progress.stage("Looking at the image")
    disk = disks.look(image, said)
    manifest = Imported(
        name=wish.name,
        serial=serial,
        title=about.title,
        distro=about.distro,
        release=about.release,
        codename=about.codename,
        arch=about.arch,
        roles=about.roles,
        origin=Origin(
            url=wish.file.name, retrieved=now, vouched="who added it to this site's store"
        ),
        properties=wish.properties,
        virtual_size=disk.size,
        files=collect.describe_files([collect.Produced(image, said, reproducible=False)]),
        checks=(Verdict(name="qemu-img", verdict="passed", detail=disk.detail),),
    )
    (folder / f"{stem}.{MANIFEST}").write_text(document.dump(manifest), encoding="utf-8")
