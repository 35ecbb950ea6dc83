# SPDX-License-Identifier: GPL-2.0-or-later
"""A container that runs for as long as we want it: the keeper's owner."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO

from builder.errors import InfrastructureError
from builder.guest.containers import keeper, tools
from builder.guest.containers.keeper import Plan
from builder.guest.hypervisor import Domain
from builder.guest.postmortem.serial import Keyboard
from builder.install import sandbox
from builder.run import Completed, needs, run

STAGE = Path(__file__).with_name("stage.sh")
# The user network is an interface of this name, as containers of LXC and Incus have it.
INTERFACE = "eth0"
# Enough for the users of any image; fewer than there are, so that systemd sees the namespace.
IDS = 65536
NAMESPACES = (*sandbox.NAMESPACES, "--net", "--cgroup")
# Nobody's container runs longer.
SECONDS = 7 * 24 * 3600.0
# What the keeper may take to clean up where it is asked to end.
GRACE = 60.0


def as_root() -> list[str]:
    """The words before a program that shall be root among the container's own users and files.

    A plain user gets the subordinate ids. Root's ids stay as they are.
    """
    if os.geteuid() == 0:
        return [*sandbox.ROOTS_NAMESPACE, "--ids", str(IDS)]
    return ["unshare", *sandbox.USER_NAMESPACE, "--"]


def start_words(tool: tools.Tool, instance: tools.Instance, interface: str) -> list[str]:
    """The command of a plan that starts a container in namespaces of its own."""
    root = os.geteuid() == 0
    unshare = [*as_root(), "unshare"] if root else ["unshare", *sandbox.USER_NAMESPACE]
    stage = ["sh", str(STAGE), interface, str(tool.again)]
    return [*unshare, *NAMESPACES, "--", *stage, *tool.command(instance)]


class Container(Domain):
    """One plan that is carried out; it ends when we say so, and also when we are killed."""

    @needs("setpriv", package="util-linux", purpose="end a container together with its keeper")
    @needs(
        "slirp4netns", package="slirp4netns", purpose="give a container a network", optional=True
    )
    def __init__(self, plan: Plan, told: Path) -> None:
        """Start it; what its keeper and its program say goes to the file `told`."""
        super().__init__(None, plan.name)
        self._plan = plan
        self.done: Completed | None = None
        self.error: BaseException | None = None
        self._lock = os.open(plan.lock, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        # In a thread, since `run` waits; it needs no word from us to end.
        self._thread = threading.Thread(target=self._run, args=(told,), daemon=True)
        self._thread.start()

    def ask_agent(self, message: str) -> None:  # noqa: ARG002 - a machine's has one
        """There is no agent in a container."""
        return

    @contextlib.contextmanager
    def keyboard(self) -> Iterator[Keyboard]:
        """There is no console to type into."""
        raise InfrastructureError(
            "a container's console cannot be typed into", hint="its log tells what it wrote"
        )
        yield

    def destroy(self) -> None:
        """End the container now, if it still runs, and wait until all of it is gone."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1
            self._thread.join()
            if self.done is None or self.done.returncode < 0:
                # The keeper was killed. Another one, which nobody wants a container of, cleans up.
                _keep(replace(self._plan, prepare=(), interface=""), None)

    def _run(self, told: Path) -> None:
        try:
            with told.open("w", buffering=1, encoding="utf-8") as file:
                self.done = _keep(self._plan, file)
            self.shut_down_by_guest = self.done.returncode == 0
        except BaseException as error:
            self.error = error
        finally:
            self.stopped.set()


def _keep(plan: Plan, told: IO[str] | None) -> Completed:
    """Run a keeper to its end."""
    # For a control group's file system that the host has not mounted; the namespace hides it.
    apart = ["unshare", "--mount"] if os.geteuid() == 0 else []
    return run(
        [*apart, sys.executable, "-m", keeper.__name__, plan.text()],
        env={"PYTHONPATH": str(Path(__file__).parents[3])},
        timeout=SECONDS,
        check=False,
        log_to=told,
        grace=GRACE,
    )
