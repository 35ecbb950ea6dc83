# SPDX-License-Identifier: GPL-2.0-or-later
"""Verbs that have verbs of their own, such as `fai-forge facility check`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from builder.cli.common import Verb


def add(parser: argparse.ArgumentParser, verbs: Sequence[Verb]) -> None:
    """Let a verb have these below it; `call` finds the one that was meant."""
    below = parser.add_subparsers(dest="subverb", metavar="VERB", required=True)
    for verb in verbs:
        sub = below.add_parser(
            verb.name,
            help=verb.summary,
            description=verb.description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        verb.arguments(sub)
        sub.set_defaults(subverb_call=verb.call)


def call(arguments: argparse.Namespace) -> int:
    """Call the verb below."""
    return int(arguments.subverb_call(arguments))
