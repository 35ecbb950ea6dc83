# SPDX-License-Identifier: GPL-2.0-or-later
"""A nightly on small builds and a real store, whose steps are scripted: what fails, and how often.

A step that does not fail does what the verb does: it makes a build, notes a boot, or publishes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from builder import images, names
from builder.builds import Built
from builder.errors import ForgeError
from builder.manifest import document
from builder.manifest.decision import Decision, Published, Reason
from builder.manifest.model import Verdict
from builder.nightly import facts
from builder.nightly.chain import Site, Step
from builder.nightly.folder import RunFolder
from builder.nightly.ledger import STORE
from builder.nightly.model import ImageRun, NightlyRun, StepRun
from builder.nightly.night import night
from builder.nightly.order import Order
from builder.nightly.program import Ended
from tests.published import package
from tests.unit import stores
from tests.unit.stores import NOW

ONE, TWO = "debian-13", "debian-13-slim"
KINDS = ("bios", "uefi", "secureboot")
# What makes an image promise these kinds.
LOADERS = tuple(
    package(name, "1", "amd64", name, "1")
    for name in ("grub-pc-bin", "grub-efi-amd64-signed", "shim-signed")
)
FIRST = Reason(kind="first", effect="publish", text="nothing is published yet")
CHANGED = Reason(kind="config-space", effect="publish", rule="config-space", text="it changed")
BEHIND = Reason(kind="archive", effect="unknown", text="the archive cannot be reached")
# Codes of a step at its first, second ... try; then it does what it should.
Script = dict[tuple[str, str], list[int]]


class Quiet:
    """A watcher that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def begins(self, what: str, step: str) -> None:
        self.told.append(f"{what}: {step}")

    def says(self, what: str, line: str) -> None:
        self.told.append(f"{what} says {line}")

    def ends(self, what: str, step: StepRun) -> None:
        self.told.append(f"{what}: {step.name} {step.outcome}")


@dataclass
class NightlyWorld:
    """Images, a folder of builds and a store; `ran` has each step that was run.

    A build made now would differ from what is published of `changed` images, and from what waits to
    be published of `outdated` ones.
    """

    root: Path
    now: datetime = NOW
    script: Script = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)
    outdated: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    ran: list[tuple[str, str]] = field(default_factory=list)
    before: Callable[[str, str], None] = lambda _name, _step: None

    @property
    def out(self) -> Path:
        return self.root / "out"

    def order(self, *wanted: str, jobs: int = 1) -> Order:
        return Order(
            site=Site(out=self.out, store=str(self.root / "store")),
            names=[names.parse(name) for name in wanted or (ONE, TWO)],
            images=images.Images(),
            publisher=stores.publisher(self.root),
            decide=self.decide,
            now=self.now,
            jobs=jobs,
            runs=self.run,
            pause=0,
        )

    def call(self, *wanted: str, jobs: int = 1) -> NightlyRun:
        """Run a nightly; what it reported is what it returned."""
        reported: list[tuple[RunFolder, NightlyRun]] = []
        self.ran.clear()

        def report(folder: RunFolder, run: NightlyRun) -> None:
            reported.append((folder, run))

        try:
            run = night(self.order(*wanted, jobs=jobs), Quiet(), report)
        except KeyboardInterrupt:
            run = reported[0][1]
        ((folder, told),) = reported
        assert told == run
        written = NightlyRun.model_validate_json((folder.path / "nightly.json").read_bytes())
        assert written == run
        assert (folder.path / "index.html").exists()
        return run

    def decide(self, wanted: Sequence[names.Name], store: facts.Published) -> list[Decision]:
        return [self._decision(str(name), store) for name in wanted]

    def run(self, step: Step, log: Path, say: Callable[[str], None]) -> Ended:
        what = names.parse(step.words[1]).series if _is_about_image(step) else STORE
        self.ran.append((str(what), step.name))
        self.before(str(what), step.name)
        say("working")
        with log.open("a") as file:
            file.write("working\n")
        codes = self.script.get((str(what), step.name), [])
        code = codes.pop(0) if codes else 0
        if code:
            return Ended(code, f"it ended with {code}", ("working", f"it ended with {code}"))
        if _is_about_image(step):
            getattr(self, f"_{step.name}")(step)
        return Ended(0, "well")

    def built(self, name: str, serial: str) -> Built:
        return Built(name, serial, self.out / name / serial)

    def _decision(self, name: str, store: facts.Published) -> Decision:
        try:
            newest, known = store.newest(name), name not in self.unknown
        except ForgeError:
            newest, known = None, False
        reason = BEHIND if not known else FIRST if newest is None else None
        other = self.outdated if isinstance(store, facts.Finished) else self.changed
        if known and newest and name in other:
            reason = CHANGED
        answer = reason.effect if reason else "skip"
        published = newest and Published(serial=newest.serial, date=newest.build.date)
        return Decision.model_validate(
            {
                "name": name,
                "date": self.now,
                "policy": "security",
                "answer": answer,
                "published": published,
                "reasons": (reason,) if reason else (),
            }
        )

    def _build(self, step: Step) -> None:
        name, serial = step.words[1], step.words[3]
        built = stores.build(self.out, serial, name=name, image=serial.encode(), boots=())
        decision = self._decision(name, facts.Finished({}))
        self._note(built, decision=decision, packages=LOADERS)

    def _boot(self, step: Step) -> None:
        built = self._named(step)
        self._note(built, boots=tuple(Verdict(name=kind, verdict="passed") for kind in KINDS))

    def _publish(self, step: Step) -> None:
        stores.put(stores.publisher(self.root), self._named(step), now=self.now)

    def _named(self, step: Step) -> Built:
        name = names.parse(step.words[1])
        return self.built(str(name.series), name.serial or "")

    def _note(self, built: Built, **update: object) -> None:
        manifest = document.load(built.manifest)
        built.manifest.write_text(document.dump(manifest.model_copy(update=update)))


def of(run: NightlyRun, name: str) -> ImageRun:
    """What became of one image."""
    return next(each for each in run.images if each.name == name)


def outcomes(run: NightlyRun) -> dict[str, str]:
    return {each.name: each.outcome for each in run.images}


def steps(image: ImageRun) -> list[tuple[str, str]]:
    return [(each.name, each.outcome) for each in image.steps]


def _is_about_image(step: Step) -> bool:
    return step.name in ("build", "boot", "publish")
