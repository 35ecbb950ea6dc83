# SPDX-License-Identifier: GPL-2.0-or-later
"""`fai-forge pipeline`: a plan as a pipeline that GitLab runs."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from builder import paths
from builder.cli import chains, common
from builder.errors import UsageError
from builder.manifest.decision import Decision, Decisions
from builder.nightly import gitlab, serials
from builder.planning.published import open_store
from builder.store.memory import Memory

DESCRIPTION = """\
Print a plan as a child pipeline of GitLab, which runs it on as many runners as there are: for each
image that must be published a chain of jobs (build, boot, publish), then what is about the whole
store (upstream, promote, expire, site), and a job that says why the other images are left alone.

What the jobs have in common is in .gitlab/chain.yml; docs/ci.md tells how .gitlab-ci.yml uses this.

examples:
  fai-forge plan --all --store STORE --keyring images.gpg --json > out/decisions.json
  fai-forge pipeline out/decisions.json --store STORE --keyring images.gpg > out/pipeline.yml
  fai-forge pipeline out/decisions.json --store STORE --runner arm64=arm64-kvm --manual
"""


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "plan", type=Path, metavar="FILE", help="what `fai-forge plan --json` printed"
    )
    parser.add_argument(
        "--store", metavar="DIR|URL", required=True, help="where the images are published"
    )
    parser.add_argument(
        "--keyring", metavar="FILE", type=Path, help="public keys that verify a signed store"
    )
    parser.add_argument(
        "--runner",
        action="append",
        default=[],
        metavar="ARCH=TAG",
        help="the tag of the runners that build and boot images of an architecture (default: amd64"
        " for all of them); may be given more than once",
    )
    parser.add_argument(
        "--manual", action="store_true", help="each image is published when somebody says so"
    )
    chains.add_steps(parser)


def _call(arguments: argparse.Namespace) -> int:
    # Wrong usage is said before a store is asked.
    runners = gitlab.runners(arguments.runner)
    decisions = _decisions(arguments.plan)
    now = datetime.now(UTC).replace(microsecond=0)
    store = open_store(
        arguments.store, arguments.keyring, Memory(paths.cache().stores), now, must_exist=False
    )
    order = gitlab.Order(
        decisions,
        serials.pick(decisions, now.date(), store.serials),
        # Who signs is known to the runners alone.
        chains.site(arguments, arguments.out, key=None, keyring=None),
        arguments.plan,
        runners,
        arguments.manual,
    )
    print(gitlab.pipeline(order), end="")
    return 0


def _decisions(path: Path) -> tuple[Decision, ...]:
    try:
        return Decisions.model_validate_json(path.read_bytes()).decisions
    except (OSError, ValidationError) as error:
        raise UsageError(
            f"{path} is not what `fai-forge plan --json` prints", hint=str(error)
        ) from error


VERB = common.Verb(
    "pipeline", "print a plan as a pipeline of GitLab", DESCRIPTION, _arguments, _call
)
