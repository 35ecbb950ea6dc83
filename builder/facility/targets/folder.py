# SPDX-License-Identifier: GPL-2.0-or-later
"""A plain folder as a target: NAME-SERIAL files, and a link NAME.SUFFIX to the newest.

What is ours there is written down in a hidden file of the folder, with its sha256. Anything else,
whatever its name, is neither replaced nor removed.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pydantic import NonNegativeInt, ValidationError

from builder.downloads.partial import name_of
from builder.errors import InfrastructureError, UsageError
from builder.facility.amounts import in_words
from builder.facility.kinds import FolderTarget, TargetEntry
from builder.facility.locks import alone
from builder.facility.site import Site
from builder.facility.targets import items
from builder.facility.targets.target import Finding, Held, Item, Placed
from builder.manifest.parts import FileName, Part, Serial, Series, Sha256
from builder.progress import Progress

RECORD = ".fai-forge.json"
ZEROS = bytes(items.PIECE)


class Ours(Part):
    """One file that we put there, or are about to."""

    file: FileName
    name: Series
    serial: Serial
    size: NonNegativeInt
    sha256: Sha256

    @property
    def link(self) -> str:
        """The name that points at the newest of its kind: NAME.SUFFIX."""
        return self.name + self.file.removeprefix(f"{self.name}-{self.serial}")


class Record(Part):
    """All files that we put there."""

    files: tuple[Ours, ...] = ()

    def with_(self, new: Ours) -> Record:
        """The same, and one more file."""
        return Record(files=(*self.without(new.file).files, new))

    def without(self, file: str) -> Record:
        """The same without a file."""
        return Record(files=tuple(each for each in self.files if each.file != file))

    def find(self, file: str) -> Ours | None:
        """The entry of a file."""
        return next((each for each in self.files if each.file == file), None)


def open_target(name: str, entry: TargetEntry, site: Site) -> Folder:
    """The target of a `facility.yaml` entry."""
    assert isinstance(entry, FolderTarget)
    return Folder(name, entry, site.path(entry.path), site.state)


@dataclass(frozen=True)
class Folder:
    """A folder of this machine, or of one that is mounted here."""

    name: str
    entry: FolderTarget
    root: Path
    state: Path

    @property
    def formats(self) -> tuple[str, ...]:
        """The formats that it takes, the best one first."""
        return self.entry.formats

    def check(self) -> tuple[Finding, ...]:
        """Whether it is there, can be written to, and has room."""
        subject = f"folder {self.root}"
        if not self.root.is_dir():
            return (Finding(False, subject, "it is not there", "make it, or mount it"),)
        probe = self.root / name_of("probe")
        try:
            probe.touch()
            probe.unlink()
        except OSError as error:
            hint = "who runs fai-forge must be able to write there"
            return (Finding(False, subject, f"it cannot be written to: {error.strerror}", hint),)
        free = shutil.disk_usage(self.root).free
        return (Finding(True, subject, f"it can be written to, {in_words(free)} are free"),)

    def put(self, item: Item, progress: Progress) -> Placed:
        """Copy an image there, read it back, give it its name, and then let the link point at it.

        Older ones beyond `keep` are removed.
        """
        items.refuse_format(item, self.formats, self.name)
        file = items.file_name(item)
        wanted = Ours(
            file=file, name=item.name, serial=item.serial, size=item.size, sha256=item.sha256
        )
        with alone(self.state, f"target-{self.name}"), self._told():
            record = self._record()
            there = self._is_there(record, wanted)
            unchanged = there and self._pointed(wanted.link) == file
            if not there:
                items.verify(item, progress)
                # Before the file: what is killed in between leaves an entry, and nobody's file.
                self._write(record.with_(wanted))
                self._bring(item, file, progress)
            if not unchanged:
                self._point(wanted.link, file)
            for each in self._superseded(wanted):
                self._remove(each)
        return Placed("unchanged" if unchanged else "placed", str(self.root / file))

    def held(self) -> tuple[Held, ...]:
        """Our files that are there."""
        with self._told():
            return tuple(
                Held(
                    each.name,
                    each.serial,
                    str(self.root / each.file),
                    self._pointed(each.link) == each.file,
                )
                for each in self._record().files
                if (self.root / each.file).is_file()
            )

    def remove(self, held: Held) -> None:
        """Remove one of our files that no link points at, if it is still as we wrote it."""
        with alone(self.state, f"target-{self.name}"), self._told():
            self._remove(held)

    def _remove(self, held: Held) -> None:
        file = Path(held.reference).name
        record = self._record()
        ours = record.find(file)
        if ours is None:
            return
        if self._pointed(ours.link) == file:
            raise UsageError(
                f"{self.root / file} is what {ours.link} points at", hint="put another image first"
            )
        path = self.root / file
        # Somebody may have put another file there since, and it is theirs.
        if path.is_file() and not path.is_symlink() and _is(path, ours):
            path.unlink()
        self._write(record.without(file))

    def _superseded(self, wanted: Ours) -> tuple[Held, ...]:
        links = {each.file: each.link for each in self._record().files}
        same = [each for each in self.held() if links[Path(each.reference).name] == wanted.link]
        return items.superseded(same, wanted.name, self.entry.keep)

    def _bring(self, item: Item, file: str, progress: Progress) -> None:
        """Copy a file under a hidden name, read it back, and give it its own."""
        beside = self.root / name_of(file)
        progress.stage(f"Copying {items.label(item)} to {self.root}")
        beside.unlink(missing_ok=True)
        descriptor = os.open(
            beside, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644
        )
        try:
            with os.fdopen(descriptor, "r+b") as target, item.path.open("rb") as source:
                moved = items.meter(progress, item.size)
                for piece in items.pieces(source, moved):
                    _write_sparse(target, piece)
                target.truncate()
                target.flush()
                os.fsync(target.fileno())
                progress.stage(f"Verifying {items.label(item)} in {self.root}")
                target.seek(0)
                if _digest(target) != item.sha256:
                    raise InfrastructureError(
                        f"what arrived in {self.root} is not what was copied",
                        hint="is the disk sound? nothing there was changed",
                    )
            beside.rename(self.root / file)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
        self._settle()

    def _is_there(self, record: Record, wanted: Ours) -> bool:
        """Whether the file is there; UsageError where somebody else's has a name that we want."""
        path, link = self.root / wanted.file, self.root / wanted.link
        pointed, known = self._pointed(wanted.link), record.find(wanted.file)
        if os.path.lexists(link) and (pointed is None or record.find(pointed) is None):
            raise _foreign(link)
        if not os.path.lexists(path):
            return False
        if known is None or path.is_symlink() or not path.is_file():
            raise _foreign(path)
        if known != wanted:
            raise UsageError(
                f"{path} is another image of the same serial",
                hint="published builds never change; which store is this one of?",
            )
        # Whoever was killed before the end left an entry, and anybody may have made the file since.
        if pointed != wanted.file and not _is(path, wanted):
            raise _foreign(path)
        return True

    def _pointed(self, link: str) -> str | None:
        """What a link of the folder points at; None where it is no link."""
        try:
            return str((self.root / link).readlink())
        except OSError:
            return None

    def _point(self, link: str, file: str) -> None:
        """Let a link point at a file, at once."""
        beside = self.root / name_of(f"{link}.link")
        beside.unlink(missing_ok=True)
        beside.symlink_to(file)
        beside.rename(self.root / link)
        self._settle()

    def _record(self) -> Record:
        path = self.root / RECORD
        try:
            return Record.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return Record()
        except ValidationError as error:
            raise InfrastructureError(
                f"{path} is none of our records",
                hint="it says which files are ours; restore it, or remove it and those files",
            ) from error

    def _write(self, record: Record) -> None:
        beside = self.root / name_of(RECORD)
        with beside.open("w", encoding="utf-8") as file:
            file.write(record.model_dump_json(by_alias=True, indent=2) + "\n")
            file.flush()
            os.fsync(file.fileno())
        beside.rename(self.root / RECORD)
        self._settle()

    def _settle(self) -> None:
        descriptor = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Errors of the system in words."""
        try:
            yield
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            raise InfrastructureError(
                f"{self.root}: {error.strerror}",
                hint="make room there" if full else "is it mounted, and yours to write to?",
            ) from error


def _write_sparse(file: IO[bytes], piece: bytes) -> None:
    """Write a piece of a file; one of zeros becomes a hole."""
    if piece == ZEROS[: len(piece)]:
        file.seek(len(piece), os.SEEK_CUR)
    else:
        file.write(piece)


def _digest(file: IO[bytes]) -> str:
    return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]


def _is(path: Path, ours: Ours) -> bool:
    with contextlib.suppress(OSError), path.open("rb") as file:
        found = os.fstat(file.fileno())
        return (
            stat.S_ISREG(found.st_mode)
            and found.st_size == ours.size
            and (_digest(file) == ours.sha256)
        )
    return False


def _foreign(path: Path) -> UsageError:
    return UsageError(
        f"{path} was there before, and is not ours", hint="give it another name; it is not touched"
    )
