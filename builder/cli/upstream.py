# SPDX-License-Identifier: GPL-2.0-or-later
"""`fai-forge upstream`: images that distributions publish themselves, for a store of ours."""

from __future__ import annotations

import argparse

from builder.cli import (
    common,
    subverbs,
    upstream_check,
    upstream_export,
    upstream_list,
    upstream_pull,
    upstream_validate,
)

DESCRIPTION = """\
Find the newest image of each distribution, verify it, and keep it in a store beside our own, with
a manifest and all that OpenStack wants to know of it. Each distribution is a file in upstreams/,
and a site may have files of its own (--upstreams).

examples:
  fai-forge upstream list
  fai-forge upstream check
  fai-forge upstream pull alma-10 'ubuntu-*' --to /srv/images
  fai-forge upstream pull --all --to /srv/images
  fai-forge upstream export --store /srv/images --url https://images.example.org
  fai-forge upstream validate our-upstreams/ours.yaml
"""
VERBS = (
    upstream_list.VERB,
    upstream_check.VERB,
    upstream_pull.VERB,
    upstream_export.VERB,
    upstream_validate.VERB,
)


def _arguments(parser: argparse.ArgumentParser) -> None:
    subverbs.add(parser, VERBS)


VERB = common.Verb(
    "upstream", "images that distributions publish", DESCRIPTION, _arguments, subverbs.call
)
