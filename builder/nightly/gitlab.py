# SPDX-License-Identifier: GPL-2.0-or-later
"""A plan as a pipeline of GitLab: each image that must be published is a chain of jobs.

Jobs of different images know nothing of each other, so GitLab gives them to as many runners as
there are. What all jobs have in common (container, caches, retries, the signing key) is written by
hand in `.gitlab/chain.yml`, which the pipeline includes; the commands are those of
`builder.nightly.chain`. The same plan gives the same text.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import yaml

from builder import names
from builder.errors import UsageError
from builder.manifest.decision import Decision
from builder.models import ARCHES, DEFAULT_ARCH
from builder.nightly.chain import UPSTREAM, Site, Step, image_steps, store_steps
from builder.policy.phrases import summary

# Relative to the repository: what the pipeline takes from there.
TEMPLATES: Final = ".gitlab/chain.yml"
# The stage of what is said before anything is done, and the job that brings the plan.
FIRST: Final = "plan"
DECISIONS: Final = "decisions"
# The step that signs; it waits for a person where that is wanted.
PUBLISH: Final = "publish"
# What `fai-forge plan` ends with where nobody can know.
UNKNOWN: Final = 6
# GitLab's own limit of a tag is 255 characters; a $ would be a variable.
TAG: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+-]{0,99}")
HEADER: Final = """\
# Written by `fai-forge pipeline`; images: {images}.
# A change of this file is lost: the jobs' common part is in {templates}.
"""


@dataclass(frozen=True)
class Runner:
    """Where the images of an architecture are built and booted: a runner's tag, and time limits.

    The limits are what GitLab's `timeout` takes.
    """

    tag: str
    build: str
    boot: str


# An amd64 machine builds and boots every architecture, others with an emulator, which takes times
# as long. That is the way that is tested; a runner of its own architecture may be named instead.
RUNNERS: Final[Mapping[str, Runner]] = {
    arch: Runner("amd64", "1h", "2h") if arch == DEFAULT_ARCH else Runner("amd64", "4h", "4h")
    for arch in ARCHES
}


@dataclass(frozen=True)
class Order:
    """What a pipeline is made from: the serial of each image, and the file with the decisions.

    With `manual`, an image is published when somebody says so.
    """

    decisions: Sequence[Decision]
    serials: Mapping[str, str]
    site: Site
    plan: Path
    runners: Mapping[str, Runner] = field(default_factory=lambda: RUNNERS)
    manual: bool = False


def runners(words: Iterable[str]) -> dict[str, Runner]:
    """The table of runners with changes such as "arm64=arm64"; UsageError for what is none."""
    found = dict(RUNNERS)
    for word in words:
        arch, _, tag = word.partition("=")
        if arch not in found or not TAG.fullmatch(tag):
            raise UsageError(
                f"{word} says no runner", hint=f"write ARCH=TAG; ARCH is one of {', '.join(found)}"
            )
        found[arch] = replace(found[arch], tag=tag)
    return found


def pipeline(order: Order) -> str:
    """The pipeline as YAML; it is never empty, as GitLab refuses a pipeline without a job."""
    chains = [
        (decision, image_steps(order.site, decision.name, order.serials[decision.name], order.plan))
        for decision in order.decisions
        if decision.answer == "publish"
    ]
    after = store_steps(order.site, None)
    stages = dict.fromkeys(
        step.name for steps in (*(steps for _, steps in chains), after) for step in steps
    )
    document: dict[str, Any] = {
        "include": [{"local": TEMPLATES}],
        "stages": [FIRST, *stages],
        **_said(order.decisions),
    }
    for decision, steps in chains:
        document |= _chain(order, decision, steps)
    for step in after:
        document[step.name] = _afterwards(step)
    header = HEADER.format(images=len(chains), templates=TEMPLATES)
    # Wide enough that no command is broken into lines.
    return header + yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=10_000)


def _said(decisions: Sequence[Decision]) -> dict[str, Any]:
    """The job that says what was decided about each image, and one that fails with the unknown."""
    jobs: dict[str, Any] = {
        DECISIONS: {"extends": ".decisions", "stage": FIRST, "script": [_say(decisions)]}
    }
    unknown = [each for each in decisions if each.answer == "unknown"]
    if unknown:
        script = [_say(unknown), f"exit {UNKNOWN}"]
        jobs["unknown"] = {"extends": ".note", "stage": FIRST, "script": script}
    return jobs


def _say(decisions: Sequence[Decision]) -> str:
    """A command that prints a line for each decision."""
    lines = [_printable(f"{each.name}: {each.answer}: {summary(each)}") for each in decisions]
    return shlex.join(["printf", "%s\\n", *lines])


def _printable(text: str) -> str:
    """A line that no terminal takes for a command, whatever an archive said."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _chain(order: Order, decision: Decision, steps: Sequence[Step]) -> dict[str, Any]:
    """The jobs of one image, each after the one before; artifacts go on from job to job."""
    arch = names.parse(decision.name).arch
    runner = order.runners[arch]
    limits = {"build": runner.build, "boot": runner.boot}
    jobs: dict[str, Any] = {}
    before: list[str] = []
    for step in steps:
        signs = step.name == PUBLISH
        job: dict[str, Any] = {
            "extends": ".store" if signs else f".{step.name}",
            "stage": step.name,
            "needs": [DECISIONS, *before[-1:]],
            "script": [shlex.join(step.command)],
        }
        if step.name in limits:
            job |= {"tags": [runner.tag], "timeout": limits[step.name]}
            job["variables"] = {
                "FAI_FORGE_IMAGE": decision.name,
                "FAI_FORGE_CACHE_KEY": f"{arch}-{decision.date:%Y%m}",
            }
        if signs and order.manual:
            job["when"] = "manual"
        name = f"{step.name} {decision.name}"
        jobs[name] = job
        before.append(name)
    return jobs


def _afterwards(step: Step) -> dict[str, Any]:
    """A job about the whole store, whatever became of the images.

    By its stage it comes after all of them; without `dependencies` it would get all their files.
    """
    return {
        "extends": ".upstream" if step.name == UPSTREAM else ".store",
        "stage": step.name,
        "when": "always",
        "dependencies": [DECISIONS],
        "script": [shlex.join(step.command)],
    }
