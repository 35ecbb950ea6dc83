# SPDX-License-Identifier: GPL-2.0-or-later
"""From this machine into a build's folder: upload aside, read back, sign, rename.

What an earlier try left is used where it is the same, byte for byte, and nowhere else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import Final, TypeVar

from builder.errors import InfrastructureError, UsageError
from builder.progress import Progress
from builder.store import fetching
from builder.store.gathering import SIGNATURES, LocalFile, Parcel
from builder.store.keys import Signs
from builder.store.place import Place

T = TypeVar("T")

# Mirrors skip folders with a dot.
STAGING: Final = ".staging"
# Uploads and read-backs at a time: they wait for the network.
PARALLEL: Final = 4


def bring(place: Place, signer: Signs, parcel: Parcel, final: str, progress: Progress) -> None:
    """Have all files of a build in the folder `final`, which no index names yet.

    Raises UsageError where something else is in that folder.
    """
    staging = f"{STAGING}/{parcel.manifest.name}-{parcel.manifest.serial}"
    # Who is killed after the renaming, or within it where a place renames file by file, leaves
    # files in the final folder.
    left = bool(place.names(final))
    target = _Target(place, final if left else staging, parcel)
    strangers = target.strangers()
    if left and strangers:
        raise _foreign(place, f"{final}/{strangers[0]}")
    for name in strangers:
        place.remove(f"{staging}/{name}")
    progress.stage("Looking at what is there")
    # Before the upload: gpg may ask for a passphrase, or have no key.
    small = _small(signer, parcel)
    missing = [file for file, there in _each(target.has, parcel.files) if not there]
    if left:
        for file in missing:
            if not file.made and place.size(target.path(file.name)) is not None:
                raise _foreign(place, target.path(file.name))
    total = sum(file.size for file in missing)
    progress.stage(f"Uploading {total >> 20} MiB")
    report = _Report(progress, total)
    _each(lambda file: target.upload(file, report), missing, report.stop)
    progress.stage("Verifying what was uploaded")
    _each(target.verify, missing)
    for name, content in small.items():
        place.write(target.path(name), content)
    if not left:
        place.move(staging, final)
    place.remove(staging)


@dataclass(frozen=True)
class _Target:
    """A folder of a place that a parcel is brought to."""

    place: Place
    folder: str
    parcel: Parcel

    def path(self, name: str) -> str:
        return f"{self.folder}/{name}"

    def strangers(self) -> list[str]:
        """What is there and is not of this build, by its name."""
        ours = {file.name for file in self.parcel.files} | {*self.parcel.sums(), *SIGNATURES}
        return [name for name in self.place.names(self.folder) if name not in ours]

    def has(self, file: LocalFile) -> bool:
        """Whether this very file is there, by all of its bytes."""
        path = self.path(file.name)
        if self.place.size(path) != file.size:
            return False
        digest = hashlib.sha256()
        try:
            for piece in fetching.pieces(self.place, path, 0, file.size):
                digest.update(piece)
        except (FileNotFoundError, fetching.WrongContent):
            return False
        return digest.hexdigest() == file.sha256

    def upload(self, file: LocalFile, report: _Report) -> None:
        self.place.upload(file.path, self.path(file.name), report.moved)

    def verify(self, file: LocalFile) -> None:
        """Raise InfrastructureError unless the uploaded file reads back as what was meant."""
        if not self.has(file):
            self.place.remove(self.path(file.name))
            raise InfrastructureError(
                f"{self.path(file.name)} of {self.place.url} is not what was uploaded",
                hint="the file changed meanwhile, or the place damaged it; call this again",
            )


class _Stopped(Exception):
    """Somebody does not wait for an upload any more."""


class _Report:
    """Tells a progress how many MiB were moved, from several threads."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._total = total
        self._done = 0
        self._lock = Lock()
        self._stopped = False

    def moved(self, count: int) -> None:
        if self._stopped:
            raise _Stopped
        with self._lock:
            self._done += count
            self._progress.update(self._done >> 20, self._total >> 20)

    def stop(self) -> None:
        """End the uploads that still run; nobody waits for the rest of an image on Ctrl-C."""
        self._stopped = True


def _each(
    call: Callable[[LocalFile], T],
    files: Iterable[LocalFile],
    give_up: Callable[[], None] = lambda: None,
) -> list[tuple[LocalFile, T]]:
    """Call for several files at a time; the answers in order, or the first error.

    After an error, `give_up` makes calls that still run end soon: all are waited for.
    """
    wanted = list(files)
    with ThreadPoolExecutor(PARALLEL) as pool:
        try:
            return list(zip(wanted, pool.map(call, wanted), strict=True))
        except BaseException:
            give_up()
            raise


def _small(signer: Signs, parcel: Parcel) -> dict[str, bytes]:
    """The lists of digests and their signatures, by name."""
    sums = parcel.sums()
    signatures = {
        name: signer.detached(sums[signed], armor=armor)
        for name, (signed, armor) in SIGNATURES.items()
    }
    return sums | signatures


def _foreign(place: Place, path: str) -> UsageError:
    return UsageError(
        f"{path} lies in {place.url}, no index names it, and it is not of this build",
        hint="if nobody published it, remove its folder; else build anew, under the next serial",
    )
