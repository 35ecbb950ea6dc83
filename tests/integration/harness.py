# SPDX-License-Identifier: GPL-2.0-or-later
"""A tiny project that builds in seconds, `fai-forge` run on it, and a look for leftovers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from builder.paths import CACHE_VARIABLE, PROJECT_VARIABLE

ROOT = Path(__file__).parents[2]
NAME = "debian-13"
# Long enough for a slow machine under load; no test waits for it to pass.
PATIENCE = 600.0
IN_CI = os.environ.get("CI") == "true"

# A distribution with nothing in it and a boot loader of zeros: it is built like any other, and only
# does not boot. The role is for a second name.
TINY = {
    "DEBIAN/class.yaml": """\
class: DEBIAN
kind: distro
token: debian
summary: A root file system and little else
order: 100
defaults: [TINY]
""",
    "TRIXIE/class.yaml": """\
class: TRIXIE
kind: release
token: "13"
summary: The release that the base file is made of
order: 200
requires: [DEBIAN]
""",
    "TINY/class.yaml": """\
class: TINY
kind: platform
summary: A disk with a boot loader of zeros
order: 400
disk_size: 1GiB
packages: [netbase]
""",
    "TINY/package_config/TINY": "PACKAGES install-norec\nnetbase\n",
    "TINY/scripts/TINY/10-tiny": """\
#!/bin/bash
set -euo pipefail
$ROOTCMD usermod --lock root
rm -f "$target/etc/hosts"
printf '127.0.0.1\\tlocalhost\\n::1\\tlocalhost\\n' > "$target/etc/hosts"
rm -f "$target/etc/default/locale"
echo LANG=C.UTF-8 > "$target/etc/default/locale"
grub=$target/usr/lib/grub/i386-pc
mkdir -p "$grub" "$target/boot/grub/i386-pc" "$target/boot/efi/EFI/BOOT"
head -c 510 /dev/zero > "$grub/boot.img"
printf '\\x55\\xaa' >> "$grub/boot.img"
head -c 2048 /dev/zero > "$target/boot/grub/i386-pc/core.img"
echo efi > "$target/boot/efi/EFI/BOOT/BOOTX64.EFI"
""",
    "OTHER/class.yaml": """\
class: OTHER
kind: role
token: other
summary: The same under another name
order: 700
""",
}


def write_classes(project: Path, files: Mapping[str, str]) -> None:
    """Put files into a project's classes; hooks and scripts are executable."""
    for name, text in files.items():
        path = project / "classes" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755 if name.split("/")[1] in ("hooks", "scripts") else 0o644)


@dataclass
class Running:
    """A `fai-forge` that was started; its lines on stderr come as they are printed."""

    process: subprocess.Popen[str]
    said: list[str] = field(default_factory=list)
    namespaces: set[str] = field(default_factory=set)

    def until(self, text: str) -> None:
        """Read on until a line holds `text`."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line)
            if text in line:
                self.namespaces |= pid_namespaces(self.process.pid)
                return
        pytest.fail(f"it ended before it said {text!r}:\n{''.join(self.said)}")

    def end(self) -> int:
        """Wait for the end and return the exit code."""
        assert self.process.stderr is not None
        self.said += self.process.stderr.readlines()
        return self.process.wait(PATIENCE)

    @property
    def text(self) -> str:
        """All that was read of stderr."""
        return "".join(self.said)


@dataclass(frozen=True)
class Forge:
    """`fai-forge` on one project; `prefix` is put before the command: another user, namespaces."""

    project: Path
    cache: Path
    out: Path
    prefix: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()

    def start(self, *argv: str) -> Running:
        """Start it in a session of its own."""
        return Running(
            subprocess.Popen(
                [*self.prefix, sys.executable, "-m", "builder", *argv],
                cwd="/",
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        )

    def start_build(self, *argv: str, name: str = NAME) -> Running:
        """Start a build into our own `out`."""
        return self.start("build", name, "--out", str(self.out), *argv)

    def build(self, *argv: str, name: str = NAME) -> Running:
        """Build, and wait for the end."""
        running = self.start_build(*argv, name=name)
        running.end()
        return running

    def left(self, name: str = NAME) -> list[str]:
        """What is in the folder of a series beside its lock."""
        folder = self.out / name
        if not folder.exists():
            return []
        return sorted(path.name for path in folder.iterdir() if path.name != ".lock")

    def environment(self) -> dict[str, str]:
        """The environment of the program."""
        return {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            # As a plain user this would be written into root's checkout.
            "PYTHONDONTWRITEBYTECODE": "1",
            PROJECT_VARIABLE: str(self.project),
            CACHE_VARIABLE: str(self.cache),
            **dict(self.env),
        }


def pid_namespaces(pid: int) -> set[str]:
    """The PID namespaces of a process's descendants, other than our own."""
    found = set()
    queue = [pid]
    for parent in queue:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                queue += [int(child) for child in children.read_text().split()]
                found.add(str(Path(f"/proc/{parent}/ns/pid").readlink()))
            except OSError:
                continue
    return found - {str(Path("/proc/self/ns/pid").readlink())}


def inhabitants(namespaces: set[str]) -> list[int]:
    """The processes that live in one of these PID namespaces."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if str((folder / "ns/pid").readlink()) in namespaces:
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def traces(home: Path) -> list[str]:
    """Mounts and loop devices on this machine that belong to a build below `home`."""
    words = (str(home), "/run/fai-forge")
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    backing = [path.read_text() for path in Path("/sys/block").glob("loop*/loop/backing_file")]
    return [line for line in (*mounts, *backing) if any(word in line for word in words)]


def gone(running: Running) -> bool:
    """Whether all processes of a build end; they may take a moment to."""
    deadline = time.monotonic() + PATIENCE
    while inhabitants(running.namespaces):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@contextmanager
def ended(running: Running) -> Iterator[Running]:
    """However a test ends, the build does so, too."""
    try:
        yield running
    finally:
        if running.process.poll() is None:
            os.killpg(running.process.pid, signal.SIGKILL)
        running.process.wait()
        if running.process.stderr is not None:
            running.process.stderr.close()
        gone(running)


def only_root(what: str) -> None:
    """Skip a test that a plain user cannot run; in CI nothing is skipped."""
    if os.geteuid() != 0 and not IN_CI:
        pytest.skip(f"only root may {what}")


@dataclass(frozen=True)
class Account:
    """A user of this machine who is not root, and the words that run a command as that user."""

    uid: int
    gid: int

    @property
    def prefix(self) -> tuple[str, ...]:
        """Nothing if that is us."""
        if os.geteuid() == self.uid:
            return ()
        identity = (f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups")
        return ("setpriv", *identity, "--", "env", "-u", "XDG_RUNTIME_DIR", "HOME=/nonexistent")


def in_private_mounts(script: str) -> tuple[str, ...]:
    """Words that run a command in a mount namespace of its own, after `script`, as its root."""
    user = () if os.geteuid() == 0 else ("--map-root-user",)
    return ("unshare", *user, "--mount", "sh", "-ec", f'{script}; exec "$@"', "sh")


def runs(argv: Sequence[str]) -> bool:
    """Whether a command succeeds here."""
    return subprocess.run(argv, check=False, capture_output=True).returncode == 0
