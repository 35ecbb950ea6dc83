# SPDX-License-Identifier: GPL-2.0-or-later
"""One nightly, from the plan to the site: a table of contents that calls fai-forge's other verbs.

Each image that must be published has a chain of steps of its own: build, boot, publish. One that
fails ends its chain and no other. What is about the whole store comes once, after all of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial

from builder import names, provenance
from builder.errors import ForgeError
from builder.manifest.decision import Decision, Decisions
from builder.nightly import exits, facts
from builder.nightly.chain import Step, image_steps, store_steps
from builder.nightly.chains import Work, is_done, kept, publish_image, tend_store
from builder.nightly.facts import Finished, OurStore
from builder.nightly.folder import RunFolder, locked, of_day, replace
from builder.nightly.ledger import STORE, Ledger, Watcher
from builder.nightly.model import ImageOutcome, ImageRun, NightlyRun
from builder.nightly.order import Order, Planned
from builder.planning.record import RECORDS, Record
from builder.policy.phrases import summary
from builder.side_by_side import side_by_side

# What becomes of an image at first, by the answer of the plan.
OUTCOMES: dict[str, ImageOutcome] = {
    "publish": "waiting",
    "skip": "skipped",
    "unknown": "unknown",
}


def night(
    order: Order, watcher: Watcher, report: Callable[[RunFolder, NightlyRun], None]
) -> NightlyRun:
    """Do all that is to be done, and return what became of it.

    `report` is called at the end, also if that is an interrupt (KeyboardInterrupt).
    """
    begin = time.monotonic()
    with locked(order.site.out):
        planned = plan(order)
        _keep(order, planned)
        ledger = Ledger(planned.folder, _opened(order, planned), watcher, begin)
        work = Work(order, planned, ledger)
        code = exits.UNEXPECTED
        try:
            waiting = [each for each in ledger.run.images if each.outcome == "waiting"]
            side_by_side([partial(publish_image, work, each) for each in waiting], order.jobs)
            tend_store(work)
            code = exit_code(ledger.run)
        except KeyboardInterrupt:
            code = exits.INTERRUPTED
            raise
        except ForgeError as error:
            code = error.exit_code
            raise
        finally:
            done = ledger.close(code)
            report(planned.folder, done)
        return done


def plan(order: Order) -> Planned:
    """Decide about all images, and choose their serials; nothing is written."""
    store = OurStore(order.publisher)
    decisions = order.decide(order.names, store)
    wanted = [each.name for each in decisions if each.answer == "publish"]
    finished = Finished.of(wanted, order.builds, store).still_wanted(order.decide)

    def serial(name: str) -> str:
        if name in finished:
            return finished[name].serial
        channel = order.images.row(names.parse(name)).channel
        return facts.serial(name, channel, order.now.date(), order.builds, store)

    serials = {name: serial(name) for name in wanted}
    folder = of_day(order.site.out, order.now.date())
    return Planned(folder, tuple(decisions), serials)


def commands(order: Order, planned: Planned) -> list[tuple[str, Step, bool]]:
    """Every step that a nightly would run: of which image, what, and whether it is done already."""
    found = []
    for name, serial in planned.serials.items():
        for step in image_steps(order.site, name, serial, planned.folder.plan):
            found.append((name, step, is_done(order, step, name, serial)))
    found += [(STORE, step, False) for step in store_steps(order.site, order.tags)]
    return found


def exit_code(run: NightlyRun) -> int:
    """The code that stands for all steps and decisions, by `exits`."""
    codes = [step.exit_code or 0 for step in run.steps]
    return exits.worst([*codes, decided(each.decision for each in run.images)])


def decided(decisions: Iterable[Decision]) -> int:
    """The code of decisions alone."""
    unknown = any(each.answer == "unknown" for each in decisions)
    return exits.UNKNOWN if unknown else exits.DONE


def _keep(order: Order, planned: Planned) -> None:
    """Keep the plan: for the builds, and for who asks in a year."""
    planned.folder.path.mkdir(parents=True, exist_ok=True)
    text = Decisions(decisions=planned.decisions).model_dump_json(by_alias=True, indent=2)
    replace(planned.folder.plan, f"{text}\n".encode())
    record = Record(order.site.out / RECORDS)
    for decision in planned.decisions:
        record.add(decision)


def _opened(order: Order, planned: Planned) -> NightlyRun:
    """The document at the beginning of a call."""
    before = planned.folder.before
    return NightlyRun(
        run=planned.folder.name,
        store=order.publisher.place.url,
        began=before.began if before else order.now,
        calls=before.calls + 1 if before else 1,
        job_link=provenance.job_link(),
        images=tuple(_begun(each, planned) for each in planned.decisions),
    )


def _begun(decision: Decision, planned: Planned) -> ImageRun:
    """An image at the beginning of a call; one that this nightly published stays published."""
    earlier = planned.earlier(decision.name)
    if earlier and earlier.outcome == "published" and decision.answer == "skip":
        newest = decision.published.serial if decision.published else None
        if newest == earlier.serial:
            return earlier.model_copy(update={"steps": tuple(map(kept, earlier.steps))})
    return ImageRun(
        name=decision.name,
        decision=decision,
        why=summary(decision),
        outcome=OUTCOMES[decision.answer],
        serial=planned.serials.get(decision.name),
    )
