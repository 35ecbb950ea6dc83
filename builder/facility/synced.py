# SPDX-License-Identifier: GPL-2.0-or-later
"""What came of a sync: each step, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from builder.facility.asking import Answer
from builder.facility.syncplan import Step


@dataclass(frozen=True)
class Done:
    """What became of a step: `words` say what was done, or why it was not."""

    step: Step
    outcome: Literal["planned", "done", "failed", "left"]
    words: str = ""
    transferred: int = 0


@dataclass(frozen=True)
class Synced:
    """What came of a sync, or would come of it."""

    answers: tuple[Answer, ...]
    steps: tuple[Done, ...]
    unmatched: tuple[str, ...] = ()
    """The rows of facility.yaml that no series of any remote falls under."""

    @property
    def failed(self) -> bool:
        """Whether a remote could not be asked, or a step failed."""
        return any(answer.error for answer in self.answers) or any(
            done.outcome == "failed" or unknown(done.step) for done in self.steps
        )

    @property
    def changes(self) -> bool:
        """Whether anything was done, or would be."""
        return any(done.step.action in CHANGING and done.outcome != "left" for done in self.steps)

    @property
    def transferred(self) -> int:
        """The bytes that came over lines."""
        return sum(done.transferred for done in self.steps)


CHANGING = ("pull", "remove", "place", "withdraw")


def unknown(step: Step) -> bool:
    """Whether a step was left because a target could not be asked."""
    return step.action == "skip" and bool(step.where)


def did(step: Step) -> str:
    """A step in words, such as "pull 20261121 (portal)"."""
    where = f" ({step.where})" if step.where else ""
    return f"{step.action} {step.serial}{where}"
