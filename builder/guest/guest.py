# SPDX-License-Identifier: GPL-2.0-or-later
"""A running guest: commands, files, reboot, power off, and waiting that watches its console."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import paramiko

from builder.errors import CheckError, InfrastructureError
from builder.guest import console, ssh
from builder.guest.accel import SLOWNESS
from builder.guest.domain import GuestSpec
from builder.guest.hypervisor import Domain
from builder.guest.machines import machine
from builder.guest.postmortem.conclusions import JOBS, unsettled
from builder.guest.ssh import Answer
from builder.guest.watch import Watch

# The ways in: a seed for cloud-init, or credentials for systemd where an image has no cloud-init.
CLOUD_INIT, CREDENTIALS = "cloud-init", "credentials"
LOGINS = (CLOUD_INIT, CREDENTIALS)
# What says that everything is done that a start has to do.
SETTLING = {
    CLOUD_INIT: ("systemctl is-system-running --wait", "cloud-init status --wait"),
    CREDENTIALS: ("systemctl is-system-running --wait",),
}


@dataclass(frozen=True)
class Timeouts:
    """Seconds that each step may take, for a guest of the speed that `of` was told."""

    kernel: float = 25
    host_keys: float = 90
    ssh: float = 45
    settled: float = 120
    command: float = 60
    reboot: float = 90
    poweroff: float = 60

    @classmethod
    def of(cls, accel: str, factor: float = 1.0) -> Timeouts:
        """The limits under an acceleration, times a person's own factor."""
        scale = SLOWNESS[accel] * factor
        base = cls()
        return cls(
            kernel=base.kernel * scale,
            host_keys=base.host_keys * scale,
            ssh=base.ssh * scale,
            settled=base.settled * scale,
            command=base.command * scale,
            reboot=base.reboot * scale,
            poweroff=base.poweroff * scale,
        )


class Guest:
    """One started guest; `folder` is its run's private folder, `started` the host's Unix time.

    Whatever the guest fails to do in its time is a CheckError whose hint shows the console's end.
    """

    def __init__(
        self,
        spec: GuestSpec,
        running: Domain,
        key: ssh.ClientKey,
        limits: Timeouts,
        login: str = CLOUD_INIT,
    ):
        self.spec = spec
        self.login = login
        self.domain = running
        self.limits = limits
        self.started = time.time()
        self.host_keys: tuple[ssh.HostKey, ...] = ()
        # Called while the guest still answers, before it reboots or powers off.
        self.before_leaving: Callable[[], None] = lambda: None
        self._key = key
        self._client: paramiko.SSHClient | None = None
        self._watch = Watch(spec, running, limits.command)

    @property
    def name(self) -> str:
        """The libvirt domain's name."""
        return self.spec.name

    @property
    def arch(self) -> str:
        """Debian's name of the architecture."""
        return self.spec.arch

    @property
    def firmware(self) -> str:
        """bios, uefi or secureboot."""
        return self.spec.firmware

    @property
    def accel(self) -> str:
        """What runs the guest in the end: kvm or tcg."""
        return self.spec.accel

    @property
    def console_path(self) -> Path:
        """The console's log file, which outlives the guest."""
        return self.spec.console

    @property
    def public_key(self) -> str:
        """The key that the guest was given, as it stands in authorized_keys."""
        return self._key.public

    def console_text(self) -> str:
        """All that the console showed so far, without terminal escapes."""
        return self._watch.text()

    def console_hits(self) -> list[console.Hit]:
        """The bad lines on the console so far."""
        return console.search(self.console_text())

    def wait_kernel(self) -> None:
        """Wait for the first line that only a running kernel writes."""
        self._watch.wait(
            "start its kernel",
            self.limits.kernel,
            lambda: console.kernel_started(self.console_text()),
        )

    def wait_ready(self, reached: Callable[[str], None] = lambda _stage: None) -> None:
        """Wait until the guest has settled: host keys on the console, SSH, systemd, cloud-init.

        Failed units do not count here: the tests name them one by one. `reached` is told the stages
        of `builder.guest.progress`.
        """
        self.wait_login(reached)
        self._settle()
        reached("settled")

    def wait_login(self, reached: Callable[[str], None] = lambda _stage: None) -> None:
        """Wait until the guest lets us in, whatever it still has to start."""
        self.wait_kernel()
        reached("kernel")
        self._watch.wait("print its SSH host keys", self.limits.host_keys, self._learn_host_keys)
        reached("host keys")
        self._watch.wait("answer on SSH", self.limits.ssh, lambda: ssh.banner(self.spec.ssh_port))
        self._watch.wait("let us in by SSH", self.limits.ssh, self._log_in)
        reached("SSH")

    def ssh(self) -> paramiko.SSHClient:
        """The open SSH connection as root, made anew where it broke.

        A guest that once did not do what it was waited for is not waited for again.
        """
        self._watch.require_hope()
        transport = self._client.get_transport() if self._client else None
        if self._client is None or transport is None or not transport.is_active():
            self._watch.wait("let us in by SSH", self.limits.ssh, self._log_in)
        assert self._client is not None
        return self._client

    def run(self, command: str, timeout: float | None = None) -> Answer:
        """Run a shell command as root; `timeout` is in seconds as they are under KVM."""
        scale = self.limits.command / Timeouts().command
        seconds = self.limits.command if timeout is None else timeout * scale
        return ssh.execute(self.ssh(), command, seconds)

    def run_as(self, user: str, command: str) -> Answer:
        """Log in as somebody else with the run's key, over a connection of its own, and run it.

        Raises CheckError where the guest does not let that user in.
        """
        try:
            client = ssh.connect(
                self.spec.ssh_port, self._key, self.host_keys, self.limits.ssh, user
            )
        except paramiko.AuthenticationException as error:
            raise CheckError(
                f"the guest does not let {user} in with the key that it was given",
                hint="look at the user's authorized_keys, and whether the account is locked",
            ) from error
        with contextlib.closing(client):
            return ssh.execute(client, command, self.limits.command)

    def check(self, command: str, timeout: float | None = None) -> str:
        """Run a command that must succeed and return what it printed."""
        answer = self.run(command, timeout)
        if answer.returncode != 0:
            raise CheckError(
                f"a command failed in the guest (exit code {answer.returncode}): {command}",
                hint=(answer.stderr or answer.stdout).strip(),
            )
        return answer.stdout

    def put(self, local: Path, remote: str) -> None:
        """Copy a file into the guest."""
        with self.ssh().open_sftp() as sftp:
            sftp.put(str(local), remote)

    def boot_id(self) -> str:
        """What the kernel calls this boot; another one after every start."""
        return self.check("cat /proc/sys/kernel/random/boot_id").strip()

    def reboot(self) -> None:
        """Reboot from within and wait until the guest is back: a new boot id, its old host keys.

        Raises InfrastructureError where the virtual machine itself did not start again.
        """
        self.before_leaving()
        before = self.boot_id()
        self._order("systemctl reboot")

        def back() -> bool:
            if not ssh.banner(self.spec.ssh_port) or not self._log_in():
                return False
            with contextlib.suppress(paramiko.SSHException, OSError, EOFError):
                answer = ssh.execute(self.ssh(), "cat /proc/sys/kernel/random/boot_id", 30)
                return answer.returncode == 0 and answer.stdout.strip() != before
            return False

        try:
            self._watch.wait("come back after a reboot", self.limits.reboot, back)
        except CheckError as error:
            if console.froze_in_restart(self.console_text(), self.spec.firmware_speaks):
                raise InfrastructureError(
                    "the virtual machine froze in a restart, before the image was at work",
                    hint=error.hint,
                ) from error
            raise
        self._settle()

    def poweroff(self) -> None:
        """Power off from within and wait for a clean end, ordered by the guest itself."""
        self.before_leaving()
        self._order("systemctl poweroff")
        if not self.domain.stopped.wait(self.limits.poweroff):
            raise self._watch.timeout("power off", self.limits.poweroff)
        itself = self.domain.shut_down_by_guest
        if not machine(self.spec.arch).tells_power_off:
            itself = itself or console.powered_down(self.console_text())
        if not itself:
            raise self._watch.failure("power off cleanly: it ended in another way")

    def ssh_command(self) -> list[str]:
        """The ssh command line for a person; its key and known_hosts lie in the run's folder."""
        folder = self.spec.disk.parent
        key, known = folder / "key", folder / "known_hosts"
        key.touch(mode=0o600)
        key.write_text(self._key.private)
        known.write_text(ssh.known_hosts(self.spec.ssh_port, self.host_keys))
        options = {
            "UserKnownHostsFile": known,
            "StrictHostKeyChecking": "yes",
            "IdentitiesOnly": "yes",
        }
        words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        return [
            "ssh",
            "-i",
            str(key),
            "-p",
            str(self.spec.ssh_port),
            *words,
            f"{ssh.USER}@{ssh.HOST}",
        ]

    def close(self) -> None:
        """Close the SSH connection and end the guest if it still runs."""
        if self._client is not None:
            self._client.close()
            self._client = None
        self.domain.destroy()

    def _learn_host_keys(self) -> bool:
        """Pin the keys that the console shows, once it does."""
        self.host_keys = ssh.host_keys(self.console_text()) or ()
        return bool(self.host_keys)

    def _log_in(self) -> bool:
        """Try to open the SSH connection; False for what passes while a guest starts or stops."""
        if self._client is not None:
            self._client.close()
            self._client = None
        try:
            self._client = ssh.connect(
                self.spec.ssh_port, self._key, self.host_keys, timeout=self.limits.ssh
            )
        except (paramiko.SSHException, OSError, EOFError):
            return False
        return True

    def _settle(self) -> None:
        """Wait until systemd, and cloud-init if it is there, have done all of a start."""
        for command in SETTLING[self.login]:
            client = self.ssh()
            try:
                ssh.execute(client, command, self.limits.settled)
            except CheckError as error:
                found = unsettled(ssh.execute(client, JOBS, self.limits.command).stdout)
                late = f"settle within {self.limits.settled:.0f} s: {found.cause}"
                raise self._watch.failure(late, found) from error

    def _order(self, command: str) -> None:
        """Give an order that takes the connection away with it."""
        with contextlib.suppress(paramiko.SSHException, OSError, EOFError):
            ssh.execute(self.ssh(), f"{command} --no-block", self.limits.command)
