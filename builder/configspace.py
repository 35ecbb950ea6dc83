# SPDX-License-Identifier: GPL-2.0-or-later
"""The config space of one image: the base and its classes' overlays, merged into one folder.

FAI reads one config space; ours lies in many folders. A path that two folders bring is an error,
unless one of them says that it replaces it. What comes out depends on paths, contents and the
executable bit alone, so that it has the same digest in every checkout.
"""

from __future__ import annotations

import fnmatch
import hashlib
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from builder.classes import Catalogue, Overlay
from builder.classes.model import FIRST, LAST, LAYOUT
from builder.errors import InfrastructureError, UsageError
from builder.names import did_you_mean
from builder.sites import outside

BASE = outside.BASE
# An overlay's own: what the class is, and what it promises; FAI never sees them.
NOT_FAIS = ("class.yaml", "overlay.yaml", "README.md", "tests")
# What version control and editors leave behind.
DEBRIS = (".git", ".gitkeep", "__pycache__", ".DS_Store", "*~", "*.swp", ".#*", "#*#")
# What FAI 6 runs, and skips with no more than a warning (or none) where it is not executable.
EXECUTABLE = re.compile(r"hooks/.+|scripts/.+|class/[0-9][0-9][^/]*")

FILE_MODE, PROGRAM_MODE, LINK_MODE = 0o644, 0o755, 0o777
# Far more path components than any symlink needs; one that takes more goes in a circle.
MAX_STEPS = 1000


@dataclass(frozen=True)
class FileOrigin:
    """One file of a config space, and the overlay that brought it ("base": the base).

    `path` is relative, with slashes. `mode` is 0o755 or 0o644; for a symlink it is 0o777, `link` is
    its target, and `sha256` that of the target's text.
    """

    path: str
    overlay: str
    sha256: str
    mode: int
    link: str = ""


@dataclass(frozen=True)
class ConfigSpace:
    """A merged config space in `root`; `origins` are sorted by path."""

    root: Path
    origins: tuple[FileOrigin, ...]
    digest: str

    def by_overlay(self) -> dict[str, tuple[FileOrigin, ...]]:
        """The files that each overlay brought."""
        overlays = sorted({origin.overlay for origin in self.origins})
        return {name: tuple(o for o in self.origins if o.overlay == name) for name in overlays}


@dataclass(frozen=True)
class _Entry:
    """A file or symlink that is to be merged; `link` is None for a file."""

    path: str
    overlay: Overlay
    source: Path
    mode: int
    link: str | None


class CollisionError(UsageError):
    """Two folders bring one file, `path`; caught where all that is wrong is collected."""

    def __init__(self, message: str, hint: str, path: Path) -> None:
        super().__init__(message, hint)
        self.path = path


def merge(
    base: Path, overlays: Sequence[Overlay], dest: Path, *, mtime: int = 0, settings: str = ""
) -> ConfigSpace:
    """Merge `base` and `overlays` into `dest`, a new or empty folder.

    Give the overlays of one image's classes only: then the digest does not change when a class
    that has nothing to do with the image does. All files get `mtime` (seconds since 1970), since
    FAI's fcopy hands a file's time on to the image. `settings` is what else decides the image's
    content, and so is part of the digest. Raises UsageError for what is wrong in the folders,
    before anything is written, and InfrastructureError where writing fails.
    """
    try:
        entries = _collect((Overlay(BASE, base), *overlays))
        origins = _write(entries, dest, mtime)
    except OSError as error:
        raise InfrastructureError(
            f"the config space cannot be merged into {dest}: {error}",
            hint="is the disk full, or a file not yours to read?",
        ) from error
    return ConfigSpace(dest, origins, _digest(origins, settings))


def check_replaces(base: Path, catalogue: Catalogue) -> None:
    """Every file that a folder replaces is in it, and in another one; UsageError names the path."""
    for fault in replace_faults(base, catalogue):
        raise fault


def replace_faults(base: Path, catalogue: Catalogue) -> Iterator[UsageError]:
    """All that cannot be replaced."""
    folders = (Overlay(BASE, base), *catalogue.overlays((FIRST, *catalogue.classes, LAST)))
    for overlay in folders:
        for path in overlay.replaces:
            rivals = [each for each in folders if each is not overlay]
            if not any(os.path.lexists(each.path / path) for each in rivals):
                yield UsageError(
                    f"{overlay.path}: it replaces {path}, which nobody has",
                    hint="correct the path, or take it out of replaces",
                )
            if not os.path.lexists(overlay.path / path):
                yield UsageError(
                    f"{overlay.path}: it replaces {path}, but has no such file itself",
                    hint="put the file there that takes the other's place; it may be empty",
                )


def examine(base: Path, overlays: Sequence[Overlay]) -> None:
    """Raise the UsageError that merging these would raise; nothing is written."""
    _collect((Overlay(BASE, base), *overlays))


def _collect(overlays: Sequence[Overlay]) -> dict[str, _Entry]:
    """All that is to be merged, by path, once it is known to fit together."""
    brought: dict[str, list[_Entry]] = {}
    for overlay in overlays:
        for entry in _scan(overlay):
            brought.setdefault(entry.path, []).append(entry)
    chosen = {path: _choose(path, rivals) for path, rivals in brought.items()}
    entries = {path: entry for path, entry in chosen.items() if entry is not None}
    _check_below_files(entries)
    for entry in entries.values():
        _check_executable(entry, entry if entry.link is None else _follow(entries, entry))
    return entries


def _choose(path: str, rivals: Sequence[_Entry]) -> _Entry | None:
    """The one file that counts at a path; None for what only replaces a file that is not there.

    A script of a class that is not in the image is not to run in its replaced form either.
    """
    new = [entry for entry in rivals if path in entry.overlay.replaces]
    old = [entry for entry in rivals if path not in entry.overlay.replaces]
    for several in (old, new):
        if len(several) > 1:
            verb = "replace" if several is new else "bring"
            raise _collision(path, several[0], several[1], verb)
    return (new or old)[0] if old else None


def _scan(overlay: Overlay) -> Iterator[_Entry]:
    """The files and symlinks of one overlay, sorted by path."""
    if not overlay.path.is_dir():
        raise UsageError(
            f"{overlay.path}: there is no such folder", hint="the base config space is fai-config/"
        )
    for child in children(overlay.path):
        if child.name in NOT_FAIS:
            continue
        if child.name not in LAYOUT or child.is_symlink() or not child.is_dir():
            raise UsageError(
                f"{child}: the overlay {overlay.name} has something that FAI does not know"
                f"{did_you_mean(child.name, LAYOUT)}",
                hint=f"folders of an overlay are {', '.join((*LAYOUT, 'tests'))}",
            )
        yield from _walk(overlay, child)


def _walk(overlay: Overlay, folder: Path) -> Iterator[_Entry]:
    for child in children(folder):
        status = child.lstat()
        path = child.relative_to(overlay.path).as_posix()
        link = os.readlink(child) if child.is_symlink() else None  # noqa: PTH115
        if not f"{path}{link}".isprintable():  # also false for bytes that are no UTF-8
            raise UsageError(
                f"{str(child)!a}: this name, or where it leads to, cannot be printed",
                hint="rename it: names are UTF-8 without control characters",
            )
        if stat.S_ISDIR(status.st_mode):
            yield from _walk(overlay, child)
        elif link is not None:
            yield _Entry(path, overlay, child, LINK_MODE, link)
        elif stat.S_ISREG(status.st_mode):
            mode = PROGRAM_MODE if status.st_mode & stat.S_IXUSR else FILE_MODE
            yield _Entry(path, overlay, child, mode, None)
        else:
            raise UsageError(
                f"{child}: this is neither a file, a folder nor a symlink", hint="take it out"
            )


def children(folder: Path) -> list[Path]:
    """What lies in a folder, sorted, without debris."""
    return sorted(
        child
        for child in folder.iterdir()
        if not any(fnmatch.fnmatchcase(child.name, pattern) for pattern in DEBRIS)
    )


def _check_below_files(entries: dict[str, _Entry]) -> None:
    """No path is a file or symlink in one overlay and a folder in another.

    A symlink that stood in for a folder could lead another overlay's files out of the space.
    """
    for entry in entries.values():
        for parent in PurePosixPath(entry.path).parents:
            if str(parent) in entries:
                raise _collision(str(parent), entries[str(parent)], entry)


def _collision(path: str, first: _Entry, second: _Entry, verb: str = "bring") -> CollisionError:
    return CollisionError(
        f"the overlays {first.overlay.name} and {second.overlay.name} both {verb} {path}",
        hint=f"rename one of {first.source} and {second.source}, or move it to a class of its own;"
        "\nwhere one is to take the other's place, it says so: replaces: [PATH]",
        path=second.source,
    )


def _check_executable(entry: _Entry, target: _Entry | None) -> None:
    """FAI will run what it is meant to run; `target` is the file that `entry` is or leads to."""
    if target is not None and target.mode == FILE_MODE and EXECUTABLE.fullmatch(entry.path):
        raise UsageError(
            f"{entry.source}: this is not executable, and FAI would silently skip it",
            hint=f"chmod +x {target.source}",
        )


def _follow(entries: dict[str, _Entry], entry: _Entry) -> _Entry | None:
    """The file to which a symlink leads in the merged space, or None for a folder of it.

    Raises UsageError for a symlink that leads elsewhere, directly or through others.
    """
    folders = {str(parent) for path in entries for parent in PurePosixPath(path).parents}
    place = PurePosixPath(entry.path).parent.parts
    todo = list(PurePosixPath(entry.link or "").parts)
    for _ in range(MAX_STEPS):
        if not todo:
            return entries.get("/".join(place))
        part = todo.pop(0)
        if part.startswith("/") or (part == ".." and not place):
            raise _bad_link(entry, "out of the config space")
        place = place[:-1] if part == ".." else (*place, part)
        here = "/".join(place)
        found = entries.get(here)
        if found is not None and found.link is not None:
            place, todo = place[:-1], [*PurePosixPath(found.link).parts, *todo]
        elif place and here not in folders and (found is None or todo):
            raise _bad_link(entry, "to nothing in the config space")
    raise _bad_link(entry, "in a circle")


def _bad_link(entry: _Entry, where: str) -> UsageError:
    return UsageError(
        f"{entry.source}: the symlink to {entry.link} leads {where}",
        hint="a symlink is relative, and leads to a file of the same class or of one it requires",
    )


def _write(entries: dict[str, _Entry], dest: Path, mtime: int) -> tuple[FileOrigin, ...]:
    """Copy all entries into `dest`, with the same modes and times whatever umask and checkout."""
    dest.mkdir(parents=True, exist_ok=True)
    if any(dest.iterdir()):
        raise UsageError(f"{dest}: this folder is not empty", hint="name a new one, or empty it")
    for name in LAYOUT:
        (dest / name).mkdir()
    origins = tuple(_write_one(entries[path], dest) for path in sorted(entries))
    for folder, folders, files in os.walk(dest, topdown=False):
        for name in (*files, *folders, "."):
            path = Path(folder, name)
            if path.is_dir() and not path.is_symlink():
                path.chmod(PROGRAM_MODE)
            os.utime(path, (mtime, mtime), follow_symlinks=False)
    return origins


def _write_one(entry: _Entry, dest: Path) -> FileOrigin:
    target = dest / entry.path
    target.parent.mkdir(parents=True, exist_ok=True)
    if entry.link is not None:
        target.symlink_to(entry.link)
        content = entry.link.encode()
    else:
        content = entry.source.read_bytes()
        target.write_bytes(content)
        target.chmod(entry.mode)
    digest = hashlib.sha256(content).hexdigest()
    return FileOrigin(entry.path, entry.overlay.name, digest, entry.mode, entry.link or "")


def _digest(origins: Sequence[FileOrigin], settings: str) -> str:
    """sha256 over settings, paths, modes and contents; who brought a file does not matter."""
    whole = hashlib.sha256(settings.encode())
    for origin in origins:
        whole.update(f"{origin.path}\0{origin.mode:o}\0{origin.sha256}\0".encode())
    return whole.hexdigest()
