# SPDX-License-Identifier: GPL-2.0-or-later
"""A strict reader of a page: what elements it has, and what is wrong with its form."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = ("br", "hr", "img", "input", "link", "meta", "rect")


@dataclass(frozen=True)
class Element:
    """A start tag, with the text that is directly or deeper in it."""

    tag: str
    attributes: dict[str, str]
    parents: tuple[str, ...]
    texts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Its text with single spaces."""
        return " ".join("".join(self.texts).split())


class Page(HTMLParser):
    """A page as elements; `problems` has what a validator would not let pass."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self.problems: list[str] = []
        self._open: list[Element] = []
        self.feed(content)
        self.close()
        self.problems += [f"<{element.tag}> is not closed" for element in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        twice = [name for name, number in Counter(name for name, _ in attrs).items() if number > 1]
        if twice:
            self.problems.append(f"<{tag}> has {twice} twice")
        parents = tuple(element.tag for element in self._open)
        element = Element(tag, {name: value or "" for name, value in attrs}, parents)
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if "svg" not in (element.tag for element in self._open):
            self.problems.append(f"<{tag}/> outside of an image")
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open[-1].tag != tag:
            self.problems.append(f"</{tag}> closes nothing at {self.getpos()}")
        else:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.texts.append(data)

    def all(self, tag: str, **attributes: str) -> list[Element]:
        """The elements with a tag that have these attributes; `class_` holds a word."""
        word = attributes.pop("class_", "")
        return [
            element
            for element in self.elements
            if element.tag == tag
            and attributes.items() <= element.attributes.items()
            and (not word or word in element.attributes.get("class", "").split())
        ]

    def values(self, *names: str) -> list[str]:
        """The values of attributes with these names."""
        return [e.attributes[name] for e in self.elements for name in names if name in e.attributes]
