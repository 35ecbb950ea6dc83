# SPDX-License-Identifier: GPL-2.0-or-later
"""Boot an image in all ways that were asked for, side by side, and report each.

What is booted is a list of trials. Each is reported as soon as it has ended, so that a run that is
interrupted keeps what it has found.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Protocol

from builder.errors import CheckError, InfrastructureError
from builder.guest import verdict
from builder.guest.accel import AUTO
from builder.guest.containers import CONTAINER
from builder.guest.progress import Event
from builder.guest.promised import Tests
from builder.guest.reports.compose import Told, compose
from builder.guest.reports.report import Boot, Report
from builder.manifest.model import Manifest
from builder.side_by_side import side_by_side


@dataclass(frozen=True)
class Trial:
    """One way to boot an image: `kind` is the firmware, `login` one of `builder.guest.guest`'s."""

    kind: str
    image: Path
    login: str


@dataclass(frozen=True)
class Order:
    """What all trials of an image share.

    `name` is the series, or a file's name; `folder` is where evidence goes; `digests` are the
    images' sha256; `words` are the arguments of fai-forge that repeat a trial, without its kind.
    With `twin`, one of the guests is compared with a second one of the same image.
    """

    name: str
    arch: str
    folder: Path
    tests: Tests
    words: tuple[str, ...]
    digests: Mapping[Path, str]
    accel: str = AUTO
    timeout_factor: float = 1.0
    debs: Sequence[Path] = ()
    keep: bool = False
    twin: bool = True


def digest(image: Path, manifest: Manifest | None) -> str:
    """The sha256 of an image: of a build, as its manifest says, else of the file as it is."""
    built = manifest.files if manifest else ()
    known = next((file.sha256 for file in built if file.name == image.name), None)
    if known is not None:
        return known
    with image.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Watcher(Protocol):
    """Somebody who is told how the trials go; never by two of them at once."""

    def started(self, kind: str) -> None:
        """A trial begins."""

    def event(self, kind: str, event: Event) -> None:
        """A trial has come so far."""

    def ended(self, boot: Boot) -> None:
        """A trial has a verdict."""

    def broke(self, kind: str, error: InfrastructureError) -> None:
        """A trial has none, since the host failed it."""


@dataclass
class Outcome:
    """The boots that have a verdict, and by kind why the others have none.

    `kept` are the folders of guests that were kept, by kind.
    """

    boots: list[Boot] = field(default_factory=list)
    errors: dict[str, InfrastructureError] = field(default_factory=dict)
    kept: dict[str, Path] = field(default_factory=dict)

    def require(self, what: str, page: Path) -> None:
        """Raise CheckError where a boot failed, else InfrastructureError where one has no verdict.

        `what` was booted, and `page` tells more.
        """
        failed = [boot.name for boot in self.boots if not boot.ok]
        told = [f"{kind} has no verdict: {error.message}" for kind, error in self.errors.items()]
        if failed:
            raise CheckError(
                f"{what} failed when it was booted by {' and '.join(failed)}",
                hint="\n".join([f"the report: {page}", *told]),
            )
        for error in self.errors.values():
            raise InfrastructureError("; ".join(told), hint=error.hint)


def boot_all(
    trials: Sequence[Trial],
    order: Order,
    earlier: Report | None,
    jobs: int,
    watcher: Watcher,
    remember: Callable[[Boot], object],
) -> Outcome:
    """Boot all trials, at most `jobs` of them at a time.

    `earlier` is the report of an earlier build, to compare with; `remember` is called with each
    boot that has a verdict.
    """
    outcome, lock = Outcome(), threading.Lock()
    # What two guests of an image share does not hang on how they start: one pair will do.
    machines = (trial.kind for trial in trials if trial.kind != CONTAINER)
    paired = next(machines, None) if order.twin else None

    def one(trial: Trial) -> None:
        with lock:
            watcher.started(trial.kind)
        begin = datetime.now(UTC).replace(microsecond=0)

        def on_event(event: Event) -> None:
            with lock:
                if event.kind == "kept":
                    outcome.kept[trial.kind] = Path(event.text)
                watcher.event(trial.kind, event)

        try:
            found = _boot(trial, order, trial.kind == paired, on_event)
        except InfrastructureError as error:
            with lock:
                outcome.errors[trial.kind] = error
                watcher.broke(trial.kind, error)
            return
        told = Told(
            trial.kind,
            order.name,
            order.arch,
            order.folder,
            begin,
            (*order.words, "--firmware", trial.kind),
            (trial.image.name, order.digests[trial.image]),
        )
        boot = compose(found, told, order.tests.issues, earlier)
        with lock:
            remember(boot)
            outcome.boots.append(boot)
            watcher.ended(boot)

    side_by_side([partial(one, trial) for trial in trials], jobs)
    outcome.boots.sort(key=lambda boot: [trial.kind for trial in trials].index(boot.name))
    return outcome


def _boot(
    trial: Trial, order: Order, twin: bool, on_event: Callable[[Event], None]
) -> verdict.BootReport | CheckError:
    """The report of one trial, or why its tests could not run."""
    try:
        return verdict.verdict(
            trial.image,
            report_dir=order.folder,
            arch=order.arch,
            firmware=trial.kind,
            accel=order.accel,
            login=trial.login,
            timeout_factor=order.timeout_factor,
            tests=order.tests.files,
            reviewed=order.tests.reviewed,
            debs=order.debs,
            keep=order.keep,
            twin=twin,
            on_event=on_event,
        )
    except CheckError as error:
        return error
