# SPDX-License-Identifier: GPL-2.0-or-later
"""A store as a catalogue of openstack-image-manager: sites that run that can import our images.

Its schema has a list of the words that os_distro may be, and of some others. An image that none of
them fits is left out, and it is said why.
Source: https://github.com/osism/openstack-image-manager, etc/schema.yaml
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, NonNegativeInt, StringConstraints, ValidationError

from builder import names
from builder.facility.targets import glanceproperties
from builder.facility.targets.target import Item
from builder.manifest.imported import Document, Imported
from builder.store.index import Build, Image, SeriesEntry, folder

# What its schema can say of a file that our stores may hold, the better one first.
Format = Literal["qcow2", "raw", "vmdk", "iso"]
FORMATS: Final[tuple[Format, ...]] = get_args(Format)
ARCHITECTURES: Final[Mapping[str, str]] = {"riscv64": "risc-v"}
# os_distro where its schema lacks the word. For AlmaLinux, its own catalogue says centos.
OS_DISTRO: Final[Mapping[str, str]] = {
    "almalinux": "centos",
    "oraclelinux": "rhel",
    "ol": "rhel",
    "sles": "sled",
    "sle": "sled",
}
HEADER: Final = "# Made by fai-forge upstream export; a change of this file is lost.\n---\n"
GIB: Final = 1 << 30

OsDistro = Literal[
    "arch",
    "centos",
    "cirros",
    "debian",
    "fedora",
    "freebsd",
    "gentoo",
    "mandrake",
    "mandriva",
    "mes",
    "msdos",
    "netbsd",
    "netware",
    "openbsd",
    "opensolaris",
    "opensuse",
    "rhel",
    "rocky",
    "sled",
    "talos",
    "ubuntu",
    "windows",
]
Frequency = Literal["yearly", "quarterly", "monthly", "weekly", "daily", "critical_bug", "never"]
Validity = Annotated[str, StringConstraints(pattern=r"^(none|forever|notice|last-[0-9]+)$")]
Url = Annotated[str, StringConstraints(pattern=r"^((http|ftp)s?://\w|file:///\w)\S+$")]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Meta(_Entry):
    """What Glance is told, as far as the schema has words for it; None stands in it for nothing."""

    architecture: Literal["x86_64", "aarch64", "risc-v"]
    hw_disk_bus: Literal["virtio", "scsi"] | None
    hw_firmware_type: Literal["uefi"] | None
    hw_machine_type: Literal["pc", "q35", "virt"] | None
    hw_rng_model: Literal["virtio"] | None
    hw_scsi_model: Literal["virtio-scsi"] | None
    hypervisor_type: Literal["qemu"] = "qemu"
    image_description: str
    os_distro: OsDistro
    os_version: str
    os_purpose: Literal["generic", "minimal", "k8snode", "gpu", "network", "custom"]
    provided_until: Literal["none"] | date
    replace_frequency: Frequency
    uuid_validity: Validity


class Version(_Entry):
    """One build: where its image is, and what that is known by."""

    version: str
    url: Url
    checksum: Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
    build_date: date
    os_version: str
    source: Annotated[str, StringConstraints(pattern=r"^(https://\w\S*|private)$")]


class Entry(_Entry):
    """One series."""

    name: str
    shortname: str
    enable: Literal[True] = True
    format: Format
    login: str
    min_disk: NonNegativeInt
    min_ram: NonNegativeInt
    status: Literal["active"] = "active"
    visibility: Literal["public"] = "public"
    # The newest has the plain name, older ones have their version behind it.
    multi: Literal[True] = True
    meta: Meta
    tags: tuple[str, ...] = ()
    versions: tuple[Version, ...]


@dataclass(frozen=True)
class Catalogue:
    """The entries by name, and why each of the other series is not among them."""

    entries: tuple[Entry, ...]
    left_out: Mapping[str, str]

    @property
    def text(self) -> str:
        """The YAML document."""
        images = [_plain(each) for each in self.entries]
        return HEADER + yaml.safe_dump({"images": images}, sort_keys=False, allow_unicode=True)


def catalogue(
    series: Iterable[SeriesEntry],
    described: Callable[[str, Build], Document],
    base: str,
    channels: Sequence[str],
) -> Catalogue:
    """The public builds of some series in some channels; `base` is the store's URL.

    `described` reads the manifest of a build.
    """
    found: list[Entry] = []
    left: dict[str, str] = {}
    for entry in series:
        builds = [
            each for each in entry.builds if each.state == "public" and each.channel in channels
        ]
        if not builds:
            continue
        builds.sort(key=lambda each: names.serial_key(each.serial))
        answer = _entry(entry, builds, described, base)
        if isinstance(answer, Entry):
            found.append(answer)
        else:
            left[entry.name] = answer
    return Catalogue(tuple(found), left)


def _entry(
    series: SeriesEntry,
    builds: Sequence[Build],
    described: Callable[[str, Build], Document],
    base: str,
) -> Entry | str:
    """The entry of a series; a text says why there is none."""
    form = next((each for each in FORMATS if _image(builds[-1], each)), None)
    if form is None:
        return f"none of its files is {', '.join(FORMATS)}"
    items = [
        _item(described(series.name, build), build, image)
        for build in builds
        if (image := _image(build, form))
    ]
    newest = items[-1]
    told = glanceproperties.known(newest)
    try:
        return Entry(
            name=series.name,
            shortname=series.name,
            format=form,
            login=told.get("image_original_user") or "none",
            min_disk=_disk(newest, told),
            min_ram=_number(told.get("min_ram")) or glanceproperties.RAM_MIB,
            meta=_meta(newest, told),
            versions=tuple(_version(item, base) for item in items),
        )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        return f"the schema has no word for {field}: {first.get('input')}"


def _meta(item: Item, told: Mapping[str, str]) -> Meta:
    arch = told.get("architecture", "")
    distro = told.get("os_distro", "")
    bus = told.get("hw_disk_bus")
    values: dict[str, Any] = {
        "architecture": ARCHITECTURES.get(arch, arch),
        # The schema's "nothing" where it has no word: a cloud chooses.
        "hw_disk_bus": bus if bus in ("virtio", "scsi") else None,
        "hw_firmware_type": "uefi" if told.get("hw_firmware_type") == "uefi" else None,
        "hw_machine_type": told.get("hw_machine_type") or None,
        "hw_rng_model": told.get("hw_rng_model") or None,
        "hw_scsi_model": told.get("hw_scsi_model") or None,
        "image_description": told.get("image_description", item.manifest.title),
        "os_distro": OS_DISTRO.get(distro, distro),
        "os_version": told.get("os_version", item.manifest.release),
        # At most one public image of a release may be generic.
        "os_purpose": told.get("os_purpose") or ("custom" if item.manifest.roles else "generic"),
        "provided_until": told.get("provided_until", "none"),
        "replace_frequency": told.get("replace_frequency", "critical_bug"),
        "uuid_validity": told.get("uuid_validity", "none"),
    }
    return Meta.model_validate(values)


def _version(item: Item, base: str) -> Version:
    told = glanceproperties.known(item)
    place = f"{base.rstrip('/')}/{_folder(item)}/{item.path.name}"
    return Version(
        version=item.serial,
        url=place,
        checksum=f"sha256:{item.sha256}",
        build_date=_day(told.get("image_build_date", ""), item.serial),
        os_version=told.get("os_version", item.manifest.release),
        source=told.get("image_source", "private"),
    )


def _item(manifest: Document, build: Build, image: Image) -> Item:
    """An image as a target would get it; its path is that in the store."""
    path = Path(folder(manifest.name, build)) / image.name
    return Item(
        path, image.format, image.size, image.sha256, manifest, build.channel, build.secure_boot
    )


def _folder(item: Item) -> str:
    return item.path.parent.as_posix()


def _image(build: Build, form: str) -> Image | None:
    return next((each for each in build.images if each.format == form), None)


def _disk(item: Item, told: Mapping[str, str]) -> int:
    """GiB that it needs, as far as its manifest tells; 0 where nobody measured."""
    said = _number(told.get("min_disk"))
    if said or isinstance(item.manifest, Imported):
        size = item.manifest.virtual_size or 0 if isinstance(item.manifest, Imported) else 0
        return max(said, -(-size // GIB))
    raw = next((each.size for each in item.manifest.files if each.format == "raw"), 0)
    return -(-(raw or item.manifest.installed_bytes or 0) // GIB)


def _number(text: str | None) -> int:
    return int(text) if text and re.fullmatch("[0-9]{1,9}", text) else 0


def _day(text: str, serial: str) -> date:
    """The day that a property tells; that of the serial if it tells none."""
    found = re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text)
    try:
        return date.fromisoformat(found[0]) if found else _of_serial(serial)
    except ValueError:
        return _of_serial(serial)


def _of_serial(serial: str) -> date:
    return datetime.strptime(serial[:8], "%Y%m%d").date()


def _plain(entry: Entry) -> dict[str, Any]:
    """For YAML: dates stay dates; what is nothing is left out where that is the same."""
    document = entry.model_dump()
    document["tags"] = list(entry.tags)
    document["versions"] = [dict(each) for each in document["versions"]]
    # The schema wants this one in any case.
    document["meta"] = {
        name: value
        for name, value in document["meta"].items()
        if value is not None or name == "hw_disk_bus"
    }
    return document
