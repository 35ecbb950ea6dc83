# SPDX-License-Identifier: GPL-2.0-or-later
"""What a run writes to instead of the image: a qcow2 overlay and a copy of the NVRAM."""

from __future__ import annotations

import shutil
from pathlib import Path

import pydantic

from builder.errors import UsageError
from builder.guest.hardware import Firmware
from builder.run import needs, run

MIB = 1 << 20


class ImageInfo(pydantic.BaseModel):
    """What we need of `qemu-img info --output=json`; `virtual_size` is in bytes."""

    format: str
    virtual_size: int = pydantic.Field(alias="virtual-size")


@needs("qemu-img", package="qemu-utils", purpose="put an overlay over the image that is booted")
def make_overlay(image: Path, overlay: Path, grow_mib: int = 0) -> int:
    """Put an empty qcow2 over `image`, `grow_mib` larger than it; return its size in bytes.

    The image itself is opened for reading only, now and by the guest. UsageError where there is
    no such image.
    """
    if not image.is_file():
        raise UsageError(
            f"there is no image {image}", hint="fai-forge build NAME makes one under out/"
        )
    told = run(["qemu-img", "info", "-U", "--output=json", image], capture=True).output
    info = ImageInfo.model_validate_json(told)
    size = info.virtual_size + grow_mib * MIB
    backing: list[str | Path] = ["-b", image.resolve(), "-F", info.format]
    run(["qemu-img", "create", "-q", "-f", "qcow2", *backing, overlay, str(size)])
    return size


def copy_nvram(firmware: Firmware, folder: Path) -> Path | None:
    """A copy of the firmware's variables for one run, or None for a firmware that has none."""
    if firmware.variables is None:
        return None
    return Path(shutil.copyfile(firmware.variables, folder / "nvram.fd"))
