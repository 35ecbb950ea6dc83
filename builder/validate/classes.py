# SPDX-License-Identifier: GPL-2.0-or-later
"""Do the class files hold what they may, and do the classes fit together?"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from builder.classes import Catalogue, Overlay, known_issues, resolve, reviewed_errors, series
from builder.classes import offline as promises
from builder.classes.catalogue import faults, read_all
from builder.configspace import CollisionError, examine, replace_faults
from builder.documents import DocumentError
from builder.errors import UsageError
from builder.validate.finding import Finding, of_error

SCHEMA, REFERENCES, FITTING, TESTS = "schema", "references", "fitting", "tests"
README = "README.md"
OFFLINE = "offline.yaml"


def read(overlays: Sequence[Overlay]) -> tuple[Catalogue, list[Finding]]:
    """The catalogue of all folders that can be read, and what is wrong with the others."""
    readable: dict[str, Overlay] = {}
    additions: list[Overlay] = []
    found: list[Finding] = []
    for overlay in overlays:
        try:
            read_all([overlay])
        except UsageError as error:
            found.append(of_error(SCHEMA, overlay.path, error))
            continue
        if overlay.is_addition:
            additions.append(overlay)
            continue
        first = readable.setdefault(overlay.fai_class, overlay)
        if first is not overlay:
            found.append(
                Finding(
                    SCHEMA,
                    overlay.path,
                    f"the class {overlay.fai_class} is also in {first.path}",
                    "rename one of them, or leave one overlay out",
                )
            )
    return read_all([*readable.values(), *additions]), found


def fit(base: Path, catalogue: Catalogue, seen: Callable[[int, int], None]) -> Iterator[Finding]:
    """What is wrong between the classes; `seen` is told how many images are tried, of how many."""
    apart = list(faults(catalogue))
    yield from (of_error(REFERENCES, _place(error), error) for error in apart)
    yield from (
        of_error(FITTING, _place(error), error) for error in replace_faults(base, catalogue)
    )
    if apart:
        return
    tried: dict[tuple[Overlay, ...], None] = {}
    said: set[str] = set()
    names = series(catalogue)
    for number, name in enumerate(names, 1):
        overlays = catalogue.overlays(resolve(catalogue, name).classes)
        if overlays not in tried:
            tried[overlays] = None
            try:
                examine(base, overlays)
            except UsageError as error:
                if error.message not in said:
                    said.add(error.message)
                    yield of_error(FITTING, _place(error), error)
        seen(number, len(names))


def tests(overlay: Overlay) -> Iterator[Finding]:
    """What is wrong with what a class promises, and whether it says what it is."""
    if not overlay.is_addition and not (overlay.path / README).is_file():
        yield Finding(
            TESTS, overlay.path, f"there is no {README}", "say in a few lines what the class is for"
        )
    offline = overlay.path / "tests" / OFFLINE
    if offline.exists():
        try:
            promises.read(overlay.path)
        except DocumentError as error:
            yield of_error(TESTS, offline, error)
    known = overlay.path / known_issues.FILE
    if known.exists():
        try:
            known_issues.read(known)
        except DocumentError as error:
            yield of_error(TESTS, known, error)
    errors = overlay.path / "tests" / reviewed_errors.FILE
    if errors.exists():
        try:
            reviewed_errors.read([errors])
        except DocumentError as error:
            yield of_error(TESTS, errors, error)
    for path in sorted(overlay.path.glob("tests/*.py")):
        try:
            ast.parse(path.read_bytes(), str(path))
        except (SyntaxError, ValueError) as error:
            line = getattr(error, "lineno", None) or 0
            what = getattr(error, "msg", None) or str(error)
            yield Finding(TESTS, path, f"this is not Python: {what}", "mend that line", line)


def _place(error: UsageError) -> Path:
    """Where an error is: the path that stands before its sentence."""
    if isinstance(error, CollisionError):
        return error.path
    return Path(error.message.partition(": ")[0])
