# SPDX-License-Identifier: GPL-2.0-or-later
"""Decide whether an image is published anew: facts and a policy give an answer, and all reasons.

Each reason has an effect, and the effects alone make the answer: one that leaves it open makes it
unknown; else one that asks for a new image makes it publish; else it is skip.
docs/decisions.md tells the order in which things count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import get_args

from builder.errors import ForgeError
from builder.manifest.decision import (
    Advisory,
    Answer,
    Decision,
    Effect,
    Published,
    Reason,
    ReasonKind,
)
from builder.manifest.diff import SourceChange, compare
from builder.manifest.model import Manifest
from builder.policy import phrases
from builder.policy.facts import Facts
from builder.policy.findings import Finding, behind, findings
from builder.policy.model import Impacts, Policy
from builder.policy.rules import counting

# The advisories that a change of a source package fixes; none where nobody knows.
Fixes = Callable[[SourceChange], tuple[Advisory, ...]]
# In this order reasons are told; one of the first two that is there makes the answer.
EFFECTS: tuple[Effect, ...] = ("unknown", "publish", "hold", "noted")
ANSWERS: dict[Effect, Answer] = {"unknown": "unknown", "publish": "publish"}
KINDS: tuple[ReasonKind, ...] = get_args(ReasonKind)
NONE = timedelta(0)


def decide(
    facts: Facts, name_of_policy: str, policy: Policy, impacts: Impacts, fixes: Fixes
) -> Decision:
    """The decision on one image; `fixes` is asked about security updates only."""
    reasons = sorted(_reasons(facts, policy, impacts, fixes), key=_order)
    effects = {reason.effect for reason in reasons}
    return Decision(
        name=facts.name,
        date=facts.now,
        policy=name_of_policy,
        answer=next((ANSWERS[effect] for effect in ANSWERS if effect in effects), "skip"),
        published=_known(facts.published),
        reasons=tuple(reasons),
    )


def _known(published: Manifest | ForgeError | None) -> Published | None:
    if not isinstance(published, Manifest):
        return None
    return Published(serial=published.serial, date=published.build.date)


def _reasons(facts: Facts, policy: Policy, impacts: Impacts, fixes: Fixes) -> Iterable[Reason]:
    """All reasons, in any order."""
    published, prospect = facts.published, facts.prospect
    if isinstance(published, ForgeError) or isinstance(prospect, ForgeError):
        return _errors(facts)
    if published is None:
        return _asked_for(facts)
    # What a mirror that is behind has would read as a list of downgrades.
    if late := behind(published, prospect):
        texts = (phrases.of_behind(suite) for suite in late)
        return (Reason(kind="archive", effect="unknown", text=text) for text in texts)
    try:
        before = [package.shared() for package in published.packages]
        changes = compare(before, prospect.packages, prospect.security)
    except ForgeError as error:
        return [_unknown("store", error)]
    found = (
        _reason(finding, facts, policy, impacts, fixes)
        for finding in findings(published, prospect, changes, facts.now)
    )
    # A new month that nobody asked about is no news.
    told = (each for each in found if each.kind != "month" or each.effect != "noted")
    return _in_time([*_asked_for(facts), *told], facts.now, published.build.date, policy, impacts)


def _errors(facts: Facts) -> Iterator[Reason]:
    """Why nobody knows. Not even `forced` goes on: what is behind an error may be anything."""
    sides: tuple[tuple[ReasonKind, object], ...] = (
        ("store", facts.published),
        ("archive", facts.prospect),
    )
    for kind, side in sides:
        if isinstance(side, ForgeError):
            yield _unknown(kind, side)


def _unknown(kind: ReasonKind, error: ForgeError) -> Reason:
    return Reason(kind=kind, effect="unknown", text=phrases.of_error(error), detail=error.hint)


def _asked_for(facts: Facts) -> Iterator[Reason]:
    """What asks for an image whatever changed."""
    if facts.published is None:
        yield Reason(kind="first", effect="publish", text=phrases.FIRST)
    if facts.forced:
        yield Reason(kind="forced", effect="publish", text=phrases.FORCED)


def _reason(
    finding: Finding, facts: Facts, policy: Policy, impacts: Impacts, fixes: Fixes
) -> Reason:
    rule = counting(finding, policy, impacts)
    open_ = finding.takes_fix and not facts.forced
    change = finding.change
    impact = impacts.of(change.name) if change and change.kind != "removed" else None
    advisories = fixes(change) if change and finding.kind == "security" else ()
    return Reason(
        kind=finding.kind,
        effect="publish" if rule else "unknown" if open_ else "noted",
        rule=rule or "",
        package=change.name if change else None,
        binaries=tuple(sorted({binary.name for binary in change.binaries})) if change else (),
        old=finding.old or None,
        new=finding.new or None,
        impact=impact,
        advisories=advisories,
        text=phrases.of_finding(finding, impact, advisories),
    )


def _in_time(
    reasons: list[Reason], now: datetime, date: datetime, policy: Policy, impacts: Impacts
) -> Iterator[Reason]:
    """The reasons with what the time since `date`, that of the published build, does to them.

    A build from the future is neither old nor young: a clock that was wrong holds nothing back.
    """
    age = now - date
    if policy.max_age is not None and age > policy.max_age:
        yield Reason(kind="age", effect="publish", text=phrases.of_age(policy.max_age, date))
        yield from reasons
        return
    interval = policy.min_interval or NONE
    asking = [reason for reason in reasons if reason.effect == "publish"]
    urgent = any(_is_urgent(reason, impacts) for reason in asking)
    if not asking or urgent or not NONE <= age < interval:
        yield from reasons
        return
    yield Reason(kind="interval", effect="hold", text=phrases.of_interval(interval, date))
    for reason in reasons:
        yield reason.model_copy(update={"effect": "hold"}) if reason in asking else reason


def _is_urgent(reason: Reason, impacts: Impacts) -> bool:
    """Whether a reason for a new image does not wait for the minimum interval."""
    if reason.kind == "forced":
        return True
    return reason.kind == "security" and impacts.is_critical(reason.package or "")


def _order(reason: Reason) -> tuple[int, int, str, str]:
    return (
        EFFECTS.index(reason.effect),
        KINDS.index(reason.kind),
        reason.package or "",
        reason.text,
    )
