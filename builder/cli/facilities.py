# SPDX-License-Identifier: GPL-2.0-or-later
"""What the verbs of a facility share: which `facility.yaml` they are about."""

from __future__ import annotations

import argparse
from pathlib import Path

from builder.facility import config
from builder.facility.site import Site


def add_facility(parser: argparse._ActionsContainer) -> None:
    """`--facility`: the site's configuration."""
    parser.add_argument(
        "--facility",
        type=Path,
        metavar="FILE",
        help=f"the site's configuration (default: ${config.VARIABLE}, else {config.FILE} in this"
        " folder)",
    )


def site(arguments: argparse.Namespace) -> Site:
    """The facility that was asked for; UsageError where there is none."""
    return Site.read(arguments.facility)
