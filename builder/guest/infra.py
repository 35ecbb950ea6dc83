# SPDX-License-Identifier: GPL-2.0-or-later
"""testinfra over our own connection, so that it stays replaceable and host keys stay pinned."""

from __future__ import annotations

from typing import Any

from testinfra.backend import base
from testinfra.host import Host

from builder.guest.guest import Guest


class GuestBackend(base.BaseBackend):  # type: ignore[misc]  # testinfra says no types
    """Runs testinfra's commands through `Guest.run`, as root."""

    NAME = "fai-forge"

    def __init__(self, guest: Guest, *args: Any, **kwargs: Any) -> None:
        super().__init__(guest.name, *args, **kwargs)
        self.guest = guest

    def run(self, command: str, *args: str, **_kwargs: Any) -> base.CommandResult:
        """Run one command; testinfra quotes the arguments."""
        line = self.get_command(command, *args)
        answer = self.guest.run(line)
        return self.result(answer.returncode, self.encode(line), answer.stdout, answer.stderr)


def host_of(guest: Guest) -> Host:
    """A testinfra host for a guest."""
    return Host(GuestBackend(guest))
