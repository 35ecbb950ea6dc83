# SPDX-License-Identifier: GPL-2.0-or-later
"""What apt and Release files say against an archive, in one sentence each."""

from __future__ import annotations

import pytest
from debian.deb822 import Deb822

from builder.archive.refusals import check_offers, refused
from builder.errors import ArchiveError, UsageError

# Each as apt 2.6 and 3.0 print it.
NO_SUITE = """\
Err:3 http://near.invalid/debian forky-backports Release
  404  Not Found [IP: 203.0.113.80 80]
Reading package lists...
E: The repository 'http://near.invalid/debian forky-backports Release' does not have a Release file.
"""
REFUSED = """\
Err:1 http://near.invalid/ubuntu noble InRelease
  Could not connect to near.invalid:80 (203.0.113.80). - connect (111: Connection refused)
E: Failed to fetch http://near.invalid/ubuntu/dists/noble/InRelease  Could not connect to \
near.invalid:80 (203.0.113.80). - connect (111: Connection refused)
E: Some index files failed to download. They have been ignored, or old ones used instead.
"""
UNRESOLVED = """\
E: Failed to fetch https://near.invalid/x/dists/noble/InRelease  Could not resolve 'near.invalid'
"""
NO_RESOLVER = UNRESOLVED.replace("Could not resolve", "Temporary failure resolving")
BROKEN_OFF = """\
E: Failed to fetch http://near.invalid/x/dists/noble/main/binary-amd64/Packages  Error reading \
from server. Remote end closed connection [IP: 203.0.113.80 80]
"""
UNSIGNED = "E: The repository 'http://near.invalid/debian trixie InRelease' is not signed.\n"
BADLY_SIGNED = """\
E: Failed to fetch http://near.invalid/debian/dists/trixie/InRelease  The following """
UNSIGNED_SAID = (
    "the index of trixie in the archive http://near.invalid/debian has no signature that its"
    " keyring knows"
)
GONE_SAID = "the archive http://near.invalid/debian has no index of forky-backports any more"
EXPIRED = """\
E: Release file for http://near.invalid/debian-security/dists/trixie-security/InRelease is expired \
(invalid since 3h 40min 3s). Updates for this repository will not be applied.
"""
HALF_UPDATED = """\
E: Failed to fetch http://near.invalid/debian/dists/trixie-updates/main/binary-arm64/Packages.xz  \
File has unexpected size (720 != 1108). Mirror sync in progress? [IP: 203.0.113.80 80]
   Hashes of expected file:
    - Filesize:1108 [weak]
"""
HALF_UPDATED_SAID = (
    "the archive http://near.invalid/debian is half updated:"
    " trixie-updates/main/binary-arm64/Packages.xz is not what its signed index says"
)


@pytest.mark.parametrize(
    ("said", "kind", "message"),
    [
        (NO_SUITE, UsageError, "the archive has no suite forky-backports"),
        (NO_SUITE.replace("does not have", "no longer has"), ArchiveError, GONE_SAID),
        (NO_SUITE.replace("does not have", "does no longer have"), ArchiveError, GONE_SAID),
        (
            REFUSED,
            ArchiveError,
            "the archive http://near.invalid/ubuntu cannot be reached: Could not connect to"
            " near.invalid:80 (203.0.113.80). - connect (111: Connection refused)",
        ),
        (
            UNRESOLVED,
            ArchiveError,
            "the archive https://near.invalid/x cannot be reached: Could not resolve"
            " 'near.invalid'",
        ),
        (
            NO_RESOLVER,
            ArchiveError,
            "the archive https://near.invalid/x cannot be reached: Temporary failure resolving"
            " 'near.invalid'",
        ),
        (
            BROKEN_OFF,
            ArchiveError,
            "the archive http://near.invalid/x cannot be reached: Error reading from server. Remote"
            " end closed connection [IP: 203.0.113.80 80]",
        ),
        (UNSIGNED, ArchiveError, UNSIGNED_SAID),
        (UNSIGNED.replace("not signed", "no longer signed"), ArchiveError, UNSIGNED_SAID),
        (BADLY_SIGNED + "signatures were invalid: BADSIG 17\n", ArchiveError, UNSIGNED_SAID),
        (BADLY_SIGNED + "signatures couldn't be verified because\n", ArchiveError, UNSIGNED_SAID),
        (
            EXPIRED,
            ArchiveError,
            "the index of trixie-security in the archive http://near.invalid/debian-security is"
            " expired (invalid since 3h 40min 3s)",
        ),
        (
            EXPIRED.replace("expired (invalid since", "not valid yet (invalid for another"),
            ArchiveError,
            "the index of trixie-security in the archive http://near.invalid/debian-security is"
            " not valid yet (invalid for another 3h 40min 3s)",
        ),
        (HALF_UPDATED, ArchiveError, HALF_UPDATED_SAID),
        (
            HALF_UPDATED.replace("File has unexpected size (720 != 1108).", "404  Not Found"),
            ArchiveError,
            HALF_UPDATED_SAID,
        ),
        (
            HALF_UPDATED.replace("File has unexpected size (720 != 1108).", "Hash Sum mismatch"),
            ArchiveError,
            HALF_UPDATED_SAID,
        ),
        (
            "E: something new\n",
            ArchiveError,
            "the package indexes could not be fetched and verified",
        ),
    ],
)
def test_what_apt_says(said: str, kind: type[Exception], message: str) -> None:
    error = refused(said)
    assert type(error) is kind
    assert error.message == message
    assert "--mirror" in error.hint


RELEASE = Deb822(
    "Architectures: all amd64 arm64\nComponents: updates/main updates/non-free-firmware\n"
)


def test_a_suite_that_has_all() -> None:
    check_offers(RELEASE, "bookworm-security", ("main", "non-free-firmware"), "arm64")
    check_offers(Deb822(""), "flat", ("main",), "arm64")


def test_an_architecture_that_a_release_lacks() -> None:
    with pytest.raises(UsageError, match=r"bookworm-security has nothing for riscv64$") as caught:
        check_offers(RELEASE, "bookworm-security", ("main",), "riscv64")
    assert caught.value.hint == "it has amd64, arm64"


def test_a_component_that_a_suite_lacks() -> None:
    with pytest.raises(UsageError, match=r"bookworm-security has no component universe$") as caught:
        check_offers(RELEASE, "bookworm-security", ("main", "universe"), "amd64")
    assert "main, non-free-firmware" in caught.value.hint
