# SPDX-License-Identifier: GPL-2.0-or-later
"""What OpenStack is told of an image, by its manifest: one table row for each property.

Names and values are those of Glance's "Useful image properties"
(https://docs.openstack.org/glance/latest/admin/useful-image-properties.html) and of SCS-0102
(https://docs.scs.community/standards/scs-0102-v1-image-metadata).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from builder.errors import UsageError
from builder.facility.targets import items
from builder.facility.targets.target import Item
from builder.manifest.imported import Imported
from builder.store.incus_metadata import KERNEL_NAMES, terms

GIB: Final = 1 << 30
# What Debian's installation guide (3.4) recommends for a system without a desktop.
RAM_MIB: Final = 512
# Our own: they say which image is whose.
PREFIX: Final = "fai_forge_"
# Fields of an image that have a number; all other properties are texts.
NUMBERS: Final = ("min_disk", "min_ram")
# Fields of an image that its publisher sets, and Glance's own.
RESERVED: Final = re.compile(
    rf"({PREFIX}|os_glance|os_hash_).*|id|name|status|visibility|owner|tags|size|checksum|protected"
    "|os_hidden|disk_format|container_format|virtual_size|locations|file|schema|self|direct_url"
    "|created_at|updated_at"
)
ARCHITECTURES: Final[Mapping[str, str]] = {**KERNEL_NAMES, "armhf": "armv7l", "i386": "i686"}
# Where nothing was booted. Machines of other architectures have one kind of firmware, or no choice.
FIRMWARE: Final[Mapping[str, str]] = {"arm64": "uefi", "riscv64": "uefi"}
# The names of boots that prove each kind, the better one first.
BOOTS: Final[Mapping[str, tuple[str, ...]]] = {"uefi": ("uefi", "secureboot"), "bios": ("bios",)}


@dataclass(frozen=True)
class Described:
    """An image for OpenStack: the disk in GiB and the memory in MiB that it needs, and the rest."""

    min_disk: int
    min_ram: int
    properties: Mapping[str, str]


def _firmware(item: Item) -> str | None:
    if item.secure_boot:
        return "uefi"
    passed = {boot.name for boot in item.manifest.boots if boot.verdict == "passed"}
    proven = (kind for kind, boots in BOOTS.items() if passed.intersection(boots))
    return next(proven, FIRMWARE.get(item.manifest.arch))


def _user(item: Item) -> str:
    if isinstance(item.manifest, Imported):
        return "none"
    # What cloud-init calls its default user there.
    return item.manifest.distro if _has(item, "cloud-init") else "none"


def _has(item: Item, package: str) -> bool:
    return any(each.name == package for each in item.manifest.packages)


def _date(item: Item) -> str:
    manifest = item.manifest
    if isinstance(manifest, Imported):
        return f"{manifest.origin.date or manifest.origin.retrieved:%Y-%m-%d}"
    return f"{manifest.build.date:%Y-%m-%d}"


def _source(item: Item) -> str:
    # SCS-0102: "private" where it cannot be downloaded by everybody.
    url = item.manifest.origin.url if isinstance(item.manifest, Imported) else ""
    return url if url.startswith("https://") else "private"


def _version(item: Item) -> str:
    # Ubuntu's 2404 of our names is 24.04.
    manifest = item.manifest
    return terms(manifest).version


# None and an empty text leave a property out.
ROWS: Final[Mapping[str, Callable[[Item], str | None]]] = {
    "architecture": lambda item: ARCHITECTURES.get(item.manifest.arch, item.manifest.arch),
    "os_type": lambda item: "windows" if item.manifest.distro == "windows" else "linux",
    "os_distro": lambda item: item.manifest.distro,
    "os_version": _version,
    "hw_firmware_type": _firmware,
    # Secure Boot needs this machine type, and the flavor may ask for it or not.
    "os_secure_boot": lambda item: "optional" if item.secure_boot else None,
    "hw_machine_type": lambda item: "q35" if item.secure_boot else None,
    "hw_disk_bus": lambda _item: "virtio",
    "hw_vif_model": lambda _item: "virtio",
    "hw_rng_model": lambda _item: "virtio",
    "hw_qemu_guest_agent": lambda item: "yes" if _has(item, "qemu-guest-agent") else None,
    "image_build_date": _date,
    "image_original_user": _user,
    "image_source": _source,
    "image_description": lambda item: f"{item.manifest.title} ({item.serial})",
    # The least that SCS-0102 lets one promise; a site that promises more says so.
    "replace_frequency": lambda _item: "critical_bug",
    "provided_until": lambda _item: "none",
}


def known(item: Item) -> dict[str, str]:
    """What is known of an image without looking at its file: what its importer said goes first."""
    found = {name: row(item) or "" for name, row in ROWS.items()}
    if isinstance(item.manifest, Imported):
        found |= item.manifest.properties
    return found


def describe(item: Item, keep: int, given: Mapping[str, str]) -> Described:
    """What OpenStack is told of an image.

    What its importer said, and then what the target's entry says (`given`), goes before what is
    known; an empty text leaves a property out. UsageError for one that is not theirs to set.
    """
    size = items.virtual_size(item.path, item.format)
    validity = f"last-{keep}" if keep else "none"
    told = known(item)
    # How many older ones stay is the target's matter, whatever the store says of itself.
    if told.get("uuid_validity", "").startswith("last-"):
        told["uuid_validity"] = validity
    found: dict[str, str] = {
        "uuid_validity": validity,
        "min_disk": str(math.ceil(size / GIB)) if size else "0",
        "min_ram": str(RAM_MIB),
        **told,
        **given,
    }
    for name in found:
        if RESERVED.fullmatch(name):
            raise UsageError(
                f"the property {name} is not set by hand", hint="remove it from facility.yaml"
            )
    numbers = {name: _number(name, found.pop(name) or "0") for name in NUMBERS}
    return Described(**numbers, properties={name: text for name, text in found.items() if text})


def _number(name: str, text: str) -> int:
    if not re.fullmatch("[0-9]{1,9}", text):
        raise UsageError(
            f"{name} is a number, and not {text!r}", hint="GiB for a disk, MiB for RAM"
        )
    return int(text)
