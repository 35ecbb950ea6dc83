# SPDX-License-Identifier: GPL-2.0-or-later
"""Settings that every image has: which build it is, and its locale.

Each function is one check, named and given its reason in `builder.checks.offline`.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from builder.checks.rootfs import Rootfs
from builder.checks.terms import Subject

RELEASE = "etc/cloud-release"
LOCALE = "etc/default/locale"
# Locales that libc itself has.
BUILT_IN = ("C.UTF-8", "C.utf8")
# A package that has all others.
ALL_LOCALES = "locales-all"


def image_release(subject: Subject) -> Iterator[str]:
    """/etc/cloud-release must say which image and which build this is."""
    values = _assignments(subject.root, RELEASE)
    wanted = {"ID": subject.promise.name, "VERSION": subject.promise.serial}
    for name, value in wanted.items():
        if value and values.get(name) != value:
            yield f"{name} in /{RELEASE} is {values.get(name, 'missing')}, not {value}"


def locale(subject: Subject) -> Iterator[str]:
    """/etc/default/locale must set LANG to a UTF-8 locale that the image has, and nothing else."""
    values = _assignments(subject.root, LOCALE)
    lang = values.get("LANG", "")
    if not lang:
        yield f"/{LOCALE} sets no LANG"
    elif not lang.lower().replace("-", "").endswith("utf8"):
        yield f"/{LOCALE} sets LANG to {lang}, which is not UTF-8"
    elif lang not in BUILT_IN and not _has(subject, lang):
        yield f"/{LOCALE} sets LANG to {lang}, which this image does not have"
    if "LC_ALL" in values:
        yield f"/{LOCALE} sets LC_ALL, which nobody can override"


def _has(subject: Subject, lang: str) -> bool:
    """Whether a locale was generated or comes with a package."""
    generated = (line.split() for line in subject.root.lines("etc/locale.gen"))
    return subject.has_package(ALL_LOCALES) or any(words[:1] == [lang] for words in generated)


def _assignments(root: Rootfs, path: str) -> dict[str, str]:
    """The NAME=value lines of a file that the shell can read."""
    pairs = (line.strip().partition("=") for line in root.lines(path) if not line.startswith("#"))
    return {name: " ".join(shlex.split(value)) for name, equals, value in pairs if equals}
