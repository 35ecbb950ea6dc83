# SPDX-License-Identifier: GPL-2.0-or-later
"""What is tried in the guest of a build: the base tests, and what its classes promise."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from builder.classes import Catalogue, reviewed_errors
from builder.classes.known_issues import KnownIssue, of_folder
from builder.errors import UsageError
from builder.guest.verdict import BASE_TESTS
from builder.manifest.model import Manifest


@dataclass(frozen=True)
class Tests:
    """The files of tests beyond the base tests, and the known issues of all of them.

    `reviewed` are the classes' lists of errors that may be in the journal, also of those without
    tests of their own.
    """

    # pytest must not take this class for a test.
    __test__ = False

    files: tuple[Path, ...]
    issues: tuple[KnownIssue, ...]
    reviewed: tuple[Path, ...] = ()


def base() -> Tests:
    """What is tried in any guest."""
    return Tests((), of_folder(BASE_TESTS))


def of_build(manifest: Manifest, catalogue: Catalogue) -> Tests:
    """What is tried in the guest of a build: each of its classes may have tests.

    UsageError where a class came from an overlay that is not in the catalogue.
    """
    folders = catalogue.overlays([each.name for each in manifest.classes])
    here = {overlay.name for overlay in folders}
    for each in manifest.classes:
        if "/" in each.overlay and each.overlay not in here:
            raise UsageError(
                f"{manifest.name}-{manifest.serial} has the class {each.name} of an overlay that is"
                " not given, so its tests cannot be run",
                hint=f"give {_where(manifest, each.overlay)} with --overlay",
            )
    tests = [overlay.path / "tests" for overlay in folders]
    return Tests(
        tuple(file for folder in tests for file in sorted(folder.glob("test_*.py"))),
        (*base().issues, *(row for folder in tests for row in of_folder(folder))),
        tuple(path for folder in tests if (path := folder / reviewed_errors.FILE).is_file()),
    )


def _where(manifest: Manifest, overlay: str) -> str:
    """Where an overlay came from when the image was built."""
    label = overlay.partition("/")[0]
    found = (each.origin for each in manifest.build.commits if each.overlay == label)
    return next(found, None) or label
