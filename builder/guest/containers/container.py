# SPDX-License-Identifier: GPL-2.0-or-later
"""`container()`: start a root file system's tarball as a container, and take everything away."""

from __future__ import annotations

import contextlib
import logging
import platform
from collections.abc import Iterator
from pathlib import Path

import yaml

from builder.errors import InfrastructureError, UsageError
from builder.guest import seed, ssh
from builder.guest.accel import KVM
from builder.guest.attendance import Watches, attended
from builder.guest.containers import CONTAINER, FORMAT, KERNEL_NAMES, TREE
from builder.guest.containers.choice import choose
from builder.guest.containers.guest import ContainerGuest
from builder.guest.containers.keeper import Plan
from builder.guest.containers.running import INTERFACE, Container, as_root, start_words
from builder.guest.containers.tools import Instance, Tool
from builder.guest.domain import GuestSpec
from builder.guest.guest import CLOUD_INIT, Timeouts
from builder.models import DEFAULT_ARCH
from builder.paths import cache
from builder.run import needs
from builder.rundir import run_folder

log = logging.getLogger(__name__)

# Where cloud-init looks for a seed that needs no disk.
SEED = Path("var/lib/cloud/seed/nocloud")
# As Incus and LXD give it. What cloud-init makes up by itself names the interface by a permanent
# address, which no interface of a container has, and the start would wait for it in vain.
NETWORK_CONFIG = {"version": 2, "ethernets": {INTERFACE: {"dhcp4": True, "dhcp6": True}}}
# Seconds to unpack a tarball: a base, and for each MiB of it what a slow disk takes.
UNPACK_BASE, UNPACK_PER_MIB = 30.0, 0.5
MIB = 1 << 20


def runs_here(arch: str) -> bool:
    """Whether this machine's kernel is one of the architecture."""
    return KERNEL_NAMES.get(arch) == platform.machine()


def check_arch(arch: str) -> None:
    """Raise InfrastructureError for programs that this machine's kernel does not run."""
    if not runs_here(arch):
        here = platform.machine()
        raise InfrastructureError(
            f"a container has the kernel of its host, so {arch} does not start on {here}",
            hint=f"boot it on a machine of {arch}, or as a virtual machine",
        )


@contextlib.contextmanager
def container(
    image: Path,
    *,
    arch: str = DEFAULT_ARCH,
    login: str = CLOUD_INIT,
    report_dir: Path | None = None,
    work_dir: Path | None = None,
    timeout_factor: float = 1.0,
    keep: bool = False,
    tool: Tool | None = None,
    witness: Watches | None = None,
) -> Iterator[ContainerGuest]:
    """Start the tarball `image` and yield the guest when it is ready; nothing of it is left.

    The tarball is never written to. `login` says whether cloud-init gets a seed. The console is
    kept as `console-container.log` in `report_dir` (default: the run's own folder, which `keep`
    keeps). `tool` is what starts it (default: what works). A `witness` is told how it goes. Raises
    CheckError where the guest fails, InfrastructureError where the host does.
    """
    check_arch(arch)
    if not image.is_file():
        raise UsageError(f"there is no file {image}", hint=f"build one with --format {FORMAT}")
    parent = work_dir or cache().guests
    tool = tool or choose(parent)
    with run_folder(parent, keep) as folder:
        reports = (report_dir or folder).resolve()
        reports.mkdir(parents=True, exist_ok=True)
        name = f"fai-forge-{folder.name}"
        console = reports / f"console-{CONTAINER}.log"
        console.unlink(missing_ok=True)
        key = ssh.ClientKey.fresh()
        spec = GuestSpec(
            name=name,
            arch=arch,
            firmware=CONTAINER,
            accel=CONTAINER,
            disk=folder / TREE,
            seed=None,
            nvram=None,
            console=console,
            ssh_port=0,
        )
        log.info("start %s (%s)", name, tool.name)
        instance = Instance(name, folder / TREE, folder, console)
        given = folder / "given"
        given.mkdir(mode=0o755)
        given.chmod(0o755)
        (_seed if login == CLOUD_INIT else _authorize)(given, key)
        plan = _plan(image.resolve(), tool, instance, given, keep)
        limits = Timeouts.of(KVM, timeout_factor)
        unpacking = (UNPACK_BASE + UNPACK_PER_MIB * image.stat().st_size / MIB) * timeout_factor
        running = Container(plan, console if tool.speaks else folder / "told.log")
        try:
            guest = ContainerGuest(spec, running, key, limits, login, unpacking)
            if witness is not None:
                witness.started(guest)
            with attended(guest, witness):
                yield guest
        finally:
            running.destroy()


@needs("tar", package="tar", purpose="unpack the root of a container")
@needs("xz", package="xz-utils", purpose="unpack the root of a container")
def _plan(image: Path, tool: Tool, instance: Instance, given: Path, keep: bool) -> Plan:
    """Unpack, start, remove; as root of the user namespace that the container has."""
    tree = str(instance.tree)
    instance.tree.mkdir(mode=0o755)
    # Blocks of xz are unpacked side by side.
    unpack = ["env", "XZ_DEFAULTS=--threads=0", "tar", "--extract", f"--file={image}"]
    unpack += ["--numeric-owner", "--xattrs", "--xattrs-include=*", "--acls", f"--directory={tree}"]
    copy = ["cp", "--recursive", "--preserve=mode", f"{given}/.", tree]
    return Plan(
        lock=str(instance.folder / "owner"),
        name=instance.name,
        folder=str(instance.folder),
        prepare=[[*as_root(), *unpack], [*as_root(), *copy]],
        start=start_words(tool, instance, INTERFACE),
        clean=["true"] if keep else [*as_root(), "rm", "-rf", "--one-file-system", tree],
        interface=INTERFACE,
    )


def _seed(given: Path, key: ssh.ClientKey) -> None:
    """Give the tree a seed for cloud-init, with the run's key."""
    place = _folder(given, *SEED.parts)
    instance_id = f"fai-forge-{given.parent.name}"
    (place / "meta-data").write_text(seed.meta_data(instance_id), encoding="utf-8")
    (place / "user-data").write_text(seed.user_data(key.public), encoding="utf-8")
    (place / "network-config").write_text(yaml.safe_dump(NETWORK_CONFIG), encoding="utf-8")


def _authorize(given: Path, key: ssh.ClientKey) -> None:
    """Give root the run's key, as systemd does that has got it as a credential."""
    place = _folder(given, "root", ".ssh")
    for path in (place.parent, place):
        path.chmod(0o700)
    (place / "authorized_keys").write_text(f"{key.public}\n", encoding="utf-8")
    (place / "authorized_keys").chmod(0o600)


def _folder(given: Path, *names: str) -> Path:
    """A folder below `given`, and those above it, with the mode that such folders have."""
    for name in names:
        given = given / name
        given.mkdir()
        given.chmod(0o755)
    return given
