# SPDX-License-Identifier: GPL-2.0-or-later
"""A stand-in for the tools tree: Debian 13's programs in a folder, made once for all disk tests."""

from __future__ import annotations

import atexit
import functools
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from builder.disk.toolbox import Toolbox
from builder.install.tools import PACKAGES
from builder.run import DEFAULT_TIMEOUT, Completed, run

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
NAMESPACES = ("unshare", "--mount", "--pid", "--fork", "--mount-proc")
# Root of a namespace of our own, where we are not root already.
AS_ROOT = () if os.geteuid() == 0 else ("--map-auto", "--map-root-user")
# Called as sh -c SCRIPT TREE FOLDER PROGRAM ARGUMENT...
ENTER = """
mkdir -p "$0$1" && mount --rbind "$1" "$0$1" && mount --rbind /proc "$0/proc" || exit 125
tree=$0; shift; exec chroot "$tree" "$@"
"""


@dataclass(frozen=True)
class ToolTree:
    """Runs programs chrooted into `tree`, where `shared` has the same path as outside."""

    tree: Path
    shared: Path

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        env: Mapping[str, str] | None = None,
        stdin: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        capture: bool = False,
    ) -> Completed:
        enter = [*NAMESPACES, *AS_ROOT, "sh", "-c", ENTER, self.tree, self.shared]
        return run([*enter, *argv], env=env, stdin=stdin, timeout=timeout, capture=capture)


def mirror() -> str:
    """The Debian mirror that this machine's own apt uses."""
    said = run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(LABEL)"], capture=True)
    uris = [line.split()[0] for line in said.output.splitlines() if line.split()[1:] == ["Debian"]]
    return uris[0]


@functools.cache
def tool_tree() -> Path:
    """A root file system with this room's tools; it goes away with the test run."""
    top = Path(tempfile.mkdtemp(prefix="disk-tools-"))
    # Also for the root of a user namespace, who is somebody else here.
    top.chmod(0o755)
    tree = top / "tree"
    unshare = [*NAMESPACES, *AS_ROOT]
    atexit.register(run, [*unshare, "rm", "-rf", "--one-file-system", top])
    run(
        [
            *(*unshare, "mmdebstrap", "--mode=root", "--variant=apt", "--skip=output/dev"),
            *(f"--include={','.join(PACKAGES)}", f"--keyring={KEYRING}"),
            *("trixie", tree, mirror()),
        ],
        timeout=600,
    )
    run([*unshare, "mkdir", "-p", tree / "run/fai-forge"])
    return tree


def toolbox(shared: Path) -> Toolbox:
    return ToolTree(tool_tree(), shared)


def test_the_tools_are_debian_13s(tmp_path: Path) -> None:
    done = toolbox(tmp_path).run(["mke2fs", "-V"])
    assert "mke2fs 1.47.2" in done.output


def test_both_sides_see_the_same_files(tmp_path: Path) -> None:
    (tmp_path / "here").write_text("said outside")
    done = toolbox(tmp_path).run(["cat", tmp_path / "here"], capture=True)
    assert done.output == "said outside"
