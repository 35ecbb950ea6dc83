# SPDX-License-Identifier: GPL-2.0-or-later
"""What `nightly` and `pipeline` share: how the steps of a nightly are done."""

from __future__ import annotations

import argparse
from pathlib import Path

from builder.cli import common
from builder.guest.accel import AUTO, CHOICES
from builder.nightly.chain import ALL, Site


def add_steps(parser: argparse.ArgumentParser) -> None:
    """How guests run, where builds go, what they are built from."""
    parser.add_argument(
        "--accel", choices=CHOICES, default=AUTO, help="of guests: kvm, tcg, or what works"
    )
    parser.add_argument(
        "--timeout-factor",
        type=float,
        default=1.0,
        metavar="N",
        help="multiplies all time limits of guests, for slow machines",
    )
    parser.add_argument(
        "--firmware",
        action="append",
        default=[],
        metavar="KIND",
        help="boot with this one only; may be given more than once (default: all)",
    )
    parser.add_argument(
        "--upstreams",
        nargs="+",
        default=[],
        metavar="NAME",
        help="also bring these images of upstreams into the store, by names or patterns, or"
        f" {ALL} that are known (default: none)",
    )
    common.add_out(parser)
    common.add_archive(parser)
    common.add_overlays(parser)


def site(arguments: argparse.Namespace, out: Path, key: str | None, keyring: Path | None) -> Site:
    """What all steps share, as it was asked for."""
    return Site(
        out=out,
        store=arguments.store,
        key=key,
        keyring=keyring,
        mirror=arguments.mirror,
        security_mirror=arguments.security_mirror,
        overlays=tuple(arguments.overlay),
        accel=arguments.accel,
        timeout_factor=arguments.timeout_factor,
        site=arguments.site,
        firmware=tuple(arguments.firmware),
        upstreams=tuple(arguments.upstreams),
    )
