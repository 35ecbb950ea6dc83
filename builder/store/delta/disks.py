# SPDX-License-Identifier: GPL-2.0-or-later
"""From a published disk to its raw form, and back to the very bytes that were published.

The bytes of a qcow2 hang on the libraries that compress it. So this machine's own qemu-img is tried
first, which costs seconds, then that of the tools tree, which builds use; the digest decides.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from builder.disk import formats, qcow2
from builder.disk.formats import Source
from builder.disk.toolbox import Toolbox
from builder.errors import ForgeError, InfrastructureError
from builder.install import sandbox
from builder.models import BuildId, DiskIds
from builder.run import DEFAULT_TIMEOUT, Completed, needs, run

log = logging.getLogger(__name__)

# How a file of a format begins, and qemu's name of it; the raw disk is made out of these, and for
# these nothing but the raw disk is needed. The first one is the one to send.
READABLE: Final[Mapping[str, tuple[bytes, str]]] = {
    "qcow2": (qcow2.MAGIC, "qcow2"),
    "qcow2-zlib": (qcow2.MAGIC, "qcow2"),
    "raw": (b"", "raw"),
}
WRITABLE: Final = (*READABLE, "raw.xz")
MIB: Final = 1 << 20
SECTOR: Final = 512
SANDBOXED: Final = "builder.store.delta.sandboxed"


class _Host:
    """This machine's own programs, in the place of the tools tree."""

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        env: Mapping[str, str] | None = None,
        stdin: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        capture: bool = False,
    ) -> Completed:
        return run(argv, env=env, stdin=stdin, timeout=timeout, capture=capture)


def is_disk(path: Path, form: str) -> bool:
    """Whether a file looks like a disk in a format that deltas know."""
    if form not in READABLE:
        return False
    magic, _ = READABLE[form]
    size = path.stat().st_size
    with path.open("rb") as file:
        begins = file.read(SECTOR)
    if magic:
        return begins.startswith(magic)
    return size >= MIB and size % SECTOR == 0 and begins.endswith(b"\x55\xaa")


@needs("qemu-img", package="qemu-utils", purpose="read disks to make and apply deltas")
def to_raw(image: Path, form: str, target: Path) -> Path:
    """The raw disk of an image: the image itself, or a file with holes at `target`."""
    _, name = READABLE[form]
    if name == "raw":
        return image
    run(["qemu-img", "convert", "-f", name, "-O", "raw", image, target])
    return target


def published(raw: Path, form: str, sha256: str, into: Path) -> Path:
    """The raw disk in a published format, in the folder `into`, with the digest that it must have.

    The raw disk is in that folder, too. Raises InfrastructureError where this machine gives other
    bytes, and UsageError for a format that is not made of the raw disk alone.
    """
    if form == "raw":
        found = raw if digest(raw) == sha256 else None
    else:
        found = _by_host(raw, form, sha256, into) or _by_tools(raw, form, sha256, into)
    if found is None:
        raise InfrastructureError(
            f"the {form} that is made here of the disk is not the one that was published",
            hint="it was compressed by another version of qemu-img or its libraries",
        )
    return found


def convert(raw: Path, form: str, stem: Path, tools: Toolbox) -> Path:
    """Write a format of a raw disk that needs nothing else, with the programs of a toolbox."""
    # Neither the identity of a build nor its tree is in these formats.
    nobody = DiskIds.of(BuildId("none", "00000000", 0))
    return formats.convert(form, Source(raw, raw.parent, nobody, 0, tools), stem)


def digest(path: Path) -> str:
    """The sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _by_host(raw: Path, form: str, sha256: str, into: Path) -> Path | None:
    try:
        made = convert(raw, form, into / "host", _Host())
    except ForgeError as error:
        log.debug("not by this machine's own programs: %s", error.message)
        return None
    if digest(made) == sha256:
        return made
    made.unlink()
    return None


def _by_tools(raw: Path, form: str, sha256: str, into: Path) -> Path | None:
    sandbox.check_visible([into])
    sandbox.check()
    sandbox.call(SANDBOXED, [form, raw.name, into])
    made = into / f"tools{formats.find(form).suffix}"
    return made if digest(made) == sha256 else None
