# SPDX-License-Identifier: GPL-2.0-or-later
"""`fai-forge facility`: a site, its store, and what is in it."""

from __future__ import annotations

import argparse

from builder.cli import (
    common,
    facility_add,
    facility_check,
    facility_expire,
    facility_init,
    facility_status,
    subverbs,
)

DESCRIPTION = """\
Set up and look after a facility: a site with a store of its own, which takes images from others,
adds its own, and brings them to where machines start from. Its configuration is facility.yaml;
docs/facility.md walks through all of it.

examples:
  fai-forge facility init --name north --remote https://images.example.org --keyring portal.gpg
  fai-forge facility check
  fai-forge facility add ours.qcow2 --name appliance-1
  fai-forge facility status
"""
VERBS = (
    facility_init.VERB,
    facility_check.VERB,
    facility_add.VERB,
    facility_expire.VERB,
    facility_status.VERB,
)


def _arguments(parser: argparse.ArgumentParser) -> None:
    subverbs.add(parser, VERBS)


VERB = common.Verb(
    "facility", "set up and look after a site", DESCRIPTION, _arguments, subverbs.call
)
