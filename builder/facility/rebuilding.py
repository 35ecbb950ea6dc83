# SPDX-License-Identifier: GPL-2.0-or-later
"""`--by-rebuild`: an image is built again here instead of being fetched, and must be the same.

A build is reproducible, so its manifest and the packages are as good as its image; packages that
are in the cache already are not fetched again. The build is a program of its own, as in a nightly.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from builder import paths
from builder.errors import ForgeError, InfrastructureError
from builder.manifest import document
from builder.manifest.model import Manifest
from builder.run import needs, run
from builder.rundir import run_folder
from builder.store.delta import disks
from builder.store.index import Image

log = logging.getLogger(__name__)

# Seconds: emulated architectures take an hour.
LONGEST: Final = 6 * 3600.0
# A build takes its sandbox down within a moment.
GRACE: Final = 60.0


@dataclass(frozen=True)
class Ground:
    """What an image is built from here; the machine's own where nothing is given.

    {date} in a mirror stands for the time of the build, as snapshots of archives are named.
    `overlays` are as for `fai-forge build --overlay`.
    """

    mirror: str | None = None
    security_mirror: str | None = None
    overlays: tuple[str, ...] = ()


def rebuild(
    manifest_path: Path, image: Image, target: Path, ground: Ground = Ground()
) -> int | None:
    """Build an image again from its verified manifest; the bytes of packages that were fetched.

    What is at `target` afterwards has the index's sha256. None, and nothing at `target`, where the
    build fails or gives another file: a line says why, and the file is to be fetched.
    """
    name = f"{image.name} comes as a whole"
    try:
        manifest = document.load(manifest_path)
        _check(manifest, image)
        with run_folder(paths.cache().work) as folder:
            return _build(manifest, image, target, folder, ground)
    except (ForgeError, OSError) as error:
        said = error.message if isinstance(error, ForgeError) else str(error)
        log.warning("%s: it was not built again: %s", name, said)
        return None


def _check(manifest: Manifest, image: Image) -> None:
    """Raise InfrastructureError for what nobody can build again."""
    found = next((each for each in manifest.files if each.name == image.name), None)
    if found is None or not found.reproducible or found.sha256 != image.sha256:
        raise InfrastructureError(
            f"{image.name} cannot be built again bit for bit", hint="its manifest says so"
        )
    if any(each.dirty for each in manifest.build.commits):
        log.info("%s was built from classes that no commit has", image.name)


@needs("setpriv", package="util-linux", purpose="end a build together with its caller")
def _build(
    manifest: Manifest, image: Image, target: Path, folder: Path, ground: Ground
) -> int | None:
    words = ["build", manifest.name, "--json", "--out", str(folder), "--serial", manifest.serial]
    words += ["--format", image.format, *_archive(manifest, ground)]
    follow = ("setpriv", "--pdeathsig", "TERM")
    done = run(
        [*follow, sys.executable, "-m", "builder", *words],
        env={**os.environ, "SOURCE_DATE_EPOCH": str(manifest.build.source_date_epoch)},
        timeout=LONGEST,
        capture=True,
        grace=GRACE,
    )
    fetched = int(json.loads(done.output)["downloadedBytes"])
    made = folder / manifest.name / manifest.serial / image.name
    if disks.digest(made) != image.sha256:
        log.warning(
            "%s comes as a whole: what was built here is another file%s",
            image.name,
            _why(manifest, made.parent),
        )
        return None
    _place(made, target)
    return fetched


def _archive(manifest: Manifest, ground: Ground) -> Sequence[str]:
    """The options of the build about where its packages and classes come from."""
    date = f"{manifest.build.date:%Y%m%dT%H%M%SZ}"
    mirrors = (("--mirror", ground.mirror), ("--security-mirror", ground.security_mirror))
    words = [
        word
        for option, url in mirrors
        if url is not None
        for word in (option, url.replace("{date}", date))
    ]
    return [*words, *(word for each in ground.overlays for word in ("--overlay", each))]


def _why(manifest: Manifest, folder: Path) -> str:
    """What the second build had in another version, as the end of a sentence."""
    again = document.load(next(folder.glob("*.manifest.json")))
    one, two = (
        {(each.name, each.arch): each.version for each in side.packages}
        for side in (manifest, again)
    )
    other = sorted({name for name, _ in one.items() ^ two.items()})
    if other:
        return f" ({len(other)} packages differ, {other[0][0]} among them)"
    if manifest.build.config_space.digest != again.build.config_space.digest:
        return " (its classes are others)"
    return ""


def _place(made: Path, target: Path) -> None:
    """Give the image its name; it is beside it, and on the disk, before that."""
    beside = target.with_name(f".{target.name}.built")
    try:
        shutil.move(made, beside)
        with beside.open("rb") as file:
            os.fsync(file.fileno())
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)
