# SPDX-License-Identifier: GPL-2.0-or-later
"""libvirt: a connection, transient domains that die with it, and the events that they send.

A plain user talks to a daemon of their own (qemu:///session), root to the system's. Where no
systemd starts them, we do, with a time limit without clients: they end by themselves, however we
end, and never under the feet of another run that uses them too.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import functools
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from builder.errors import InfrastructureError
from builder.guest import reaper
from builder.guest.postmortem.serial import Keyboard
from builder.run import needs, run

SYSTEM, SESSION = "qemu:///system", "qemu:///session"
SYSTEMD = Path("/run/systemd/system")
# Seconds without clients and guests after which a daemon that we started ends.
IDLE_SECONDS = 15
START_SECONDS = 30.0
# How often the loop of events turns at least, and how long its last turn may take.
TURN_MILLISECONDS = 250
END_SECONDS = 10.0
# How long an agent may take for one message; one that is there answers at once.
AGENT_SECONDS = 30
SYSTEM_SOCKETS = Path("/run/libvirt")


def _libvirt() -> Any:
    """The libvirt module, set up once: silent on stderr, with its event loop in a thread."""
    try:
        import libvirt
    except ImportError as error:
        raise InfrastructureError(
            "Python's libvirt module is not there", hint="apt-get install python3-libvirt"
        ) from error
    _event_loop()
    return libvirt


@functools.cache
def _event_loop() -> None:
    """Without a loop, libvirt sends no events and does not see that a daemon died."""
    import libvirt

    libvirt.registerErrorHandler(lambda _context, _error: None, None)
    libvirt.virEventRegisterDefaultImpl()

    ending = threading.Event()

    def turn() -> None:
        while not ending.is_set():
            libvirt.virEventRunDefaultImpl()

    # A loop that has nothing to do sleeps for good; a timer keeps it turning.
    libvirt.virEventAddTimeout(TURN_MILLISECONDS, lambda _timer, _opaque: None, None)
    thread = threading.Thread(target=turn, name="libvirt-events", daemon=True)
    thread.start()

    def end() -> None:
        ending.set()
        thread.join(END_SECONDS)

    # An event that is told while the interpreter is taken down is a segmentation fault.
    atexit.register(end)


@dataclass
class Domain:
    """A running guest; what became of it is known from its events, since it is transient."""

    handle: Any
    name: str
    stopped: threading.Event = field(default_factory=threading.Event)
    # True when the guest itself asked for its end, as `poweroff` does.
    shut_down_by_guest: bool = False

    def active(self) -> bool:
        """Whether the guest still runs."""
        return not self.stopped.is_set()

    def ask_agent(self, message: str) -> str | None:
        """What the guest's QEMU agent answers to a message; None where none does in time."""
        import libvirt_qemu  # type: ignore[import-untyped]

        libvirt = _libvirt()
        try:
            return str(libvirt_qemu.qemuAgentCommand(self.handle, message, AGENT_SECONDS, 0))
        except libvirt.libvirtError:
            return None

    @contextlib.contextmanager
    def keyboard(self) -> Iterator[Keyboard]:
        """The serial console, to type into; InfrastructureError where it cannot be opened."""
        libvirt = _libvirt()
        try:
            stream = self.handle.connect().newStream(libvirt.VIR_STREAM_NONBLOCK)
            self.handle.openConsole(None, stream, libvirt.VIR_DOMAIN_CONSOLE_FORCE)
            try:
                yield Keyboard(stream)
            finally:
                stream.abort()
        except libvirt.libvirtError as error:
            raise InfrastructureError(
                f"the guest's console cannot be typed into: {error}",
                hint="the console's log tells what the guest wrote",
            ) from error

    def destroy(self) -> None:
        """End the guest now; no error where it is gone already."""
        libvirt = _libvirt()
        with contextlib.suppress(libvirt.libvirtError):
            self.handle.destroy()
        self.stopped.set()


class Hypervisor:
    """An open connection to libvirt; when it closes or breaks, its domains are destroyed."""

    def __init__(self, uri: str, connection: Any) -> None:
        self.uri = uri
        self._connection = connection
        self._domains: dict[str, Domain] = {}
        libvirt = _libvirt()
        self._callback = connection.domainEventRegisterAny(
            None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, self._lifecycle, None
        )

    def start(self, name: str, xml: str) -> Domain:
        """Start a transient domain that cannot outlive this connection."""
        libvirt = _libvirt()
        domain = self._domains[name] = Domain(None, name)
        try:
            domain.handle = self._connection.createXML(xml, libvirt.VIR_DOMAIN_START_AUTODESTROY)
        except libvirt.libvirtError as error:
            raise InfrastructureError(
                f"libvirt could not start the guest: {error}",
                hint=f"look at its log under {self.uri}; a port taken meanwhile goes by a new try",
            ) from error
        return domain

    def close(self) -> None:
        """Destroy what still runs and close the connection."""
        libvirt = _libvirt()
        for domain in self._domains.values():
            if domain.handle is not None and domain.active():
                domain.destroy()
        with contextlib.suppress(libvirt.libvirtError):
            self._connection.domainEventDeregisterAny(self._callback)
            self._connection.close()

    def _lifecycle(self, _conn: Any, handle: Any, event: int, detail: int, _opaque: Any) -> None:
        """Note how a guest of ours ends."""
        libvirt = _libvirt()
        domain = self._domains.get(handle.name())
        if domain is None:
            return
        if event == libvirt.VIR_DOMAIN_EVENT_SHUTDOWN:
            domain.shut_down_by_guest = detail == libvirt.VIR_DOMAIN_EVENT_SHUTDOWN_GUEST
        elif event in (libvirt.VIR_DOMAIN_EVENT_STOPPED, libvirt.VIR_DOMAIN_EVENT_CRASHED):
            domain.stopped.set()


@contextlib.contextmanager
def hypervisor() -> Iterator[Hypervisor]:
    """Connect to libvirt, as the user that we are, and leave nothing of ours behind."""
    libvirt = _libvirt()
    uri = SYSTEM if os.geteuid() == 0 else SESSION
    deadline = time.monotonic() + START_SECONDS
    while True:
        _ensure_daemons()
        try:
            opened = Hypervisor(uri, libvirt.open(uri))
            break
        except libvirt.libvirtError as error:
            if time.monotonic() > deadline:
                raise InfrastructureError(
                    f"libvirt does not answer at {uri}: {error}",
                    hint="systemctl start libvirtd, or see apt-get install libvirt-daemon-system",
                ) from error
            time.sleep(0.5)
    try:
        yield opened
    finally:
        opened.close()


@needs("virtlogd", package="libvirt-daemon-system", purpose="keep the consoles of guests")
@needs("libvirtd", package="libvirt-daemon-system", purpose="run guests")
def _ensure_daemons() -> None:
    """Start libvirt's daemons where no systemd does it: always for a plain user.

    libvirt would start a user's daemons too, but they would linger for two minutes.
    """
    root = os.geteuid() == 0
    if root and SYSTEMD.is_dir():
        return
    sockets = SYSTEM_SOCKETS if root else _session_sockets()
    sockets.parent.mkdir(parents=True, exist_ok=True)
    with (sockets.parent / "fai-forge-libvirt.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _answers(sockets / "libvirt-sock"):
            return
        companions = [] if _answers(sockets / "virtlogd-sock") else ["virtlogd"]
        idle = ["--timeout", str(IDLE_SECONDS)]
        run([sys.executable, reaper.__file__, *companions, "--", "libvirtd", *idle])
        deadline = time.monotonic() + START_SECONDS
        while not all(_answers(sockets / name) for name in ("virtlogd-sock", "libvirt-sock")):
            if time.monotonic() > deadline:
                return
            time.sleep(0.1)


def _session_sockets() -> Path:
    """Where a plain user's daemons listen (libvirt's virGetUserRuntimeDirectory)."""
    given = os.environ.get("XDG_RUNTIME_DIR")
    return (Path(given) if given else Path.home() / ".cache") / "libvirt"


def _answers(path: Path) -> bool:
    """Whether somebody listens on a unix socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0
