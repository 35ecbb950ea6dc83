# SPDX-License-Identifier: GPL-2.0-or-later
"""An image's changelog in Markdown, for the page of a release."""

from __future__ import annotations

import re
from collections.abc import Iterator

from builder.manifest import changelog_text as words
from builder.manifest.changelog import ImageChangelog, SourcePackage

# What has a meaning within a line of Markdown.
SPECIAL = re.compile(r"([\\`*_\[\]<>|#~&])")


def markdown(document: ImageChangelog) -> Iterator[str]:
    """The lines of the page."""
    yield f"# {_escaped(words.ends(document))}"
    yield ""
    yield f"{_escaped(words.titles(document))}."
    yield ""
    if document.same:
        yield f"{words.SAME.capitalize()}."
        return
    yield f"{_sentence(words.summary(document))}."
    for need in words.needs(document):
        yield f"An update in place {_escaped(need)}."
    for title, packages in words.sections(document.packages):
        yield from ("", f"## {title}", "")
        for package in packages:
            yield from _package(package, title)
    for title, lines in words.others(document):
        yield from ("", f"## {title}", "")
        for line in lines:
            yield f"- {_escaped(line)}"


def _package(package: SourcePackage, title: str) -> Iterator[str]:
    rest = ", ".join((words.step(package), *words.remarks(package, title)))
    yield f"- **{_escaped(package.name)}** {_escaped(rest)}"
    for each in package.advisories:
        yield f"  - {_escaped(words.advisory(each))}"
    if names := words.binaries(package):
        yield f"  - {_escaped(names)}"
    for entry in package.changes:
        yield f"  - {_escaped(words.entry_head(entry))}"
        yield ""
        # Four spaces beyond the list's own make it a block that is shown as it is.
        yield from (f"        {line}".rstrip() for line in words.entry_log(entry))
        yield ""


def _sentence(text: str) -> str:
    return _escaped(text[:1].upper() + text[1:])


def _escaped(text: str) -> str:
    """A text that a document holds as a text that Markdown shows, on one line."""
    line = "".join(char if char.isprintable() else "?" for char in text)
    return SPECIAL.sub(r"\\\1", line).replace("-\\>", "→")
