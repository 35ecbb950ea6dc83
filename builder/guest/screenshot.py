# SPDX-License-Identifier: GPL-2.0-or-later
"""A picture of a guest's screen, which libvirt takes: PNG with QEMU 7.1 or newer, else PPM."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from builder.errors import InfrastructureError

SUFFIXES: Final = {"image/png": ".png", "image/x-portable-pixmap": ".ppm"}
STEM: Final = "screen"


def find(folder: Path, kind: str) -> Path | None:
    """The picture that a boot of this kind left in a folder."""
    names = (folder / f"{STEM}-{kind}{suffix}" for suffix in SUFFIXES.values())
    return next((path for path in names if path.is_file()), None)


def take(domain: Any, folder: Path, kind: str) -> Path:
    """Keep the first screen of a running domain (libvirt's) as screen-KIND.png.

    Raises InfrastructureError where there is none to be had.
    """
    import libvirt

    content = bytearray()
    try:
        stream = domain.connect().newStream()
        mime = domain.screenshot(stream, 0)
        stream.recvAll(lambda _stream, data, _opaque: content.extend(data), None)
        stream.finish()
    except libvirt.libvirtError as error:
        raise InfrastructureError(f"libvirt took no screenshot: {error}") from error
    path = folder / f"{STEM}-{kind}{SUFFIXES.get(mime, '.bin')}"
    path.write_bytes(content)
    return path
