# SPDX-License-Identifier: GPL-2.0-or-later
"""`fai-forge completion`: completion for the shell."""

from __future__ import annotations

import argparse

from builder.cli import common

DESCRIPTION = """\
Print a completion script for a shell.

  fai-forge completion bash > ~/.local/share/bash-completion/completions/fai-forge
"""


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh", "tcsh"))


def _call(arguments: argparse.Namespace) -> int:
    import shtab

    # Imported here: the parser of all verbs includes this one.
    from builder.cli import parser

    print(shtab.complete(parser(), shell=arguments.shell))
    return 0


VERB = common.Verb("completion", "print shell completion", DESCRIPTION, _arguments, _call)
