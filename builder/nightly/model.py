# SPDX-License-Identifier: GPL-2.0-or-later
"""The document about one nightly: what became of each image, by which steps, and why.

It is the summary, and what the next call goes on from. After a change of the model:
`python -m builder.nightly.schema > schema/nightly.schema.json`.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import NonNegativeFloat, NonNegativeInt, PositiveInt, StringConstraints

from builder.manifest.decision import Decision
from builder.manifest.model import Verdict
from builder.manifest.parts import API_VERSION, FileName, Part, Serial, Series, Text, Time

KIND: Final = "NightlyRun"

# The day in UTC, then .1, .2 for more on that day. Never a serial: a folder that has one as its
# name is a build.
RunName = Annotated[str, StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(\.[1-9][0-9]*)?$")]
# A step that is kept was done by an earlier call; one that is left out had nothing to do.
StepOutcome = Literal["running", "done", "kept", "left-out", "failed", "interrupted"]
ImageOutcome = Literal[
    "waiting", "running", "published", "skipped", "unknown", "failed", "interrupted"
]


class StepRun(Part):
    """One step: a command of fai-forge, and how it ended."""

    name: Text
    """What it does, such as build."""
    command: Text
    """What a person types to do the same, without logins in URLs."""
    outcome: StepOutcome
    exit_code: int | None = None
    """As the verb has it; negative where a signal ended it; null where it did not end."""
    seconds: NonNegativeFloat = 0
    """How long it took, with all tries."""
    tries: PositiveInt = 1
    """How often it was tried; only what the infrastructure is to blame for is tried twice."""
    log: FileName | None = None
    """The file beside this document that has all that it said."""
    reason: str = ""
    """What it said of itself in one line: its error, or its result."""
    end: tuple[str, ...] = ()
    """The last lines of what it said, where it failed."""


class Checks(Part):
    """The offline checks of a build, in numbers."""

    passed: NonNegativeInt
    failed: tuple[Text, ...] = ()
    """The names of those that failed."""
    as_predicted: bool | None = None
    """Whether the packages are those that the plan foresaw; null where nobody looked."""


class ImageRun(Part):
    """What became of one image."""

    name: Series
    decision: Decision
    """Why it is published anew, or why not."""
    why: Text
    """The same in one phrase."""
    outcome: ImageOutcome
    reason: str = ""
    """Where it failed: the step, and what that said in one line."""
    serial: Serial | None = None
    """The build that was made; null where none was to be made."""
    checks: Checks | None = None
    """What its offline checks found; null before it is built."""
    boots: tuple[Verdict, ...] = ()
    """What its live boots found."""
    steps: tuple[StepRun, ...] = ()
    """The steps that were begun, in their order."""


class NightlyRun(Part):
    """What one nightly did and why; while it runs, what it did until now."""

    api_version: Literal["fai-forge/v1"] = API_VERSION
    kind: Literal["NightlyRun"] = KIND
    run: RunName
    """Which one it is."""
    store: Text
    """The store that was published to."""
    began: Time
    """When it was first called."""
    ended: Time | None = None
    """When the last call ended; null while it runs, and where it was killed."""
    calls: PositiveInt = 1
    """How often it was called: one that was ended or that failed is gone on with."""
    seconds: NonNegativeFloat = 0
    """How long the last call took."""
    job_link: Text | None = None
    """The CI job of the last call."""
    exit_code: int | None = None
    """That of the last call, by what is worst; null while it runs, and where it was killed."""
    images: tuple[ImageRun, ...] = ()
    """The images that the last call was about, in its order."""
    store_steps: tuple[StepRun, ...] = ()
    """What was done once, after all images: for the whole store, and for images of upstreams."""

    @property
    def steps(self) -> tuple[StepRun, ...]:
        """The steps of all images, and those of the store."""
        return (*(step for image in self.images for step in image.steps), *self.store_steps)

    @property
    def complete(self) -> bool:
        """Whether nothing is left to go on with."""
        return self.exit_code == 0
