# SPDX-License-Identifier: GPL-2.0-or-later
"""`fai-forge nightly`: publish what must be published, proven, and leave the rest alone."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from builder import images, names, paths
from builder.cli import chains, common, stores
from builder.cli.nightly_progress import watcher
from builder.cli.progress import progress
from builder.errors import UsageError
from builder.manifest.decision import Decision
from builder.nightly import exits, words
from builder.nightly.asked import asked
from builder.nightly.facts import Published
from builder.nightly.folder import RunFolder, copy
from builder.nightly.model import ImageRun, NightlyRun
from builder.nightly.night import commands, decided, night, plan
from builder.nightly.order import Order, Planned
from builder.planning import plan as planning
from builder.planning.explain import Explainer
from builder.policy.phrases import summary
from builder.store import keys
from builder.store.writing import Publisher

DESCRIPTION = """\
Publish each image that must be published anew: plan, build with its offline checks, boot it with
all firmware kinds, publish; then, once for the store, bring in the images of upstreams that are
asked for, promote, expire, and renew its index and pages. Each step is a call of fai-forge that a
person can repeat. An image that fails stops no other. What is done is not done again: after an
interrupt or a failure, call it again.

OUT/nightly/DAY/ has the summary as a page and as JSON, and a log of each step. docs/nightly.md
tells more.

examples:
  fai-forge nightly --store /srv/images --dry-run
  fai-forge nightly --store /srv/images --jobs 2 --tags tags.yaml
  fai-forge nightly --store out/store --images debian-13 'debian-13-slim*'
  fai-forge nightly --store /srv/images --upstreams 'ubuntu-*' alma-10

exit codes, the worst of all steps and images, worst first:
"""
EPILOG = """\
and with --exit-code 5 if nothing was to be published, and nothing failed.
"""
HEADINGS = ("IMAGE", "SERIAL", "RESULT", *(step.upper() for step in words.STEPS), "WHY")
NO_STORE = "\n".join(
    (
        "give a folder or a URL with --store, and who signs it with --key or"
        f" {keys.KEY_VARIABLE}; to try it:",
        "  gpg --quick-gen-key images@example.org ed25519 sign 1y",
        "  gpg --list-secret-keys --with-colons images@example.org | grep ^fpr",
        "  fai-forge nightly --store out/store --key FINGERPRINT --images debian-13-slim",
    )
)


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--images",
        nargs="+",
        metavar="GLOB|NAME",
        default=["*"],
        help="these images of images.yaml, or any that the classes make (default: all listed)",
    )
    stores.add_store(parser, needed=False)
    parser.add_argument(
        "--tags", type=Path, metavar="FILE", help="names to promote builds to, such as tags.yaml"
    )
    parser.add_argument(
        "--jobs",
        type=int,
        metavar="N",
        default=max(1, (os.cpu_count() or 1) // 2),
        help="images at a time (default: half as many as processors, %(default)s here)",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="plan, say each command, and change nothing"
    )
    parser.add_argument(
        "--report", type=Path, metavar="DIR", help="also put summary and logs into this folder"
    )
    parser.add_argument(
        "--exit-code", action="store_true", help="end with 5 if nothing was to be published"
    )
    chains.add_steps(parser)
    common.add_json(parser)


def _call(arguments: argparse.Namespace) -> int:
    order = _order(arguments)
    if arguments.dry_run:
        return _dry_run(order, arguments)
    shown = watcher()

    def report(folder: RunFolder, run: NightlyRun) -> None:
        shown.finish()
        _print(folder, run, arguments)

    run = night(order, shown, report)
    return _code(run.exit_code or 0, [each.decision for each in run.images], arguments)


def _order(arguments: argparse.Namespace) -> Order:
    if not arguments.store:
        raise UsageError("no store is given", hint=NO_STORE)
    if arguments.jobs < 1:
        raise UsageError(f"--jobs {arguments.jobs} would do nothing", hint="give 1 or more")
    project = paths.project_root()
    file = images.read(project)
    site = chains.site(arguments, arguments.out.absolute(), arguments.key, arguments.keyring)
    publisher: Publisher = stores.publisher(arguments)
    now = datetime.now(UTC).replace(microsecond=0)
    ground = common.ground(arguments)
    explainer = Explainer(file.advisories, project, paths.cache().advisories)

    def decide(wanted: Sequence[names.Name], store: Published) -> list[Decision]:
        shown = progress(quiet=False)
        try:
            return planning.plan(ground, file, wanted, store, explainer, shown, now=now)
        finally:
            shown.finish()

    return Order(
        site=site,
        names=asked(arguments.images, file),
        images=file,
        publisher=publisher,
        decide=decide,
        now=now,
        jobs=arguments.jobs,
        tags=arguments.tags,
    )


def _dry_run(order: Order, arguments: argparse.Namespace) -> int:
    planned = plan(order)
    todo = commands(order, planned)
    if arguments.json:
        common.print_json(
            {
                "decisions": [
                    each.model_dump(mode="json", by_alias=True) for each in planned.decisions
                ],
                "commands": [
                    {"image": name, "step": step.name, "done": done, "command": step.command}
                    for name, step, done in todo
                ],
            }
        )
    else:
        print("\n".join(_foreseen(planned)))
        for _, step, done in todo:
            print(f"{'# done: ' if done else ''}{shlex.join(step.command)}")
    return _code(decided(planned.decisions), planned.decisions, arguments)


def _foreseen(planned: Planned) -> Iterator[str]:
    rows = [
        (each.name, planned.serials.get(each.name, "-"), each.answer, summary(each))
        for each in planned.decisions
    ]
    yield from common.table(("IMAGE", "SERIAL", "DECISION", "WHY"), rows)
    yield ""


def _code(code: int, decisions: Sequence[Decision], arguments: argparse.Namespace) -> int:
    idle = not any(each.answer == "publish" for each in decisions)
    return exits.NOTHING if arguments.exit_code and not code and idle else code


def _print(folder: RunFolder, run: NightlyRun, arguments: argparse.Namespace) -> None:
    """The summary on stdout, and in a folder if that was asked for."""
    page = folder.page
    if arguments.report:
        page = copy(folder, run, arguments.out.absolute(), arguments.report.absolute())
    if arguments.json:
        print(run.model_dump_json(by_alias=True, indent=2))
    else:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        print("\n".join(table(run, width, page.parent)))
    print(f"The summary is in {page}", file=sys.stderr if arguments.json else sys.stdout)


def table(run: NightlyRun, width: int | None, logs: Path) -> Iterator[str]:
    """The summary as text; with a `width` in characters, reasons are cut; logs are in `logs`."""
    rows = [_cells(image) for image in run.images]
    cut = [(*row[:-1], _cut(row[-1], width)) for row in rows]
    yield from common.table(HEADINGS, cut)
    for image in run.images:
        if proven := words.proven(image):
            yield f"    {image.name}-{image.serial}: {proven}"
        for step in image.steps:
            if step.outcome == "failed":
                yield f"    {image.name}: {step.name} failed: {step.reason}"
                yield f"        {step.command}"
                yield f"        said in {logs / (step.log or '')}"
    for step in run.store_steps:
        yield f"{step.name:<9} {step.outcome:<9} {words.seconds(step):<8} {step.reason}".rstrip()
    yield f"{words.counted(run)} in {words.span(run.seconds)}: {words.ending(run)}"


def _cells(image: ImageRun) -> tuple[str, ...]:
    steps = (words.seconds(words.step_of(image, name)) for name in words.STEPS)
    return (image.name, image.serial or "-", image.outcome, *steps, words.why(image))


def _cut(text: str, width: int | None) -> str:
    return text if width is None else textwrap.shorten(text, max(20, width // 3), placeholder=" …")


def _description() -> str:
    rows = "".join(f"  {row.code:<4} {row.meaning}: {row.why}\n" for row in exits.WORST_FIRST)
    return f"{DESCRIPTION}{rows}{EPILOG}"


VERB = common.Verb(
    "nightly", "plan, build, boot and publish what must be", _description(), _arguments, _call
)
