# SPDX-License-Identifier: GPL-2.0-or-later
"""What the classes of an image promise of its tree (`tests/offline.yaml`), one check for each kind.

Each function is one check, named and given its reason in `builder.checks.offline`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from builder.checks import units
from builder.checks.terms import Subject
from builder.manifest import collect

MIB = 1 << 20


def class_paths(subject: Subject) -> Iterator[str]:
    """Each pattern of `present` must match something, none of `absent` may."""
    for promise in subject.promise.classes:
        for pattern in promise.present:
            if not subject.root.glob(pattern):
                yield f"{promise.name}: {pattern} is missing"
        for pattern in promise.absent:
            for path in subject.root.glob(pattern):
                yield f"{promise.name}: /{path} exists, and {pattern} must be absent"


def class_content(subject: Subject) -> Iterator[str]:
    """Each file of `contains` must match its expressions, none of `lacks` may match its own."""
    for promise in subject.promise.classes:
        for pattern, expressions in promise.contains.items():
            texts = tuple(_texts(subject, pattern))
            if not texts:
                yield f"{promise.name}: {pattern} is missing or no file"
            for path, text in texts:
                for each in expressions:
                    if not re.search(each, text, re.MULTILINE):
                        yield f"{promise.name}: /{path} has nothing that matches {each}"
        for pattern, expressions in promise.lacks.items():
            for path, text in _texts(subject, pattern):
                for each in expressions:
                    if found := re.search(each, text, re.MULTILINE):
                        line = text.count("\n", 0, found.start()) + 1
                        yield f"{promise.name}: /{path}:{line} matches {each}"


def class_units(subject: Subject) -> Iterator[str]:
    """Each unit of `enabled` must be there and enabled, each of `masked` masked."""
    for promise in subject.promise.classes:
        for unit in promise.enabled:
            if units.unit_file(subject.root, unit) is None:
                yield f"{promise.name}: the unit {unit} is missing"
            elif units.is_masked(subject.root, unit):
                yield f"{promise.name}: {unit} is masked and must be enabled"
            elif not units.is_enabled(subject.root, unit):
                yield f"{promise.name}: {unit} is not enabled: nothing in {units.ETC} wants it"
        for unit in promise.masked:
            if not units.is_masked(subject.root, unit):
                yield f"{promise.name}: {unit} is not masked: no link to {units.NOTHING}"


def class_packages(subject: Subject) -> Iterator[str]:
    """No package of `without_packages` may be installed."""
    for promise in subject.promise.classes:
        for name in promise.without_packages:
            if subject.has_package(name):
                yield f"{promise.name}: {name} is installed"


def size_budget(subject: Subject) -> Iterator[str]:
    """The tree may take no more than the last class allows that says so."""
    budgets = [
        (each.name, each.installed_size_max[subject.promise.arch])
        for each in subject.promise.classes
        if subject.promise.arch in each.installed_size_max
    ]
    if not budgets:
        return
    name, most = budgets[-1]
    size = collect.installed_bytes(subject.root.tree)
    if size > most:
        yield f"{name}: the tree takes {size / MIB:.0f} MiB, and {most / MIB:.0f} MiB are allowed"


def _texts(subject: Subject, pattern: str) -> Iterator[tuple[str, str]]:
    """The files of a pattern, each with its content."""
    for path in subject.root.glob(pattern):
        text = subject.root.text(path)
        if text is not None:
            yield path, text
