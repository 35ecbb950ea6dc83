# SPDX-License-Identifier: GPL-2.0-or-later
"""How the last sync went, in a file of the site's state: `facility status` reads it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Final, Literal, TypeVar

from pydantic import AfterValidator, NonNegativeInt, StringConstraints, ValidationError

from builder.errors import InfrastructureError
from builder.facility.site import Site
from builder.manifest.parts import API_VERSION, Part, Text, Time

KIND: Final = "SyncRecord"
FILE: Final = "sync.json"

# A serial, or nothing where there is no build.
Perhaps = Annotated[str, StringConstraints(pattern=r"^([0-9]{8}(\.[1-9][0-9]{0,3})?)?$")]


class RemoteRecord(Part):
    """One remote, as the last sync that asked it found it."""

    name: Text
    url: str
    ok: bool
    error: str = ""
    """Why it could not be asked; empty where it could."""
    series: NonNegativeInt = 0
    """How many series it offers."""
    date: Time
    """When it was asked."""
    reached: Time | None = None
    """When it last answered; null where it never did."""


class SeriesRecord(Part):
    """One series, as the last sync that looked at it left it."""

    name: Text
    remote: str = ""
    """The remote that has the newest build; empty where none has one."""
    newest: Perhaps = ""
    """That build; empty where there is none."""
    published: Time | None = None
    """When that build was published, or made, by its remote's word."""
    local: Perhaps = ""
    """The newest build that is here; empty where there is none."""
    did: tuple[Text, ...] = ()
    """What was done, in words; empty where nothing was to do."""
    error: str = ""
    """What failed; empty where nothing did."""
    date: Time
    """When it was looked at."""


R = TypeVar("R", RemoteRecord, SeriesRecord)


class SyncRecord(Part):
    """What the last syncs found and did."""

    api_version: Literal["fai-forge/v1"] = API_VERSION
    kind: Literal["SyncRecord"] = KIND
    ended: Time
    """When the last one ended."""
    ok: bool
    """Whether all that it tried was done."""
    error: str = ""
    """What ended it before it could try; empty else."""
    remotes: tuple[RemoteRecord, ...] = ()
    series: Annotated[
        tuple[SeriesRecord, ...],
        AfterValidator(lambda all_: tuple(sorted(all_, key=lambda each: each.name))),
    ] = ()


def path(site: Site) -> Path:
    """Where the record of a site is."""
    return site.state / FILE


def read(site: Site) -> SyncRecord | None:
    """The record of a site; None where no sync ever ended there."""
    file = path(site)
    try:
        return SyncRecord.model_validate_json(file.read_bytes(), strict=True)
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise InfrastructureError(
            f"{file}, which says how the last sync went, cannot be read",
            hint="remove it: the next sync writes it",
        ) from error


def write(site: Site, record: SyncRecord) -> None:
    """Put a record in place of the one that is there, at once."""
    file = path(site)
    partial = file.with_name(f".{FILE}.partial")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("w", encoding="utf-8") as out:
            out.write(record.model_dump_json(by_alias=True, indent=2) + "\n")
            out.flush()
            os.fsync(out.fileno())
        partial.replace(file)
    except OSError as error:
        raise InfrastructureError(
            f"{file} cannot be written: {error.strerror}", hint="is there room, and is it yours?"
        ) from error


def merged(old: Iterable[R], new: Iterable[R]) -> tuple[R, ...]:
    """The entries of both by name; a sync of some series says nothing of the others."""
    return tuple(({each.name: each for each in old} | {each.name: each for each in new}).values())
