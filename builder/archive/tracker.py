# SPDX-License-Identifier: GPL-2.0-or-later
"""The security tracker's JSON: of each vulnerability, in which release it is fixed since when.

`{source: {CVE: {releases: {codename: {status, fixed_version, urgency, ...}}, ...}}}`: some 70 MB,
of which only what is used here is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import NotRequired

from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict

from builder.archive.dsalist import CVE
from builder.errors import ForgeError

# The tracker's words for how urgent a fix is, the least first. Stars say that the word was taken
# from the severity in a public database, and not given by a person.
URGENCIES = ("not yet assigned", "end-of-life", "unimportant", "low", "medium", "high")
# What stands for the fixed version where the release never had the vulnerable code.
NEVER_VULNERABLE = "0"


class _Release(TypedDict):
    status: str
    fixed_version: NotRequired[str]
    urgency: NotRequired[str]


class _Vulnerability(TypedDict):
    # A list, and empty, where no release has the package any more.
    releases: dict[str, _Release] | tuple[()]


# Typed dicts and not models: there are some 300,000 of them.
Document = dict[str, dict[str, _Vulnerability]]
DOCUMENT = TypeAdapter(Document)


@dataclass(frozen=True)
class Vulnerability:
    """What the tracker knows of a CVE in one source package of one release.

    `fixed` is the first version without it; empty if there is none, or never was one with it.
    """

    cve: str
    fixed: str
    urgency: str


def parse(content: bytes) -> Document:
    """The tracker's JSON; raises ForgeError if it is damaged, or something else."""
    try:
        document = DOCUMENT.validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ", ".join(str(part) for part in first["loc"][:4])
        raise _foreign(f"{first['msg']}{f' ({where})' if where else ''}") from error
    if not document:
        raise _foreign("there is no source package in it")
    return document


class Tracker:
    """The tracker's JSON, which `read` gets when something of it is asked for; once only.

    Getting it takes a second where it is at hand already, and most plans need nothing of it.
    """

    def __init__(self, read: Callable[[], Document]) -> None:
        self._read = read

    def vulnerabilities(self, source: str, codename: str) -> tuple[Vulnerability, ...]:
        """Those of a source package in a release; ForgeError, at each call, if `read` raised it."""
        document = self._document
        if isinstance(document, ForgeError):
            raise document
        return tuple(
            _of(cve, releases[codename])
            for cve, entry in document.get(source, {}).items()
            if isinstance(releases := entry["releases"], dict) and codename in releases
            # Others are the tracker's own names for what has no CVE, and change.
            if CVE.fullmatch(cve)
        )

    @cached_property
    def _document(self) -> Document | ForgeError:
        # An address that does not answer is waited for once, not once for each package.
        try:
            return self._read()
        except ForgeError as error:
            return error


def highest(urgencies: Iterable[str]) -> str:
    """The highest of the tracker's words, empty if there is none."""
    return max(urgencies, key=_rank, default="")


def _rank(urgency: str) -> tuple[int, bool]:
    word = urgency.rstrip("*")
    return (URGENCIES.index(word) if word in URGENCIES else -1, urgency == word)


def _of(cve: str, release: _Release) -> Vulnerability:
    fixed = release.get("fixed_version", "") if release["status"] == "resolved" else ""
    return Vulnerability(
        cve, "" if fixed == NEVER_VULNERABLE else fixed, release.get("urgency", "")
    )


def _foreign(sentence: str) -> ForgeError:
    return ForgeError(
        f"this is not the security tracker's JSON: {sentence}",
        hint="advisories.tracker is what the tracker serves as data/json",
    )
