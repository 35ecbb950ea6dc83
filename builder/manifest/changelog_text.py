# SPDX-License-Identifier: GPL-2.0-or-later
"""An image's changelog for a terminal, and the words and sections that its other forms share."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from builder.manifest.changelog import (
    ARCHIVE,
    Binary,
    ConfigChange,
    End,
    Entry,
    ImageChangelog,
    SourcePackage,
    SuiteChange,
)
from builder.manifest.decision import Advisory, Impact

INDENT = "  "
DEEP = INDENT * 3

# A package is in the first section that it fits; what people must know comes first.
SECTIONS: Final[tuple[tuple[str, Callable[[SourcePackage], bool]], ...]] = (
    ("Security updates", lambda package: package.security),
    ("Downgrades", lambda package: package.kind == "downgraded"),
    ("Upgrades", lambda package: package.kind == "upgraded"),
    ("Added", lambda package: package.kind == "added"),
    ("Removed", lambda package: package.kind == "removed"),
    ("Rebuilt", lambda package: package.kind == "rebuilt"),
)
IMPACTS: Final[dict[Impact, str]] = {"reboot": "reboot", "instance": "new instance"}
# A stable update of a kernel has a thousand lines.
LONGEST_LOG = 40
FILES_UNKNOWN = "which files is not known: one side is not built"
NO_FILES = "no file; the classes, the disk's size, the kernel or the sources"
SAME = "nothing differs"


def text(document: ImageChangelog, width: int) -> Iterator[str]:
    """The lines for people, none longer than `width` characters where words can be parted."""
    for line in _lines(document, width):
        # Names and versions may come from a document that somebody else wrote.
        yield "".join(char if char.isprintable() else "?" for char in line)


def sections(
    packages: Sequence[SourcePackage],
) -> Iterator[tuple[str, tuple[SourcePackage, ...]]]:
    """Each section that has packages: its title, and these."""
    titles = {each.name: next(title for title, fits in SECTIONS if fits(each)) for each in packages}
    for title, _ in SECTIONS:
        if found := tuple(each for each in packages if titles[each.name] == title):
            yield title, found


def ends(document: ImageChangelog) -> str:
    """Which two are compared; the image is named once where it is the same."""
    old, new = document.from_image, document.to_image
    if old.name == new.name:
        return f"{old.name}: {old.serial} -> {new.serial}"
    return f"{_full(old)} -> {_full(new)}"


def titles(document: ImageChangelog) -> str:
    """The titles for people, and the dates."""
    old, new = document.from_image, document.to_image
    title = "" if old.title == new.title else f"{new.title}, "
    return f"{old.title}, {_date(old)} -> {title}{_date(new)}"


def summary(document: ImageChangelog) -> str:
    """How much changed, in one sentence."""
    counts = document.summary.counts
    kinds = ("upgraded", "downgraded", "added", "removed", "rebuilt")
    parts = [f"{number} {kind}" for kind in kinds if (number := getattr(counts, kind))]
    if not parts:
        return "no package changed"
    count = len(document.packages)
    what = "source package" if document.sources_known else "package"
    changed = f"{count} {what}{'s' if count > 1 else ''} changed: {', '.join(parts)}"
    return f"{changed}; {_security(document)}"


def _security(document: ImageChangelog) -> str:
    """How much of it is for security; of what others list, as far as advisories tell."""
    count = document.summary.counts.security
    if document.sources_known:
        return f"{count} of them for security" if count else "none for security"
    told = "which archive they are from is not known"
    return f"{count} of them for security by advisories, {told}" if count else told


def needs(document: ImageChangelog) -> Iterator[str]:
    """What updates in place need beyond themselves, one phrase for each kind."""
    for impact, words in IMPACTS.items():
        if names := [each.name for each in document.packages if each.impact == impact]:
            yield f"needs a {words}: {', '.join(names)}"


def step(package: SourcePackage) -> str:
    """The versions of a package: from and to, or the only one."""
    steps = dict.fromkeys(filter(None, (package.from_version, package.to_version)))
    return " -> ".join(steps)


def remarks(package: SourcePackage, title: str) -> list[str]:
    """What the section's title does not say of a package, and what it needs."""
    usual = title == "Security updates" and package.kind in ("downgraded", "rebuilt")
    return [
        *([package.kind] if usual else []),
        *([f"needs a {IMPACTS[package.impact]}"] if package.impact else []),
    ]


def advisory(each: Advisory) -> str:
    """An advisory with what it fixes."""
    others = [cve for cve in each.cves if cve != each.id]
    head = f"{each.id} ({each.urgency})" if each.urgency else each.id
    return f"{head}: {', '.join(others)}" if others else head


def binaries(package: SourcePackage) -> str:
    """The binary packages, with what the source's versions do not say; empty if that is nothing."""
    if [each.name for each in package.binaries] == [package.name] and package.kind != "rebuilt":
        return ""
    by_fate: dict[str, list[str]] = {}
    for each in package.binaries:
        by_fate.setdefault(_fate(each, package), []).append(each.name)
    return "; ".join(f"{', '.join(names)} {fate}".rstrip() for fate, names in by_fate.items())


def others(document: ImageChangelog) -> Iterator[tuple[str, list[str]]]:
    """What changed beside packages: a heading and its lines, for each."""
    if document.suites:
        yield "Archive", [_suite(each) for each in document.suites]
    if document.config_space:
        yield "Config space", _files(document.config_space)
    if document.tool:
        versions = f"{document.tool.from_version} -> {document.tool.to_version}"
        yield "Built with", [f"fai-forge {versions}"]


def entry_head(entry: Entry) -> str:
    """The first line of a changelog entry."""
    where = f"{entry.package} {entry.version}{' NEWS' if entry.news else ''}"
    return f"{where} ({entry.distributions}, {entry.urgency})"


def entry_log(entry: Entry) -> Iterator[str]:
    """The lines of a changelog entry; of a long one the first, and how many are left out."""
    yield from entry.log[:LONGEST_LOG]
    more = len(entry.log) - LONGEST_LOG
    if more > 0:
        yield f"  [{more} more lines are in the JSON form]"


def _lines(document: ImageChangelog, width: int) -> Iterator[str]:
    yield ends(document)
    yield from _wrap(titles(document), width, INDENT)
    if document.same:
        yield from _wrap(SAME, width, INDENT)
        return
    yield from _wrap(summary(document), width, INDENT)
    for need in needs(document):
        yield from _wrap(need, width, INDENT)
    for title, packages in sections(document.packages):
        yield ""
        yield f"{title}:"
        for package in packages:
            yield from _package(package, title, width)
    for title, lines in others(document):
        yield ""
        yield f"{title}:"
        for line in lines:
            yield from _wrap(line, width, INDENT)


def _package(package: SourcePackage, title: str, width: int) -> Iterator[str]:
    words = ", ".join((f"{package.name} {step(package)}", *remarks(package, title)))
    yield from _wrap(words, width, INDENT)
    if names := binaries(package):
        yield from _wrap(names, width, DEEP)
    for each in package.advisories:
        yield from _wrap(advisory(each), width, DEEP)
    for entry in package.changes:
        yield from _wrap(entry_head(entry), width, DEEP)
        for line in entry_log(entry):
            indent = DEEP + line[: len(line) - len(line.lstrip())]
            yield from _wrap(line.strip(), width, indent) if line else ("",)


def _wrap(line: str, width: int, indent: str) -> Iterable[str]:
    return textwrap.wrap(
        line,
        width,
        initial_indent=indent,
        subsequent_indent=indent + INDENT,
        break_on_hyphens=False,
        break_long_words=False,
    )


def _full(end: End) -> str:
    return f"{end.name}-{end.serial}" if end.serial != ARCHIVE else f"archive for {end.name}"


def _date(end: End) -> str:
    what = "archive of" if end.serial == ARCHIVE else "built"
    return f"{what} {end.date:%Y-%m-%d}" if end.date else f"{what} an unknown date"


def _fate(each: Binary, package: SourcePackage) -> str:
    """What became of a binary package, as far as its source does not say so."""
    if each.from_version is None:
        return "" if package.kind == "added" else "added"
    if each.to_version is None:
        return "" if package.kind == "removed" else "removed"
    usual = (each.from_version, each.to_version) == (package.from_version, package.to_version)
    return "" if usual else f"{each.from_version} -> {each.to_version}"


def _suite(change: SuiteChange) -> str:
    if change.from_version is None:
        return f"{change.suite} added"
    if change.to_version is None:
        return f"{change.suite} removed"
    return f"{change.suite} {change.from_version} -> {change.to_version}"


def _files(change: ConfigChange) -> list[str]:
    if change.files is None:
        return [FILES_UNKNOWN]
    return [f"{each.kind}: {each.path} ({each.overlay})" for each in change.files] or [NO_FILES]
