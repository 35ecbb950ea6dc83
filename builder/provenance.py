# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a build's input came from: git commits, and the machine that built it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from builder.models import BuildId
from builder.run import CommandError, Tool, run


@dataclass(frozen=True)
class Revision:
    """The git commit of a folder (None outside of a repository), and whether it was changed."""

    commit: str | None
    dirty: bool


def revision(folder: Path) -> Revision:
    """The revision of the repository that `folder` is in."""
    if Tool("git", "git", "").path() is None:
        return Revision(None, dirty=False)
    # The folder may be part of a repository, and somebody else's: it was named by who builds.
    settings = ["-c", "safe.directory=*", "-c", "core.fsmonitor=false"]
    git: list[str | Path] = ["git", "-C", folder, *settings]
    try:
        commit = run([*git, "rev-parse", "--verify", "HEAD"], capture=True).output.strip()
        status = run([*git, "status", "--porcelain", "--", "."], capture=True).output
    except CommandError:
        return Revision(None, dirty=False)
    return Revision(commit, dirty=bool(status.strip()))


def job_link() -> str | None:
    """The CI job that this process belongs to, as GitLab names it."""
    return os.environ.get("CI_JOB_URL") or None


def debian_version() -> str:
    """The machine's /etc/debian_version."""
    file = Path("/etc/debian_version")
    return file.read_text(encoding="ascii").strip() if file.exists() else "unknown"


def rebuild_command(build: BuildId, *, formats: Sequence[str], overlays: Sequence[str]) -> str:
    """What a person types to get the same bytes again, while the archive has the packages."""
    words = ["fai-forge", "build", build.name, "--serial", build.serial]
    words += [word for each in formats for word in ("--format", each)]
    words += [word for each in overlays for word in ("--overlay", each)]
    return f"SOURCE_DATE_EPOCH={build.epoch} {shlex.join(words)}"
