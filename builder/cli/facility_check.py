# SPDX-License-Identifier: GPL-2.0-or-later
"""`fai-forge facility check`: can this site do its work, and what has to be mended?"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from builder.cli import common, facilities
from builder.errors import InfrastructureError
from builder.facility.checking import check
from builder.facility.targets.target import Finding

DESCRIPTION = """\
Look at a facility from end to end, and say of all that is wrong how to mend it: the key signs
without asking; the store can be written to, and there is room for what is wanted, on the disk and
in the quota; each remote can be reached, is signed, is fresh, and has what the rows of series: ask
for; nobody else can read the tokens; each target can be written to. Nothing that stays is changed.

examples:
  fai-forge facility check
  fai-forge facility check --facility /srv/north/facility.yaml --json

exit codes: 0; 2 if facility.yaml itself is wrong; 4 if something else has to be mended.
"""


def _arguments(parser: argparse.ArgumentParser) -> None:
    facilities.add_facility(parser)
    common.add_json(parser)


def _call(arguments: argparse.Namespace) -> int:
    site = facilities.site(arguments)
    found = check(site, datetime.now(UTC))
    if arguments.json:
        common.print_json({"facility": site.facility.name, "findings": found})
    else:
        print("\n".join(lines(found)))
    return 0 if all(each.ok for each in found) else InfrastructureError.exit_code


def lines(found: Sequence[Finding]) -> Iterator[str]:
    """A line for each finding, and its hint below it."""
    width = max(len(each.subject) for each in found)
    for each in found:
        yield f"{'ok' if each.ok else 'NO'}  {each.subject:<{width}}  {each.sentence}"
        for line in each.hint.splitlines():
            yield f"    {'':<{width}}  {line}"


VERB = common.Verb(
    "check", "look at all of it, and say what to mend", DESCRIPTION, _arguments, _call
)
