# SPDX-License-Identifier: GPL-2.0-or-later
"""A copy of a finished raw image whose files can be changed: no mount, no root, no build."""

from __future__ import annotations

import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from builder.disk.layout import Role, layout
from builder.models import DEFAULT_ARCH
from builder.run import search_path


@dataclass(frozen=True)
class Disk:
    """A raw image as this project lays it out; paths of files are absolute in their file system."""

    raw: Path

    @classmethod
    def copy(cls, image: Path, folder: Path, name: str) -> Disk:
        """A raw copy, `name`.raw in `folder`, of an image of any format; holes stay holes."""
        raw = folder / f"{name}.raw"
        _run("qemu-img", "convert", "-O", "raw", image, raw)
        return cls(raw)

    def read(self, path: str) -> bytes:
        """A file of the root file system."""
        with tempfile.TemporaryDirectory() as folder:
            local = Path(folder) / "file"
            self._debugfs(f"dump {path} {local}")
            return local.read_bytes()

    def write(self, path: str, content: bytes | str, *, mode: int = 0o644, mtime: int = 0) -> None:
        """Put a file of root's in place of the one that is there, if any."""
        with tempfile.TemporaryDirectory() as folder:
            local = Path(folder) / "file"
            local.write_bytes(content.encode() if isinstance(content, str) else content)
            self._debugfs(
                f"rm {path}",
                f"write {local} {path}",
                f"set_inode_field {path} mode 0{0o100000 | mode:o}",
                f"set_inode_field {path} uid 0",
                f"set_inode_field {path} gid 0",
                *([f"set_inode_field {path} mtime @{mtime}"] if mtime else []),
            )
        assert self.read(path)

    def link(self, path: str, target: str) -> None:
        """Make a symlink in the root file system."""
        self._debugfs(f"symlink {path} {target}")

    def remove(self, path: str) -> None:
        """Remove a file or symlink of the root file system, which must be there."""
        assert self.exists(path), path
        self._debugfs(f"rm {path}")
        assert not self.exists(path), path

    def exists(self, path: str) -> bool:
        """Whether the root file system has something of that name."""
        folder, _, name = path.rpartition("/")
        return name in self.names(folder)

    def names(self, folder: str) -> list[str]:
        """The names in a folder of the root file system."""
        told = self._debugfs(f"ls -p {folder}")
        return [line.split("/")[5] for line in told.splitlines() if line.startswith("/")]

    def read_esp(self, path: str) -> bytes:
        """A file of the EFI partition."""
        argv = ["mtype", "-i", self._esp, f"::{path}"]
        return subprocess.run(argv, check=True, capture_output=True).stdout

    def write_esp(self, path: str, content: bytes) -> None:
        """Put a file into the EFI partition, over one of the same name."""
        argv = ["mcopy", "-o", "-i", self._esp, "-", f"::{path}"]
        subprocess.run(argv, check=True, input=content, capture_output=True)

    @property
    def _esp(self) -> str:
        return f"{self.raw}@@{self._offset(Role.ESP)}"

    def _offset(self, role: Role) -> int:
        part = layout(DEFAULT_ARCH, self.raw.stat().st_size).find(role)
        assert part is not None
        return part.offset

    def _debugfs(self, *commands: str) -> str:
        """Run commands of debugfs(8) in order; it has no exit code that could be believed."""
        target = f"{self.raw}?offset={self._offset(Role.ROOT)}"
        return _run("debugfs", "-w", "-f", "-", target, stdin="\n".join((*commands, "")))


def _run(*argv: str | Path, stdin: str | None = None) -> str:
    done = subprocess.run(
        argv,
        input=stdin,
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": search_path()},
    )
    return done.stdout
