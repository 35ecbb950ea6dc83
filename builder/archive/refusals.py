# SPDX-License-Identifier: GPL-2.0-or-later
"""Why an archive's indexes cannot be used: what apt printed, or a Release file says, in words."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from debian.deb822 import Deb822

from builder.errors import ArchiveError, ForgeError, UsageError

TRY_AGAIN = "Check the network and the mirror (or give another one with --mirror), then try again."
# What apt-get update says of a suite that is not there, and of an archive that does not answer.
NO_SUITE = re.compile(
    r"^E: The repository '\S+ (?P<suite>\S+) Release' does not have a Release file", re.M
)
# The same of a suite whose index apt has: it was there.
GONE = re.compile(
    r"^E: The repository '(?P<uri>\S+) (?P<suite>\S+) Release' "
    r"(?:no longer has|does no longer have) a Release file",
    re.M,
)
UNREACHABLE = re.compile(
    r"^E: Failed to fetch (?P<uri>\S+?)/dists/\S+  "
    r"(?P<why>(?:Could not (?:connect|resolve)|Temporary failure resolving|Error reading from)"
    r" .*?)\.?$",
    re.M,
)
# A file that is not the one that the signed index names: the mirror is being updated, or broken.
HALF_UPDATED = re.compile(
    r"^E: Failed to fetch (?P<uri>\S+?)/dists/(?P<file>\S+)  "
    r"(?:File has unexpected size|Hash Sum mismatch|404 )",
    re.M,
)
EXPIRED = re.compile(
    r"^E: Release file for (?P<uri>\S+?)/dists/(?P<suite>\S+)/InRelease "
    r"is (?P<why>(?:expired|not valid yet)(?: \([^)]*\))?)",
    re.M,
)
UNSIGNED = re.compile(
    r"^E: The repository '(?P<uri>\S+) (?P<suite>\S+) \S+' is (?:not|no longer) signed", re.M
)
# What apt says in its place where it has an older index of the suite, which it keeps.
BADLY_SIGNED = re.compile(
    r"^E: Failed to fetch (?P<uri>\S+?)/dists/(?P<suite>\S+)/InRelease  "
    r"(?:The following signatures |Sub-process /usr/bin/sqv |Splitting up )",
    re.M,
)


def _no_suite(found: re.Match[str]) -> ForgeError:
    return UsageError(
        f"the archive has no suite {found['suite']}",
        hint="leave out the role that adds it (sources: in its class.yaml), or give a mirror that"
        " has it (--mirror)",
    )


def _gone(found: re.Match[str]) -> ForgeError:
    return ArchiveError(
        f"the archive {found['uri']} has no index of {found['suite']} any more",
        hint=f"A mirror may lack it while it is updated; if it stays so, it is broken. {TRY_AGAIN}",
    )


def _unreachable(found: re.Match[str]) -> ForgeError:
    return ArchiveError(
        f"the archive {found['uri']} cannot be reached: {found['why']}", hint=TRY_AGAIN
    )


def _half_updated(found: re.Match[str]) -> ForgeError:
    return ArchiveError(
        f"the archive {found['uri']} is half updated: {found['file']} is not what its signed index"
        " says",
        hint=f"A mirror is so while it is updated; if it stays so, it is broken. {TRY_AGAIN}",
    )


def _expired(found: re.Match[str]) -> ForgeError:
    return ArchiveError(
        f"the index of {found['suite']} in the archive {found['uri']} is {found['why']}",
        hint=f"The mirror is not updated any more, or this machine's clock is wrong. {TRY_AGAIN}",
    )


def _unsigned(found: re.Match[str]) -> ForgeError:
    return ArchiveError(
        f"the index of {found['suite']} in the archive {found['uri']} has no signature that its"
        " keyring knows",
        hint=f"Somebody changed it, or its keyring is too old. {TRY_AGAIN}",
    )


# The first pattern that is found in apt's output gives the error.
COMPLAINTS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], ForgeError]], ...] = (
    (NO_SUITE, _no_suite),
    (GONE, _gone),
    (UNREACHABLE, _unreachable),
    (UNSIGNED, _unsigned),
    (BADLY_SIGNED, _unsigned),
    (EXPIRED, _expired),
    (HALF_UPDATED, _half_updated),
)


def refused(output: str) -> ForgeError:
    """The error for a refresh that failed with this output of apt."""
    for pattern, error in COMPLAINTS:
        if found := pattern.search(output):
            return error(found)
    return ArchiveError(
        "the package indexes could not be fetched and verified",
        hint=f"apt said:\n{output.strip()}\n{TRY_AGAIN}",
    )


def check_offers(release: Deb822, suite: str, components: Sequence[str], arch: str) -> None:
    """The suite has the architecture and the components; apt would only take note if it has not.

    `release` is the suite's Release file. Raises UsageError.
    """
    arches = release.get("Architectures", "").split()
    # The security archive writes "updates/main".
    offered = [word.rpartition("/")[2] for word in release.get("Components", "").split()]
    if arches and arch not in arches:
        raise UsageError(
            f"the archive's {suite} has nothing for {arch}",
            hint=f"it has {', '.join(word for word in arches if word != 'all')}",
        )
    for component in components:
        if offered and component not in offered:
            raise UsageError(
                f"the archive's {suite} has no component {component}",
                hint=f"it has {', '.join(offered)}; a class adds others with sources: in its"
                " class.yaml",
            )
