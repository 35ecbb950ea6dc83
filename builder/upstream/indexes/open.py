# SPDX-License-Identifier: GPL-2.0-or-later
"""From the index that a YAML file names to the module that reads it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Final, Protocol, cast

from builder.errors import UsageError
from builder.facility.kinds import Entry
from builder.upstream import kinds
from builder.upstream.asking import Asking
from builder.upstream.candidates import Candidate
from builder.upstream.kinds import IndexEntry
from builder.upstream.model import Upstream
from builder.upstream.series import Series

# The module, below this package; it is imported when a file names one of its kind.
MODULES: Final[Mapping[type[Entry], str]] = {
    kinds.ChecksumsIndex: "checksums",
    kinds.ListingIndex: "listing",
    kinds.SimplestreamsIndex: "simplestreams",
    kinds.DebianIndex: "debian",
    kinds.FedoraIndex: "fedora",
    kinds.AlpineIndex: "alpine",
    kinds.GitlabIndex: "gitlab",
    kinds.GithubIndex: "github",
    kinds.VersionFileIndex: "versionfile",
    kinds.OracleIndex: "oracle",
    kinds.RhelIndex: "rhel",
    kinds.GivenIndex: "given",
}


class Reader(Protocol):
    """A module of this package."""

    def candidates(self, index: Entry, series: Series, asking: Asking) -> Iterable[Candidate]:
        """The versions of one image."""


class TellsReleases(Reader, Protocol):
    """A module whose index knows the releases, too."""

    def releases(self, index: Entry, upstream: Upstream, asking: Asking) -> Iterable[str]:
        """The releases' numbers."""


def reader(index: IndexEntry) -> Reader:
    """What reads an index."""
    return cast(Reader, import_module(f"{__package__}.{MODULES[type(index)]}"))


def releases(index: IndexEntry, upstream: Upstream, asking: Asking) -> Iterable[str]:
    """The numbers of the releases that an index knows; UsageError where its kind cannot tell."""
    found = reader(index)
    if not hasattr(found, "releases"):
        raise UsageError(
            f"an index of the kind {index.kind} does not tell which releases there are",
            hint="list them in releases:",
        )
    return cast(TellsReleases, found).releases(index, upstream, asking)
