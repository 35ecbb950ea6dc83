# SPDX-License-Identifier: GPL-2.0-or-later
"""A git repository at one commit, fetched once and kept for ever.

A commit's name is the digest of its content, so a folder that is at that commit, with nothing
changed, is what was meant, wherever it came from. git asks nothing, runs no hook and no filter,
and takes no submodule.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from builder.errors import InfrastructureError, UsageError
from builder.run import CommandError, needs, run
from builder.sites.model import PROTOCOLS

log = logging.getLogger(__name__)

TIMEOUT = 600.0
REMOTE = "overlay"
BRANCHES = f"+refs/heads/*:refs/remotes/{REMOTE}/*"
# Nothing that a user or a machine has configured changes the files that are written.
OWN_CONFIG = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
SETTINGS = (
    *("-c", f"core.hooksPath={os.devnull}"),
    *("-c", "core.fsmonitor=false"),
    # Who owns the folder is the caller's concern, who named it.
    *("-c", "safe.directory=*"),
)
# What stands before the host may be a password, or a token in a name's place.
LOGIN = re.compile(r"(?P<scheme>[a-z]+)://(?P<user>[^/@:]*)(?::[^/@]*)?@")


def without_secrets(text: str) -> str:
    """A URL, or what git says of one, without logins; ssh keeps its user, who is no secret."""
    return LOGIN.sub(
        lambda found: (
            f"ssh://{found['user']}@" if found["scheme"] == "ssh" else f"{found['scheme']}://"
        ),
        text,
    )


@needs("git", package="git", purpose="fetch overlays by their commit")
def at_commit(url: str, commit: str, kept: Path) -> Path:
    """The folder of `url` at `commit`, fetched into `kept` where it is not there yet.

    A commit that the repository does not have is a UsageError, one that cannot be asked an
    InfrastructureError. No network is needed for what is there.
    """
    folder = kept / commit
    if folder.is_dir():
        if _is_at(folder, commit):
            return folder
        log.warning("the overlay in %s was changed; it is fetched again", folder)
        shutil.rmtree(folder)
    kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept, prefix=".fetch-") as scratch:
        work = Path(scratch, "work")
        run(["git", "init", "--quiet", "--template=", work], env=OWN_CONFIG)
        _fetch(work, url, commit)
        _git(work, "checkout", "--quiet", "--detach", "--no-recurse-submodules", commit)
        if not _is_at(work, commit):
            raise UsageError(
                f"{commit} in {without_secrets(url)} is not a commit, or changes when checked out",
                hint="give the commit itself, not a tag; its .gitattributes must leave files alone",
            )
        # Another build may have been faster; it has the same.
        with contextlib.suppress(OSError):
            work.rename(folder)
    return folder


def _fetch(work: Path, url: str, commit: str) -> None:
    """Get a commit: it alone, where the server gives it, else with all branches and tags."""
    env = _network(url)
    one = [*SETTINGS, "fetch", "--quiet", "--no-recurse-submodules", "--no-tags", "--depth=1"]
    whole = [*SETTINGS, "fetch", "--quiet", "--no-recurse-submodules", "--tags"]
    git: list[str | Path] = ["git", "-C", work]
    with contextlib.suppress(CommandError):
        run([*git, *one, REMOTE, commit], env=env, timeout=TIMEOUT)
        return
    try:
        run([*git, *whole, REMOTE, BRANCHES], env=env, timeout=TIMEOUT)
    except CommandError as error:
        said = without_secrets(error.done.output.strip())
        raise InfrastructureError(
            f"the overlay {without_secrets(url)} cannot be fetched",
            hint=f"git said:\n{said}\nCheck the address and the network; git may ask nothing, so a"
            " login comes from an ssh agent or a credential helper.",
        ) from error
    try:
        _git(work, "cat-file", "-e", f"{commit}^{{commit}}")
    except CommandError as error:
        raise UsageError(
            f"the overlay {without_secrets(url)} has no commit {commit}",
            hint="correct the commit: `git ls-remote URL` lists those of its branches and tags",
        ) from error


def _network(url: str) -> Mapping[str, str]:
    """git's environment for talking to a server: the address is in no command line and no log."""
    agent = os.environ.get("SSH_AUTH_SOCK")
    return {
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": ":".join(PROTOCOLS),
        "GIT_SSH_COMMAND": "ssh -o BatchMode=yes",
        "GIT_LFS_SKIP_SMUDGE": "1",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"remote.{REMOTE}.url",
        "GIT_CONFIG_VALUE_0": url,
        **({"SSH_AUTH_SOCK": agent} if agent else {}),
    }


def _is_at(folder: Path, commit: str) -> bool:
    """Whether a folder holds what a commit holds, and nothing else."""
    try:
        head = _git(folder, "rev-parse", "--verify", "HEAD").strip()
        changed = _git(folder, "status", "--porcelain", "--ignored", "--ignore-submodules=all")
    except CommandError:
        return False
    return head == commit and not changed.strip()


def _git(folder: Path, *words: str) -> str:
    """What git says about a folder, whatever the user has configured."""
    return run(["git", "-C", folder, *SETTINGS, *words], env=OWN_CONFIG, capture=True).output
