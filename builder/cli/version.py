# SPDX-License-Identifier: GPL-2.0-or-later
"""`fai-forge version`: the versions of fai-forge and of FAI."""

from __future__ import annotations

import argparse

from builder import __version__
from builder.cli import common
from builder.errors import InfrastructureError
from builder.install import fai


def _call(arguments: argparse.Namespace) -> int:
    try:
        fai_version = fai.version()
    except InfrastructureError:
        fai_version = "not installed"
    if arguments.json:
        common.print_json({"fai-forge": __version__, "fai": fai_version})
    else:
        print(f"fai-forge {__version__}, FAI {fai_version}")
    return 0


VERB = common.Verb("version", "print the versions of fai-forge and FAI", "", common.add_json, _call)
