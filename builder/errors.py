# SPDX-License-Identifier: GPL-2.0-or-later
"""The errors that a person may see: one sentence each, what to do next, and an exit code.

They are caught once, in `builder.cli`. Anything else that reaches the top is a bug in fai-forge.
"""

from __future__ import annotations


class ForgeError(Exception):
    """Something went wrong in a way that a person can act on.

    `message` is one sentence that says what happened; `hint` says what to do next.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class BuildError(ForgeError):
    """The image could not be built: a package, a script or a hook of its classes failed."""

    exit_code = 1


class UsageError(ForgeError):
    """What was asked for, or a file that was written by hand, is wrong."""

    exit_code = 2


class CheckError(ForgeError):
    """An image was built, but a check or a boot says that it is not as it should be."""

    exit_code = 3


class InfrastructureError(ForgeError):
    """The machine, its mirror, libvirt or a disk let us down; the same call may work later."""

    exit_code = 4


class ArchiveError(InfrastructureError):
    """The state of an archive cannot be known: unreachable, unsigned, expired or half updated.

    Never the same as an archive in which nothing changed.
    """
