# SPDX-License-Identifier: GPL-2.0-or-later
"""`fai-forge facility status`: what the site has, and what it lacks."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from builder import images, paths
from builder.cli import common, facilities
from builder.cli.plan import age
from builder.facility.record import SyncRecord
from builder.facility.status import Advised, Row, Status, status
from builder.planning.explain import Explainer

DESCRIPTION = """\
Say of each series which build is here, which is the newest elsewhere, how old ours is, how many
source packages have a security update there that ours lacks, and how the last sync went. It reads
the manifests of both builds; a fix that no remote has published yet is not counted. Of images that
others built, those updates are counted that an advisory tells of, by the places that images.yaml
names; - means that nobody knows.

Remotes that give no answer are told of, and what the last sync saw of them stands in the table;
--offline asks none of them.

examples:
  fai-forge facility status
  fai-forge facility status --offline --json

exit code: 0, whatever there is to say; 2 or 4 where the site's own store cannot be read.
"""
HEADINGS = ("SERIES", "LOCAL", "NEWEST", "FROM", "AGE", "SECURITY", "STATE")


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--offline", action="store_true", help="ask no remote")
    facilities.add_facility(parser)
    common.add_json(parser)


def _call(arguments: argparse.Namespace) -> int:
    site = facilities.site(arguments)
    now = datetime.now(UTC)
    found = status(site, now, offline=arguments.offline, advised=_advised())
    if arguments.json:
        common.print_json(_answer(site.facility.name, found))
    else:
        print("\n".join(lines(found, now)))
    return 0


def _advised() -> Advised:
    """Whether an advisory tells of a change; who knows that is read when it is first asked for."""

    @cache
    def explainer() -> Explainer:
        project, kept = paths.project_root(), paths.cache().advisories
        return Explainer(images.read(project).advisories, project, kept)

    return lambda change, codename: bool(explainer().fixes(codename)(change))


def lines(found: Status, now: datetime) -> Iterator[str]:
    """The table, and below it what went wrong."""
    if found.rows:
        yield from common.table(HEADINGS, [_cells(row) for row in found.rows])
    else:
        yield "nothing is here yet; fai-forge pull NAME takes an image in"
    if found.last is None:
        yield "last sync: never"
    else:
        yield f"last sync: {_ago(now - found.last.ended)}; {_went(found.last)}"
        yield from (f"    {each.name}: {each.error}" for each in found.last.remotes if each.error)
        yield from (f"    {each.name}: {each.error}" for each in found.last.series if each.error)
    for name, said in found.unreachable.items():
        yield f"remote {name} gives no answer: {said}"


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.series,
        row.local or "-",
        row.newest or "-",
        row.remote or "-",
        age(row.age) if row.age is not None else "-",
        "-" if row.security is None else f"{row.security} missing" if row.security else "none",
        _state(row),
    )


def _state(row: Row) -> str:
    if row.error:
        return row.error
    if row.custom and not row.newest:
        return "custom"
    if not row.newest:
        return "only here"
    return "behind" if row.behind else "current"


def _ago(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    return f"{minutes} min ago" if minutes < 120 else f"{age(span)} ago"


def _went(last: SyncRecord) -> str:
    return "all went well" if last.ok else last.error or "not all of it was done"


def _answer(facility: str, found: Status) -> dict[str, Any]:
    last = found.last
    return {
        "facility": facility,
        "series": [
            {
                "name": row.series,
                "local": row.local or None,
                "newest": row.newest or None,
                "remote": row.remote or None,
                "ageSeconds": int(row.age.total_seconds()) if row.age is not None else None,
                "securityMissing": row.security,
                "behind": row.behind,
                "custom": row.custom,
                "error": row.error,
            }
            for row in found.rows
        ],
        "lastSync": last.model_dump(mode="json", by_alias=True) if last else None,
        "unreachable": dict(found.unreachable),
    }


VERB = common.Verb(
    "status", "say what is here, and what is lacking", DESCRIPTION, _arguments, _call
)
