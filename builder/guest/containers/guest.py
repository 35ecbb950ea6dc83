# SPDX-License-Identifier: GPL-2.0-or-later
"""A container as a guest: what tests know of a virtual machine, without SSH."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from builder.errors import CheckError, InfrastructureError
from builder.guest import ssh
from builder.guest.containers import entering, keeper
from builder.guest.containers.running import Container
from builder.guest.domain import GuestSpec
from builder.guest.guest import CLOUD_INIT, Guest, Timeouts
from builder.guest.ssh import Answer

# What systemd says when it has done all of a start; until then, something else.
SETTLED = ("running", "degraded", "maintenance")
# Seconds that one question may take.
ASK_SECONDS = 30.0
KEYS = "cat /etc/ssh/ssh_host_*_key.pub"
FULL = "No space left on device"


class ContainerGuest(Guest):
    """One started container; commands run as root in its own namespaces.

    `unpacking` is how many seconds its tree may take to be there.
    """

    def __init__(
        self,
        spec: GuestSpec,
        running: Container,
        key: ssh.ClientKey,
        limits: Timeouts,
        login: str,
        unpacking: float,
    ) -> None:
        super().__init__(spec, running, key, limits, login)
        self._container = running
        self._unpacking = unpacking
        self._leader: entering.Leader | None = None
        self._said = ""

    def wait_ready(self, reached: Callable[[str], None] = lambda _stage: None) -> None:
        """Wait until the container has settled; failed units do not count here.

        `reached` is told "kernel" when its first process runs, and "settled" at the end.
        """
        try:
            self._watch.wait("start", self._unpacking + self.limits.kernel, self._find_leader)
            reached("kernel")
            self._settle()
        except CheckError as error:
            self._blame(error)
        self.host_keys = tuple(
            ssh.HostKey(*line.split()[:2]) for line in self.run(KEYS).stdout.splitlines()
        )
        reached("settled")

    def run(self, command: str, timeout: float | None = None) -> Answer:
        """Run a shell command as root; `timeout` is in seconds, before `--timeout-factor`."""
        scale = self.limits.command / Timeouts().command
        seconds = self.limits.command if timeout is None else timeout * scale
        return entering.execute(self._inside(), command, seconds)

    def run_as(self, user: str, command: str) -> Answer:
        """Run a command as somebody else, in a login shell; CheckError for who has not our key."""
        keys = f"cat ~{shlex.quote(user)}/.ssh/authorized_keys"
        if self._key.public not in self.run(keys).stdout:
            raise CheckError(
                f"{user} of the container was not given the key",
                hint="look at the seed's user-data, and at cloud-init's log",
            )
        return self.run(f"runuser --login {shlex.quote(user)} --command {shlex.quote(command)}")

    def put(self, local: Path, remote: str) -> None:
        """Copy a file into the container."""
        place = shlex.quote(remote)
        answer = entering.put(self._inside(), local, place, self.limits.command)
        if answer.returncode != 0:
            raise CheckError(f"{remote} cannot be written in the container", hint=answer.stderr)

    def boot_id(self) -> str:
        """What tells one start from another; the kernel's own id is that of the host."""
        inside = self._inside()
        return f"{inside.pid}-{inside.begin}"

    def reboot(self) -> None:
        """Reboot from within and wait until the container is back: another first process."""
        self.before_leaving()
        before = self._inside()
        self._order("systemctl reboot")
        self._watch.wait(
            "come back after a reboot",
            self.limits.reboot,
            lambda: self._find_leader() and self._leader != before,
        )
        self._settle()

    def ssh(self) -> NoReturn:
        """There is no such way in."""
        raise CheckError("a container is not entered by SSH", hint="use guest.run(COMMAND)")

    def ssh_command(self) -> list[str]:
        """The command line by which a person gets in, in place of ssh."""
        return [*entering.enter(self._inside()), "/bin/bash", "--login"]

    def _inside(self) -> entering.Leader:
        """The first process; a container that did not do what it was waited for is given up."""
        self._watch.require_hope()
        if self._leader is None or not self.domain.active():
            raise self._watch.failure("take a command: it does not run")
        return self._leader

    def _find_leader(self) -> bool:
        self._leader = entering.leader(self.spec.name)
        return self._leader is not None

    def _settle(self) -> None:
        """Wait until systemd, and cloud-init if it is there, have done all of a start."""
        try:
            self._watch.wait("settle", self.limits.settled, self._settled)
        except CheckError as error:
            error.hint = f"systemctl said: {self._said}\n{error.hint}"
            raise
        if self.login == CLOUD_INIT:
            entering.execute(self._inside(), "cloud-init status --wait", self.limits.settled)

    def _settled(self) -> bool:
        answer = entering.execute(self._inside(), "systemctl is-system-running", ASK_SECONDS)
        self._said = (answer.stdout or answer.stderr).strip()
        return self._said in SETTLED

    def _order(self, command: str) -> None:
        entering.execute(self._inside(), f"{command} --no-block", self.limits.command)

    def _blame(self, error: CheckError) -> NoReturn:
        """Raise the error, as one of the host where its keeper or its disk is to blame."""
        done = self._container.done
        code = done.returncode if done else 0
        said = done.output.strip() if done else ""
        if code == keeper.UNABLE or (code == keeper.NOT_UNPACKED and FULL in said):
            raise InfrastructureError("the container could not be run", hint=said) from error
        if code == keeper.NOT_UNPACKED:
            raise CheckError("the tarball could not be unpacked", hint=said) from error
        if self._container.error is not None:
            raise self._container.error
        raise error
