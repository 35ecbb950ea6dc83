# SPDX-License-Identifier: GPL-2.0-or-later
"""Facts for the manifest from what was built: a tree's packages, and the digests of files."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from debian.deb822 import Deb822, Packages

from builder import models
from builder.errors import BuildError
from builder.manifest import model

STATUS = Path("var/lib/dpkg/status")
EXTENDED_STATES = Path("var/lib/apt/extended_states")
CHUNK = 4 << 20
# ext4's blocks in our disks; it keeps the target of a shorter symlink in the inode itself.
BLOCK = 4096
SHORT_LINK = 60

# (name, version, architecture) -> "Label:suite" of every archive that holds it.
Origins = Mapping[tuple[str, str, str], tuple[str, ...]]


@dataclass(frozen=True)
class Installed(models.Package):
    """A package as dpkg's status file has it: `multi_arch` is its Multi-Arch field, or "no"."""

    multi_arch: str = "no"


@dataclass(frozen=True)
class Produced:
    """A file that a build made: its format's name, and whether its bytes are reproducible."""

    path: Path
    format: str
    reproducible: bool


def packages(tree: Path, origins: Origins | None = None) -> tuple[Installed, ...]:
    """Every installed package of a tree, by name and architecture.

    Read from dpkg's status and apt's extended_states. Held packages count; packages that are only
    unpacked or half configured do not (`unfinished` has these). A tree without dpkg's status
    raises BuildError.
    """
    auto = _auto_installed(tree)
    found = []
    for entry in _status(tree):
        if entry["Status"].split()[1:] != ["ok", "installed"]:
            continue
        name, version, arch = entry["Package"], entry["Version"], entry["Architecture"]
        found.append(
            Installed(
                name=name,
                version=version,
                arch=arch,
                source=entry.source or name,
                source_version=str(entry.source_version),
                auto=(name, arch) in auto,
                origins=(origins or {}).get((name, version, arch), ()),
                multi_arch=entry.get("Multi-Arch", "no"),
            )
        )
    return tuple(sorted(found, key=lambda package: (package.name, package.arch)))


def unfinished(tree: Path) -> tuple[str, ...]:
    """The packages that dpkg did not bring to an end, as `name: status`."""
    return tuple(
        f"{entry['Package']}: {entry['Status']}"
        for entry in _status(tree)
        if entry["Status"].split()[1] != "ok"
        or entry["Status"].split()[2] not in ("installed", "config-files", "not-installed")
    )


def installed_bytes(tree: Path) -> int:
    """What the files of a tree take on a file system with blocks of 4 KiB, hard links once.

    The same on whatever file system the tree lies, unlike what du says.
    """
    blocks: dict[tuple[int, int], int] = {}
    for folder, folders, names in os.walk(tree):
        for name in (*folders, *names):
            info = Path(folder, name).lstat()
            kept_in_inode = stat.S_ISLNK(info.st_mode) and info.st_size < SHORT_LINK
            size = BLOCK if stat.S_ISDIR(info.st_mode) else info.st_size
            blocks[info.st_dev, info.st_ino] = 0 if kept_in_inode else -(-size // BLOCK)
    return sum(blocks.values()) * BLOCK


def entries(
    found: Iterable[Installed], in_stable: Mapping[str, bool] | None = None
) -> tuple[model.Package, ...]:
    """The manifest's entries; `in_stable` is by `Package.key`, and where it is silent, null."""
    return tuple(
        model.Package.model_validate(
            {
                "name": package.name,
                "version": package.version,
                "arch": package.arch,
                "source": package.source,
                "source_version": package.source_version,
                "multi_arch": package.multi_arch,
                "origins": package.origins,
                "in_stable": (in_stable or {}).get(package.key),
                "auto": package.auto,
            }
        )
        for package in found
    )


def describe_files(files: Iterable[Produced]) -> tuple[model.File, ...]:
    """Size and digests of files, each file read once, with both digests computed side by side."""
    with ThreadPoolExecutor(2) as pool:
        return tuple(_describe(file, pool) for file in files)


def _describe(file: Produced, pool: ThreadPoolExecutor) -> model.File:
    # hashlib lets other threads run while it works on a large block.
    sha256, sha512 = hashlib.sha256(), hashlib.sha512()
    buffer = bytearray(CHUNK)
    view = memoryview(buffer)
    size = 0
    with file.path.open("rb", buffering=0) as stream:
        while count := stream.readinto(buffer):
            size += count
            other = pool.submit(sha512.update, view[:count])
            sha256.update(view[:count])
            other.result()
    return model.File(
        name=file.path.name,
        format=file.format,
        size=size,
        sha256=sha256.hexdigest(),
        sha512=sha512.hexdigest(),
        reproducible=file.reproducible,
    )


def _status(tree: Path) -> Iterator[Packages]:
    """The paragraphs of dpkg's status file."""
    path = tree / STATUS
    try:
        stream = path.open("rb")
    except FileNotFoundError as error:
        raise BuildError(
            f"{tree} has no {STATUS}: no package was installed there",
            hint="FAI's log says how far the installation got",
        ) from error
    with stream:
        # Without apt's own parser: the same code on every machine, and no import of apt.
        yield from Packages.iter_paragraphs(stream, use_apt_pkg=False)


def _auto_installed(tree: Path) -> frozenset[tuple[str, str]]:
    """(name, architecture) of every package that apt marked as automatically installed.

    apt writes packages of architecture `all` under the native one, so both are in the set.
    """
    path = tree / EXTENDED_STATES
    if not path.exists():
        return frozenset()
    with path.open("rb") as stream:
        names = [
            (entry["Package"], entry["Architecture"])
            for entry in Deb822.iter_paragraphs(stream, use_apt_pkg=False)
            if entry.get("Auto-Installed") == "1"
        ]
    return frozenset(names) | {(name, "all") for name, _ in names}
