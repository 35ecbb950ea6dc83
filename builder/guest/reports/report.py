# SPDX-License-Identifier: GPL-2.0-or-later
"""The report of an image's boots as pydantic models: SERIES-SERIAL.boots.json beside the image.

One document for all kinds of boot. A kind that is booted again takes the place of its older entry.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, NonNegativeFloat, PositiveInt, ValidationError

from builder.classes.known_issues import Link
from builder.errors import UsageError
from builder.manifest.parts import API_VERSION, FileName, Part, Serial, Sha256, Text, Time

KIND: Final = "BootReport"
SUFFIX: Final = ".boots.json"

Outcome = Literal["passed", "failed", "known", "not-run"]
What = Literal["new-failure", "still-failing", "fixed"]
State = Literal["holds", "expired", "may-be-fixed"]


PHRASES: Final[dict[What, str]] = {
    "new-failure": "new failure since",
    "still-failing": "still failing since",
    "fixed": "fixed since",
}


class Image(Part):
    """The file that was booted."""

    name: Text
    sha256: Sha256


class Change(Part):
    """What became of a test since an earlier published build."""

    what: What
    """A new failure, one that was there before, or one that is gone."""
    since: Serial
    """The last build in which it passed, for a new failure; the first in which it failed, as far as
    is known, for one that was there before; the last in which it failed, for one that is gone."""

    @property
    def phrase(self) -> str:
        """In words, such as "new failure since 20261101"."""
        return f"{PHRASES[self.what]} {self.since}"


class Issue(Part):
    """A row of the known issues that is about a test of this boot."""

    state: State
    """It explains the failure, it did so until its day, or its test passed."""
    tracker: Link
    expires: date
    reason: Text


class Test(Part):
    """One test in the guest."""

    # pytest must not take this class for a test.
    __test__ = False

    name: Text
    """MODULE::NAME; the module of a class has the class in front."""
    outcome: Outcome
    """`known` is a failure that a known issue explains; `not-run` are those of a guest that did not
    get ready."""
    seconds: NonNegativeFloat = 0.0
    message: str = ""
    """Why it failed."""
    issue: Issue | None = None
    change: Change | None = None

    @property
    def bad(self) -> bool:
        """Whether it failed, for whatever reason."""
        return self.outcome in ("failed", "known")


class Stage(Part):
    """How far the start had come, and when."""

    name: Text
    seconds: NonNegativeFloat
    """Since the guest was started."""


class Unit(Part):
    """How long a unit of systemd took to start."""

    name: Text
    seconds: NonNegativeFloat


class Start(Part):
    """One start of the system within the boot: the first one, then that of the reboot."""

    number: PositiveInt
    summary: str = ""
    """What systemd-analyze says: the seconds of firmware, loader, kernel and userspace."""
    seconds: NonNegativeFloat | None = None
    """All of them together; null where systemd did not say."""
    slowest: tuple[Unit, ...] = ()
    """The units that took longest."""


class Log(Part):
    """A file beside the report."""

    name: FileName
    what: Text
    """What is in it, for people."""


class Boot(Part):
    """What became of the image when it was booted in one way."""

    name: Text
    """The firmware, or container."""
    verdict: Literal["passed", "failed"]
    cause: str = ""
    """Why no test could run, if none could."""
    date: Time
    """When it began."""
    accel: Text
    """What ran the guest: kvm, tcg or container."""
    seconds: NonNegativeFloat
    """Of the last try, by the clock."""
    tries: PositiveInt = 1
    """More than one where the host failed before."""
    command: Text
    """What repeats it."""
    image: Image
    tests: tuple[Test, ...]
    stages: tuple[Stage, ...] = ()
    starts: tuple[Start, ...] = ()
    logs: tuple[Log, ...] = ()
    screenshot: FileName | None = None
    """The screen at the first failure."""
    without_screenshot: str = ""
    """Why there is none of a boot that failed."""
    console_end: str = ""
    """The last lines of a boot that failed."""
    against: Serial | None = None
    """The earlier build that the tests were compared with; null where none has a report of this
    kind of boot."""

    @property
    def ok(self) -> bool:
        """Whether it passed."""
        return self.verdict == "passed"

    def of(self, *outcomes: Outcome) -> tuple[Test, ...]:
        """The tests with one of these outcomes."""
        return tuple(test for test in self.tests if test.outcome in outcomes)

    def changed(self, what: What) -> tuple[Test, ...]:
        """The tests that changed in this way since the earlier build."""
        return tuple(test for test in self.tests if test.change and test.change.what == what)

    def hopeful(self) -> tuple[Test, ...]:
        """The tests that passed, although a known issue says that they fail."""
        return tuple(t for t in self.tests if t.issue and t.issue.state == "may-be-fixed")


class Report(Part):
    """What became of one image when it was booted, in all ways that were tried."""

    api_version: Literal["fai-forge/v1"] = API_VERSION
    kind: Literal["BootReport"] = KIND
    name: Text
    """The series; of a file that is no build, its name."""
    serial: Serial | None
    """Which build of the series; null for a file."""
    arch: Text
    """Debian's name of the architecture."""
    boots: Annotated[
        tuple[Boot, ...],
        AfterValidator(lambda boots: tuple(sorted(boots, key=lambda boot: boot.name))),
    ]
    """One for each kind, by name."""

    @property
    def stem(self) -> str:
        """What the names of its files begin with."""
        return self.name if self.serial is None else f"{self.name}-{self.serial}"

    @property
    def ok(self) -> bool:
        """Whether it was booted, and all boots passed."""
        return bool(self.boots) and all(boot.ok for boot in self.boots)

    def boot(self, name: str) -> Boot | None:
        """The boot of one kind."""
        return next((boot for boot in self.boots if boot.name == name), None)

    def with_boot(self, boot: Boot) -> Report:
        """The same with one boot in place of its older one."""
        others = (each for each in self.boots if each.name != boot.name)
        return self.model_copy(update={"boots": _sorted((*others, boot))})


def _sorted(boots: Iterable[Boot]) -> tuple[Boot, ...]:
    return tuple(sorted(boots, key=lambda boot: boot.name))


def dump(report: Report) -> str:
    """The document as JSON, with a final newline."""
    return report.model_dump_json(by_alias=True, indent=2) + "\n"


def parse(text: str | bytes, where: str) -> Report:
    """Read a report from its text; `where` names it in errors (UsageError)."""
    try:
        return Report.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "the document"
        raise UsageError(
            f"{where} is no {KIND} of {API_VERSION}: {field}: {first['msg']}",
            hint="a newer fai-forge may have written it; boot the image again, or upgrade",
        ) from error


def load(path: Path) -> Report | None:
    """The report in a file; None where there is no file."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    return parse(text, str(path))


def schema_text() -> str:
    """The schema as it is committed."""
    from builder.manifest.schema import schema_of

    made = schema_of(Report, "urn:fai-forge:v1:boot-report", "fai-forge boot report")
    return json.dumps(made, indent=2) + "\n"


if __name__ == "__main__":
    import sys

    sys.stdout.write(schema_text())
