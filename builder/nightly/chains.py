# SPDX-License-Identifier: GPL-2.0-or-later
"""The steps of one image, one after the other until one fails, and those of the store."""

from __future__ import annotations

import shlex
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from threading import Lock

from builder.builds import Built
from builder.checks.predicted import NAME as AS_PREDICTED
from builder.errors import ForgeError
from builder.manifest import document
from builder.manifest.model import Manifest
from builder.nightly import exits, facts
from builder.nightly.chain import UPSTREAM, Step, image_steps, store_steps
from builder.nightly.facts import OurStore
from builder.nightly.ledger import STORE, Ledger
from builder.nightly.model import Checks, ImageRun, StepOutcome, StepRun
from builder.nightly.order import Order, Planned
from builder.nightly.program import Ended, Tried, tried
from builder.sites.git import without_secrets

NOTHING_PUBLISHED = "nothing was ever published"
# How a step ended, by its exit code; any other one is a failure.
ENDS: dict[int, StepOutcome] = {exits.DONE: "done", exits.INTERRUPTED: "interrupted"}


@dataclass(frozen=True)
class Work:
    """A nightly that is being done; a store takes one publisher at a time."""

    order: Order
    planned: Planned
    ledger: Ledger
    publishing: Lock = field(default_factory=Lock)


def publish_image(work: Work, image: ImageRun) -> None:
    """All steps of one image, until one fails."""
    serial = image.serial or ""
    image = image.model_copy(update={"outcome": "running"})
    for step in image_steps(work.order.site, image.name, serial, work.planned.folder.plan):
        if is_done(work.order, step, image.name, serial):
            ended = _done_before(work.planned, image, step)
            work.ledger.ends(image.name, ended)
        else:
            with work.publishing if step.name == "publish" else nullcontext():
                begun = _begun(step, image.name, work)
                work.ledger.image(_with(image, begun))
                ended = _run(work, image.name, step, begun)
        image = _looked_at(work.order, _with(image, ended))
        if ended.outcome not in ("done", "kept"):
            update = {"outcome": ended.outcome, "reason": _stopped(ended)}
            work.ledger.image(image.model_copy(update=update))
            return
        work.ledger.image(image)
    work.ledger.image(image.model_copy(update={"outcome": "published"}))


def tend_store(work: Work) -> None:
    """What is about the whole store; one that fails stops none of the others."""
    done: list[StepRun] = []
    empty = True
    for step in store_steps(work.order.site, work.order.tags):
        begun = _begun(step, STORE, work)
        if step.name != UPSTREAM:
            # Read anew: it may have got its first build just now, of ours or of an upstream.
            empty = empty and OurStore(work.order.publisher).is_empty
        if empty and step.name != UPSTREAM:
            left_out = {"outcome": "left-out", "log": None, "reason": NOTHING_PUBLISHED}
            done.append(begun.model_copy(update=left_out))
            work.ledger.ends(STORE, done[-1])
        else:
            work.ledger.store([*done, begun])
            done.append(_run(work, STORE, step, begun))
        work.ledger.store(done)


def is_done(order: Order, step: Step, name: str, serial: str) -> bool:
    """Whether a step of an image was done before, by what is there.

    Nothing that is published is in a chain: the plan sees it in the store.
    """
    manifest = _manifest(order, name, serial)
    if manifest is None or step.name == "publish":
        return False
    return step.name == "build" or facts.booted(manifest, order.site.firmware)


def kept(step: StepRun) -> StepRun:
    """A step that an earlier call did."""
    return step.model_copy(update={"outcome": "kept"})


def _stopped(step: StepRun) -> str:
    """What stopped a chain, in one phrase."""
    if step.outcome == "interrupted" or not step.reason:
        return f"{step.name} {step.outcome}"
    return f"{step.name}: {step.reason}"


def _begun(step: Step, what: str, work: Work) -> StepRun:
    log = work.planned.folder.log(what, step.name)
    return StepRun(name=step.name, command=_shown(step), outcome="running", log=log.name)


def _shown(step: Step) -> str:
    return without_secrets(shlex.join(step.command))


def _run(work: Work, what: str, step: Step, begun: StepRun) -> StepRun:
    """Run a step, and say how it ended."""
    work.ledger.begins(what, step.name)
    try:
        found = _tried(work, what, step)
    except ForgeError as error:
        found = Tried(Ended(error.exit_code, error.message, tuple(error.hint.splitlines())), 1, 0)
    except OSError as error:
        found = Tried(Ended(exits.INFRASTRUCTURE, str(error)), 1, 0)
    last = found.last
    ended = begun.model_copy(
        update={
            "outcome": ENDS.get(last.code, "failed"),
            "exit_code": last.code,
            "seconds": found.seconds,
            "tries": found.tries,
            "reason": without_secrets(last.reason),
            "end": () if last.code == exits.DONE else tuple(map(without_secrets, last.end)),
        }
    )
    work.ledger.ends(what, ended)
    return ended


def _tried(work: Work, what: str, step: Step) -> Tried:
    log = work.planned.folder.log(what, step.name)
    with log.open("a", encoding="utf-8") as file:
        file.write(f"$ {_shown(step)}\n")
    return tried(work.order.runs, step, log, partial(work.ledger.says, what), work.order.pause)


def _manifest(order: Order, name: str, serial: str) -> Manifest | None:
    """The manifest of a finished build; None where there is none that can be read."""
    built = Built(name, serial, order.site.out / name / serial)
    try:
        return document.load(built.manifest)
    except ForgeError:
        return None


def _done_before(planned: Planned, image: ImageRun, step: Step) -> StepRun:
    """A step that needs no doing, as the earlier call told of it if there was one."""
    earlier = planned.earlier(image.name)
    if earlier and earlier.serial == image.serial:
        for each in earlier.steps:
            if each.name == step.name and each.outcome in ("done", "kept"):
                return kept(each)
    return StepRun(name=step.name, command=_shown(step), outcome="kept", reason="done before")


def _with(image: ImageRun, step: StepRun) -> ImageRun:
    others = tuple(each for each in image.steps if each.name != step.name)
    return image.model_copy(update={"steps": (*others, step)})


def _looked_at(order: Order, image: ImageRun) -> ImageRun:
    """An image with what its manifest says of checks and boots."""
    manifest = _manifest(order, image.name, image.serial or "")
    if manifest is None:
        return image
    passed = {each.name: each.verdict == "passed" for each in manifest.checks}
    checks = Checks(
        passed=sum(passed.values()),
        failed=tuple(name for name, well in passed.items() if not well),
        as_predicted=passed.get(AS_PREDICTED),
    )
    return image.model_copy(update={"checks": checks, "boots": manifest.boots})
