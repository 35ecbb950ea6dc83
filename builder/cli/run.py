# SPDX-License-Identifier: GPL-2.0-or-later
"""`fai-forge run`: try an image out, in a guest that is gone afterwards."""

from __future__ import annotations

import argparse
import shlex
import sys

from builder.cli import common, guests
from builder.guest import machines
from builder.guest.boot import boot
from builder.run import foreground, needs

DESCRIPTION = """\
Boot an image and log in to it: on a terminal you get a shell in the guest, which ends with it.
Elsewhere, or with --no-shell, the ssh command is printed, and the guest runs until Ctrl-C.

Nothing is kept: the guest writes to an overlay of the image.
"""


def _arguments(parser: argparse.ArgumentParser) -> None:
    guests.add_guest(parser)
    parser.add_argument(
        "--firmware",
        metavar="KIND",
        help="bios, uefi, secureboot or ieee1275 (default: uefi where there is one)",
    )
    parser.add_argument(
        "--no-shell", action="store_true", help="print the ssh command and keep the guest running"
    )


@needs("ssh", package="openssh-client", purpose="log in to a guest")
def _call(arguments: argparse.Namespace) -> int:
    target = guests.find(arguments)
    firmware = arguments.firmware or machines.usual(target.arch)
    print(f"booting {target.image.name} with {firmware} ...", file=sys.stderr, flush=True)
    with boot(
        target.image,
        arch=target.arch,
        firmware=firmware,
        accel=arguments.accel,
        login=target.login,
        timeout_factor=arguments.timeout_factor,
    ) as guest:
        command = guest.ssh_command()
        if sys.stdin.isatty() and not arguments.no_shell:
            return foreground(command, terminal=True)
        print(shlex.join(command), flush=True)
        print("the guest runs until Ctrl-C, or until it powers itself off", file=sys.stderr)
        guest.domain.stopped.wait()
    return 0


VERB = common.Verb("run", "boot an image and log in", DESCRIPTION, _arguments, _call)
