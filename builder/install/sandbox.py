# SPDX-License-Identifier: GPL-2.0-or-later
"""The sandbox: namespaces in which a build is root, and which end with it however it dies.

`fai-forge build` starts itself again inside new user, mount, PID, UTS and IPC namespaces. All that
the build mounts and starts lives there, so a killed build leaves no mount, no loop device and no
process behind, and FAI's global lock and log folders are its own. As root the user namespace is
left out, unless programs of another architecture need one, or root is that of a container and may
not mount; the rest is the same.
"""

from __future__ import annotations

import os
import pwd
import signal
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from builder.errors import InfrastructureError, UsageError
from builder.install import binfmt
from builder.install.binfmt import Way
from builder.paths import CACHE_VARIABLE, cache
from builder.run import CommandError, foreground, needs, run

# Everything of a build is at a fixed place: what a path says can end up in an image's bytes.
ROOT = Path("/run/fai-forge")
MARK = "FAI_FORGE_SANDBOX"
# What a build has for itself, so that FAI's locks and logs do not meet others'.
HIDDEN = ("/run", "/var/log")
# In which way programs of the image's architecture run inside.
EMULATION = "FAI_FORGE_EMULATION"
# A signal that ends the program which started the sandbox also ends all that is in it.
NAMESPACES = ("--mount", "--pid", "--fork", "--mount-proc", "--uts", "--ipc", "--kill-child")
# As root in the namespace, with the user's subordinate ids for everybody else.
USER_NAMESPACE = ("--map-root-user", "--map-auto")
# The same for root, who stays who he is.
ROOTS_NAMESPACE = (sys.executable, "-m", "builder.install.userns")
SUBORDINATE_IDS = (Path("/etc/subuid"), Path("/etc/subgid"))
# linux/capability.h: root of a container may not mount, unless the container is privileged.
CAP_SYS_ADMIN = 21
# How unshare says that its child ended by SIGKILL, and how we see that it did so itself.
KILLED = (128 + signal.SIGKILL, -signal.SIGKILL)


@dataclass(frozen=True)
class Obstacle:
    """A setting of the machine that forbids user namespaces, and how to lift it."""

    path: Path
    forbids: str
    hint: str


OBSTACLES = (
    Obstacle(
        Path("/proc/sys/user/max_user_namespaces"), "0", "sysctl user.max_user_namespaces=9999"
    ),
    Obstacle(
        Path("/proc/sys/kernel/unprivileged_userns_clone"),
        "0",
        "sysctl kernel.unprivileged_userns_clone=1",
    ),
    Obstacle(
        Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
        "1",
        "sysctl kernel.apparmor_restrict_unprivileged_userns=0",
    ),
)
# What unshare's words mean; the kernel wants all of the old /proc to be visible.
MEANINGS = {
    "mount /proc failed": "this is a container that sees parts of /proc only; docs/ci.md tells what"
    " it must allow",
}


def inside() -> bool:
    """Whether this process is already in the sandbox."""
    return os.environ.get(MARK) == "1"


@needs("unshare", package="util-linux", purpose="build in namespaces of its own")
@needs("setpriv", package="util-linux", purpose="end a build together with its caller")
def reenter(
    argv: Sequence[str],
    *,
    arch: str | None = None,
    env: Mapping[str, str] | None = None,
    quiet: bool = False,
) -> int:
    """Run `fai-forge ARGV` again, inside a new sandbox, and return its exit code.

    Programs of `arch` can run in it. `env` is added to our own environment; with `quiet`, what it
    prints on stdout is dropped.
    """
    check()
    way = Way.NATIVE if arch is None else emulation(arch)
    words = _entered(way, "builder", argv)
    inner = {**os.environ, **_settings(way), **(env or {})}
    code = foreground(words, env=inner, quiet=quiet)
    if code in KILLED:
        raise InfrastructureError(
            "the build was killed; nothing half-made is left behind",
            hint="the kernel does that where memory is short: free some, or use --workspace disk",
        )
    return code


@needs("unshare", package="util-linux", purpose="build in namespaces of its own")
@needs("setpriv", package="util-linux", purpose="end a build together with its caller")
def call(module: str, argv: Sequence[str | Path]) -> None:
    """Run `python -m MODULE ARGV` inside a new sandbox, out of sight; CommandError if it fails."""
    words = _entered(Way.NATIVE, module, argv)
    run(words, env={**os.environ, **_settings(Way.NATIVE)})


def _entered(way: Way, module: str, argv: Sequence[str | Path]) -> list[str | Path]:
    """The command that runs a module of ours inside a new sandbox."""
    command = [sys.executable, "-m", module, *argv]
    return ["setpriv", "--pdeathsig", "KILL", *_unshare(way), "--", *command]


def _settings(way: Way) -> dict[str, str]:
    """What a process inside is told."""
    # Inside, everybody is root: what hangs on the user is decided here.
    return {MARK: "1", CACHE_VARIABLE: str(cache().root), EMULATION: way.value}


def check() -> None:
    """Raise InfrastructureError, with the line that helps, where no sandbox can be made."""
    if os.geteuid() != 0:
        _check_subordinate_ids()
    try:
        if os.geteuid() != 0:
            # Where this fails, unshare with a mapping would wait for ever for its own helper.
            run(["unshare", "--user", "true"], timeout=60)
        run([*_unshare(), "--", "mount", "-t", "tmpfs", "tmpfs", "/run"], timeout=60)
    except CommandError as error:
        raise InfrastructureError(
            "this machine does not let us make namespaces to build in",
            hint=_advice() or _meant(error.done.output.strip()),
        ) from error


@needs("newuidmap", package="uidmap", purpose="map subordinate user ids into the sandbox")
def _check_subordinate_ids() -> None:
    """A plain user needs a range of subordinate ids, for the files of an image's other users."""
    user = _user()
    for file in SUBORDINATE_IDS:
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        if not any(line.split(":")[0] in (user, str(os.getuid())) for line in lines):
            raise InfrastructureError(
                f"{user} has no range in {file}, which building without root needs",
                hint=f"run as root: usermod --add-subuids 100000-165535"
                f" --add-subgids 100000-165535 {user}",
            )


def _user() -> str:
    """Who we are to newuidmap: not what the environment says; a container's user has no name."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def emulation(arch: str) -> Way:
    """In which way programs of `arch` can run in a sandbox; an InfrastructureError if in none."""
    return binfmt.choose(arch, private=_private_binfmt)


def _private_binfmt() -> bool:
    """Whether the kernel lets a user namespace have its own binfmt_misc."""
    mount = ["mount", "-t", "binfmt_misc", "binfmt_misc", "/run"]
    try:
        run([*_unshare(Way.PRIVATE), "--", *mount], timeout=60)
    except CommandError:
        return False
    return True


def _unshare(way: Way = Way.NATIVE) -> list[str]:
    """unshare with the namespaces of a build, for this user."""
    if os.geteuid() != 0:
        return ["unshare", *USER_NAMESPACE, *NAMESPACES]
    private = way is Way.PRIVATE or not _may_mount(Path("/proc/self/status"))
    return [*(ROOTS_NAMESPACE if private else ()), "unshare", *NAMESPACES]


def _may_mount(status: Path) -> bool:
    """Whether a process, by its file of /proc, may make namespaces without a user namespace."""
    lines = (line.partition(":") for line in status.read_text(encoding="utf-8").splitlines())
    held = next((value for name, _, value in lines if name == "CapEff"), "0")
    return bool(int(held, 16) >> CAP_SYS_ADMIN & 1)


def _advice() -> str:
    """What this machine's settings say about why user namespaces are forbidden."""
    return "\n".join(
        f"run as root: {obstacle.hint}"
        for obstacle in OBSTACLES
        if obstacle.path.exists() and obstacle.path.read_text().strip() == obstacle.forbids
    )


def _meant(said: str) -> str:
    """What unshare said, and what it means where that is known."""
    meaning = next((text for words, text in MEANINGS.items() if words in said), "")
    return "\n".join(filter(None, (f"unshare said: {said}", meaning)))


def furnish() -> None:
    """Mount what a build needs in its new namespaces: its own /run and /var/log.

    A resolv.conf that leads into /run is kept readable, and our own temporary files go with the
    sandbox.
    """
    resolver = Path("/etc/resolv.conf")
    nameservers = resolver.read_bytes() if resolver.exists() else b""
    for folder in HIDDEN:
        run(["mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", folder])
    if not resolver.exists() and nameservers:
        real = resolver.resolve()
        real.parent.mkdir(parents=True, exist_ok=True)
        real.write_bytes(nameservers)
    Path("/run/fai").mkdir()
    Path("/run/lock").mkdir(mode=0o1777)
    ROOT.mkdir()
    # For this program only: in the image's tree, scripts have a /tmp of their own.
    tempfile.tempdir = str(ROOT / "tmp")
    Path(tempfile.tempdir).mkdir()


def check_visible(folders: Iterable[Path]) -> None:
    """Raise UsageError for a folder that the sandbox's own /run or /var/log would hide."""
    for folder in folders:
        for hidden in HIDDEN:
            if folder.is_relative_to(hidden):
                raise UsageError(
                    f"{folder} cannot be seen by a build, which has a {hidden} of its own",
                    hint=f"move it out of {hidden}",
                )


def unmount_below(folder: Path) -> None:
    """Unmount all that is mounted below `folder`, but not the folder itself."""
    table = Path("/proc/self/mounts").read_text(encoding="utf-8")
    points = {Path(line.split()[1]) for line in table.splitlines()}
    for point in sorted(point for point in points if folder in point.parents):
        # A lazy unmount takes along what is mounted below.
        if point.is_mount():
            run(["umount", "--lazy", point])
