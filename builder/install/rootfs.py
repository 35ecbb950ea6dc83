# SPDX-License-Identifier: GPL-2.0-or-later
"""Small root file systems made by mmdebstrap and kept as tarballs: base files and the tools tree.

A tarball's name is the digest of all that decides its bytes: the packages with their own digests,
the recipe, and the time that its files carry. Its own sha256 stands beside it and is checked each
time the tarball is used.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from builder.archive.pool import Supply
from builder.archive.predict import Candidate
from builder.archive.sources import render
from builder.errors import BuildError
from builder.install.workspace import Workspace
from builder.run import CommandError, needs, run

# Which of mmdebstrap's hooks comes last, where it is not the usual one.
LAST_HOOKS = {"extract": "extract"}

log = logging.getLogger(__name__)

# Raise it when the command below changes in a way that changes the bytes.
VERSION = 2
# No device nodes (a user namespace may not make them); the pool and its indexes are mounted, so
# there is nothing to update, to download, or to clean up. How foreign programs run is settled.
SKIP = (
    "check/qemu,output/dev,output/mknod,update,check/empty,download/empty,essential/unlink,"
    "cleanup/apt/lists,cleanup/apt/cache,cleanup/reproducible"
)


@dataclass(frozen=True)
class Rootfs:
    """A tarball in the cache; `digest` is its sha256."""

    tarball: Path
    digest: str


@dataclass(frozen=True)
class Recipe:
    """All that decides the bytes of a root file system.

    `variant` and `include` are mmdebstrap's; `candidates` are the packages that apt predicts for
    them; `epoch` is the time that the files carry, in seconds. Where `only` names paths, no others
    are kept (of the variant "extract").
    """

    suite: str
    variant: str
    include: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    epoch: int
    only: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """One digest of the recipe: the tarball's name."""
        digest = hashlib.sha256(f"{VERSION} {self.suite} {self.variant} {self.epoch}\n".encode())
        for path in self.only:
            digest.update(f"only {path}\n".encode())
        for candidate in self.candidates:
            digest.update(f"{candidate.package.key} {candidate.package.sha256}\n".encode())
        return digest.hexdigest()


@needs("mmdebstrap", package="mmdebstrap", purpose="make base files and the tools tree")
@needs("zstd", package="zstd", purpose="compress base files")
def make(
    cache: Path,
    recipe: Recipe,
    supply: Supply,
    space: Workspace,
) -> Rootfs:
    """Make a root file system from the .debs in the supply's pool, and keep it in the cache."""
    tarball = _tarball(cache, recipe)
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix=".new-") as folder:
        fresh = Path(folder, tarball.name)
        list_file = Path(folder, "build.sources")
        list_file.write_text(render(supply.sources), encoding="utf-8")
        try:
            run(
                _command(recipe, supply, fresh, list_file),
                env={"SOURCE_DATE_EPOCH": str(recipe.epoch), "TMPDIR": str(space.scratch)},
            )
        except CommandError as error:
            raise BuildError(
                f"mmdebstrap could not make a root file system of {recipe.suite} for"
                f" {supply.root.arch}",
                hint=error.done.output.strip(),
            ) from error
        digest = sha256(fresh)
        note = Path(folder, "note.json")
        note.write_text(json.dumps({"sha256": digest}) + "\n", encoding="utf-8")
        # The note first: a tarball without its note is never used.
        note.replace(_note(tarball))
        fresh.replace(tarball)
    return Rootfs(tarball, digest)


def cached(cache: Path, recipe: Recipe) -> Rootfs | None:
    """The root file system of a recipe if the cache has it undamaged."""
    tarball = _tarball(cache, recipe)
    try:
        noted = str(json.loads(_note(tarball).read_text(encoding="utf-8"))["sha256"])
        if sha256(tarball) != noted:
            log.warning("%s in the cache was damaged; it is made again", tarball.name)
            return None
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    os.utime(tarball)  # `fai-forge clean` removes first what was not used for long
    return Rootfs(tarball, noted)


def unpack(rootfs: Rootfs, folder: Path) -> None:
    """Extract a root file system, as root of the sandbox."""
    folder.mkdir(parents=True, exist_ok=True)
    run(["tar", "--numeric-owner", "--zstd", "-xpf", rootfs.tarball, "-C", folder])


def sha256(file: Path) -> str:
    """The sha256 of a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _command(recipe: Recipe, supply: Supply, target: Path, list_file: Path) -> list[str]:
    """mmdebstrap's arguments: pool and indexes are visible in the chroot while packages go in.

    mmdebstrap hands its hooks to a shell; only fixed paths of the sandbox are in them.
    """
    pool, mirrors, lists = supply.pool, supply.mirrors, "/var/lib/apt/lists"
    mount = (
        f'mkdir -p "$1{pool}" "$1{mirrors}" "$1{lists}"'
        f' && mount -o bind,ro {pool} "$1{pool}" && mount -o bind,ro {mirrors} "$1{mirrors}"'
        f' && mount --bind {supply.lists} "$1{lists}"'
    )
    unmount = (
        f'umount "$1{lists}" "$1{pool}" "$1{mirrors}" && rm -rf "$1/run"/* "$1"/var/cache/apt/*.bin'
    )
    last_hook = LAST_HOOKS.get(recipe.variant, "customize")
    return [
        *("mmdebstrap", "--quiet", "--mode=root", "--format=tar", f"--variant={recipe.variant}"),
        *([f"--include={','.join(recipe.include)}"] if recipe.include else []),
        f"--architectures={supply.root.arch}",
        *_only(recipe.only),
        f"--skip={SKIP}",
        f"--setup-hook={mount}",
        f"--{last_hook}-hook={unmount}",
        *(recipe.suite, str(target), str(list_file)),
    ]


def _only(paths: tuple[str, ...]) -> list[str]:
    """Keep nothing but these paths of the packages."""
    if not paths:
        return []
    options = ["path-exclude=/*", *(f"path-include={path}" for path in paths)]
    return [f"--dpkgopt={option}" for option in options]


def _tarball(cache: Path, recipe: Recipe) -> Path:
    return cache / f"{recipe.digest[:32]}.tar.zst"


def _note(tarball: Path) -> Path:
    return tarball.with_name(f"{tarball.name}.json")
