# SPDX-License-Identifier: GPL-2.0-or-later
"""Into a running container: its first process, and commands in that process's namespaces."""

from __future__ import annotations

import base64
import contextlib
from dataclasses import dataclass
from pathlib import Path

from builder.errors import CheckError
from builder.guest.ssh import Answer
from builder.run import CommandError, needs, run

PROC = Path("/proc")
# As after a login of root.
ENVIRONMENT = (
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME=/root",
    "LOGNAME=root",
    "SHELL=/bin/bash",
    "USER=root",
)
# Not --all: only root may enter the time namespace, which is the host's.
NAMESPACES = ("--user", "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup")
# The process ids of a container's first process: ours, that of the namespaces around the program
# that started the container, and that of the container.
LEVELS = 3


@dataclass(frozen=True)
class Leader:
    """A container's first process; another `begin` (clock ticks) means another start."""

    pid: int
    begin: int


def leader(name: str, proc: Path = PROC) -> Leader | None:
    """The first process of the container in the control group `name`; None where there is none."""
    for entry in proc.iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            if f"/{name}/" not in (entry / "cgroup").read_text():
                continue
            if not _is_first((entry / "status").read_text()):
                continue
            # Behind the name, which may hold anything: field 22 of proc(5).
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            return Leader(int(entry.name), int(fields[19]))
    return None


def _is_first(status: str) -> bool:
    line = next((each for each in status.splitlines() if each.startswith("NSpid:")), "")
    numbers = line.split()[1:]
    return len(numbers) == LEVELS and numbers[-1] == "1"


def enter(inside: Leader) -> list[str]:
    """The words before a program that shall run in the container."""
    return ["nsenter", "--target", str(inside.pid), *NAMESPACES, "--"]


@needs("nsenter", package="util-linux", purpose="run commands in a container")
def execute(inside: Leader, command: str, timeout: float, stdin: str | None = None) -> Answer:
    """Run a command in the container's shell as root; CheckError when it has not ended in time.

    `timeout` is in seconds.
    """
    errors: list[str] = []
    words = [*enter(inside), "env", "--ignore-environment", "--chdir=/root", *ENVIRONMENT]
    try:
        done = run(
            [*words, "/bin/bash", "-c", command],
            timeout=timeout,
            capture=True,
            check=False,
            stdin=stdin,
            on_line=errors.append,
        )
    except CommandError as error:
        raise CheckError(
            f"a command in the container did not end within {timeout:.0f} s: {command}",
            hint="look at the console log; --timeout-factor gives it more time",
        ) from error
    return Answer(done.returncode, done.output, "".join(f"{line}\n" for line in errors))


def put(inside: Leader, local: Path, remote: str, timeout: float) -> Answer:
    """Copy a file into the container: as text, and not by a path that could lead out of it."""
    text = base64.b64encode(local.read_bytes()).decode("ascii")
    return execute(inside, f"base64 --decode > {remote}", timeout, stdin=text)
