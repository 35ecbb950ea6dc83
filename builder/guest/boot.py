# SPDX-License-Identifier: GPL-2.0-or-later
"""`boot()`: start an image as a guest, wait until it is ready, and take everything away after."""

from __future__ import annotations

import contextlib
import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from uuid import uuid4

from builder.errors import CheckError, InfrastructureError
from builder.guest import accel as acceleration
from builder.guest import domain, machines, ssh
from builder.guest.attendance import Watches, attended
from builder.guest.console import ROTATED
from builder.guest.credentials import credentials, patience
from builder.guest.guest import CLOUD_INIT, Guest, Timeouts
from builder.guest.hypervisor import Hypervisor, hypervisor
from builder.guest.overlay import copy_nvram, make_overlay
from builder.guest.seed import write_seed
from builder.models import DEFAULT_ARCH
from builder.paths import cache
from builder.rundir import run_folder

log = logging.getLogger(__name__)

# Room that the disk has more than the image, so that a growing root file system can be seen.
GROW_MIB = 2048
# The overlay that a guest writes to, in the folder of its run.
DISK = "disk.qcow2"


@dataclass(frozen=True)
class _Order:
    """What one call of `boot` was asked for, with its paths made absolute."""

    image: Path
    arch: str
    firmware: str
    login: str
    console: Path
    timeout_factor: float
    grow_mib: int
    witness: Watches | None
    memory_mib: int


@contextlib.contextmanager
def boot(
    image: Path,
    *,
    arch: str = DEFAULT_ARCH,
    firmware: str = "bios",
    accel: str = acceleration.AUTO,
    login: str = CLOUD_INIT,
    report_dir: Path | None = None,
    work_dir: Path | None = None,
    timeout_factor: float = 1.0,
    grow_mib: int = GROW_MIB,
    memory_mib: int = domain.MEMORY_MIB,
    keep: bool = False,
    witness: Watches | None = None,
    ready: Callable[[Guest], None] = Guest.wait_ready,
) -> Iterator[Guest]:
    """Boot `image` and yield the guest when it is ready; nothing of it is left behind.

    `login` is one of `builder.guest.guest.LOGINS`, the way in; `ready` waits until the guest is.

    The image is never written to: the guest has an overlay, `grow_mib` MiB larger. The console is
    kept as `console-FIRMWARE.log` in `report_dir` (default: the run's own folder, which `keep`
    keeps). A `witness` is told how it goes. Raises CheckError where the guest fails,
    InfrastructureError where the host does.
    """
    machines.machine(arch).require()
    machines.firmware(arch, firmware)
    verdict = acceleration.verdict_of(cache().guests, arch)
    tries = acceleration.attempts(accel, arch, verdict)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_terminable())
        folder = stack.enter_context(run_folder(work_dir or cache().guests, keep))
        reports = (report_dir or folder).resolve()
        reports.mkdir(parents=True, exist_ok=True)
        order = _Order(
            image.resolve(),
            arch,
            firmware,
            login,
            reports / f"console-{firmware}.log",
            timeout_factor,
            grow_mib,
            witness,
            memory_mib,
        )
        host = stack.enter_context(hypervisor())
        if len(tries) == 1:
            guest = _start(order, tries[0], folder, host)
        else:
            guest = _probe(order, folder, host, verdict)
        stack.callback(guest.close)
        with attended(guest, witness, ready):
            yield guest


def _probe(order: _Order, folder: Path, host: Hypervisor, verdict: acceleration.Verdict) -> Guest:
    """Start under KVM; where no kernel shows up soon, start anew under emulation.

    KVM is found guilty only when emulation does start the same image.
    """
    guest = None
    try:
        guest = _start(order, acceleration.KVM, folder, host)
        guest.wait_kernel()
    except (CheckError, InfrastructureError) as error:
        log.warning("KVM does not run this guest, going on with emulation: %s", error)
        if guest is not None:
            guest.close()
            order.console.replace(order.console.with_suffix(".kvm.log"))
    except BaseException:
        if guest is not None:
            guest.close()
        raise
    else:
        verdict.remember(True)
        return guest
    guest = _start(order, acceleration.TCG, folder, host)
    try:
        guest.wait_kernel()
    except BaseException as error:
        if order.witness is not None and isinstance(error, Exception):
            order.witness.ending(guest, ready=False)
        guest.close()
        raise
    verdict.remember(False)
    return guest


def _start(order: _Order, accel: str, folder: Path, host: Hypervisor) -> Guest:
    """Prepare the files of one guest and start it; what an earlier attempt left is replaced."""
    for path in [order.console, *(Path(f"{order.console}.{number}") for number in ROTATED)]:
        path.unlink(missing_ok=True)
    for name in (DISK, "seed.img", "nvram.fd"):
        (folder / name).unlink(missing_ok=True)
    make_overlay(order.image, folder / DISK, order.grow_mib)
    key, run_id = ssh.ClientKey.fresh(), uuid4()
    by_seed = order.login == CLOUD_INIT
    loader = machines.firmware(order.arch, order.firmware)
    slowness = acceleration.SLOWNESS[accel] * acceleration.slowness(order.arch, accel)
    waiting = patience(machines.machine(order.arch).console, loader, slowness)
    way_in = {} if by_seed else credentials(order.arch, loader, key.public)
    spec = domain.GuestSpec(
        name=f"fai-forge-{order.image.name.split('.')[0]}-{run_id.hex[:8]}",
        arch=order.arch,
        firmware=order.firmware,
        accel=accel,
        disk=folder / DISK,
        seed=write_seed(folder, f"fai-forge-{run_id}", key.public) if by_seed else None,
        credentials={**way_in, **waiting},
        loader=loader,
        nvram=copy_nvram(loader, folder),
        console=order.console,
        ssh_port=_free_port(),
        memory_mib=order.memory_mib,
    )
    xml = domain.render(spec)
    (folder / "domain.xml").write_text(xml)
    log.info("start %s (%s, %s)", spec.name, spec.firmware, accel)
    running = host.start(spec.name, xml)
    limits = Timeouts.of(accel, order.timeout_factor * acceleration.slowness(order.arch, accel))
    guest = Guest(spec, running, key, limits, order.login)
    if order.witness is not None:
        order.witness.started(guest)
    return guest


def _free_port() -> int:
    """A TCP port of the loopback that is free now; QEMU does not start if it is taken meanwhile."""
    with socket.socket() as probe:
        probe.bind((ssh.HOST, 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM unwind the stack while a guest runs, unless the program has its own way."""
    ours = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    )
    if not ours:
        yield
        return

    def leave(number: int, _frame: FrameType | None) -> None:
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
