# SPDX-License-Identifier: GPL-2.0-or-later
"""What OpenStack is told of an image of an upstream, by the words of SCS-0102 (v2).

Source: https://docs.scs.community/standards/scs-0102-v1-image-metadata and Glance's "Useful image
properties". They are made anew with each version, out of the YAML file as it is then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Final

from builder import distros
from builder.downloads.client import public
from builder.errors import UsageError
from builder.store.incus_metadata import KERNEL_NAMES
from builder.upstream.finding import Found
from builder.upstream.series import Series

# How many versions a store keeps where the YAML file says nothing.
KEEP: Final = 3
# The least that the standard lets one promise, where nothing is said.
PURPOSE, FREQUENCY, BUS, RAM_MIB, USER = "generic", "critical_bug", "virtio", 512, "none"
# Where the image cannot be downloaded by everybody.
PRIVATE: Final = "private"


def keep(series: Series) -> int:
    """How many versions of an image a store keeps."""
    return series.traits.keep or KEEP


def provided_until(series: Series) -> date | None:
    """The last day of updates that everybody gets; None where nobody knows it, or there is none."""
    said = series.traits.provided_until
    if said is not None:
        return said
    try:
        return distros.end_of_life(series.upstream.distro, series.release.release)
    except UsageError:
        return None


def _firmware(found: Found) -> str:
    # With both kinds it is left to the cloud.
    kinds = set(found.series.traits.firmware or ())
    return "" if "bios" in kinds or not kinds else "uefi"


def _secure_boot(found: Found) -> str:
    return "optional" if "uefi-secureboot" in (found.series.traits.firmware or ()) else ""


def _source(found: Found) -> str:
    url = public(found.candidate.url)
    return url if url.startswith("https://") and found.candidate.login is None else PRIVATE


def _built(found: Found) -> str:
    return f"{found.offer.date:%Y-%m-%d}" if found.offer.date else ""


def _memory(found: Found) -> str:
    said = found.series.traits.min_ram
    return str(RAM_MIB if said is None else said)


def _description(found: Found) -> str:
    return f"{found.series.title}, {found.offer.version}, as its makers publish it"


def _until(found: Found) -> str:
    until = provided_until(found.series)
    return f"{until}" if until else "none"


# An empty text leaves a property out.
ROWS: Final[Mapping[str, Callable[[Found], str]]] = {
    "architecture": lambda found: KERNEL_NAMES.get(found.series.arch, found.series.arch),
    "os_distro": lambda found: found.series.traits.os_distro or "",
    "os_version": lambda found: found.series.traits.os_version or found.series.number,
    "os_purpose": lambda found: found.series.traits.purpose or PURPOSE,
    "hw_disk_bus": lambda found: found.series.traits.disk_bus or BUS,
    "hw_scsi_model": lambda found: "virtio-scsi" if found.series.traits.disk_bus == "scsi" else "",
    "hw_firmware_type": _firmware,
    "os_secure_boot": _secure_boot,
    "min_ram": _memory,
    "image_build_date": _built,
    "image_original_user": lambda found: found.series.traits.default_user or USER,
    "image_source": _source,
    "image_description": _description,
    "replace_frequency": lambda found: found.series.traits.replace_frequency or FREQUENCY,
    "uuid_validity": lambda found: f"last-{keep(found.series)}",
    "provided_until": _until,
}


def properties(found: Found) -> dict[str, str]:
    """All that OpenStack is told, but for `min_disk`, which the image itself has a say in."""
    told = {name: row(found) for name, row in ROWS.items()}
    told |= found.series.traits.properties or {}
    return {name: text for name, text in told.items() if text}
