# SPDX-License-Identifier: GPL-2.0-or-later
"""Verbs that have verbs of their own, such as `fai-forge facility check`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from builder.cli.common import Verb, add_verbs


def add(parser: argparse.ArgumentParser, verbs: Sequence[Verb]) -> None:
    """Let a verb have these below it; `call` finds the one that was meant."""
    add_verbs(parser, verbs, "subverb")


def call(arguments: argparse.Namespace) -> int:
    """Call the verb below."""
    return int(arguments.subverb_call(arguments))
