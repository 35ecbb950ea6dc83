# SPDX-License-Identifier: GPL-2.0-or-later
"""What is known of a guest that did not start, and what follows from it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong, in one sentence; the lines that show it; and what to do next."""

    cause: str
    evidence: str
    advice: str

    @property
    def told(self) -> str:
        """Evidence and advice, as a hint has them."""
        return "\n".join(filter(None, (self.evidence.strip("\n"), self.advice)))


@dataclass(frozen=True)
class Facts:
    """What a row concludes from: the sign, the console since the last start, and the answers."""

    sign: re.Match[str]
    console: str
    driver: str
    answers: Mapping[str, str] = field(default_factory=dict)

    def lines(self, pattern: str, most: int = 8) -> str:
        """The lines of the console with a pattern, the last `most` of them."""
        found = [line.strip() for line in self.console.splitlines() if re.search(pattern, line)]
        return "\n".join(found[-most:])

    def transcript(self) -> str:
        """The questions with their answers, as in a terminal."""
        return "\n".join(f"# {asked}\n{told}".rstrip() for asked, told in self.answers.items())


@dataclass(frozen=True)
class Plainly:
    """A conclusion that the sign alone allows; `shown` finds the console's lines that tell it."""

    cause: str
    shown: str
    advice: str

    def __call__(self, facts: Facts) -> Diagnosis:
        """The diagnosis, whatever else is known."""
        return Diagnosis(self.cause, facts.lines(self.shown), self.advice)
