# SPDX-License-Identifier: GPL-2.0-or-later
"""What a decision says to people: each reason in one phrase, and all of them in one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from builder.errors import ForgeError
from builder.manifest.decision import Advisory, Decision, Impact, Reason, ReasonKind
from builder.manifest.diff import ChangeKind, SourceChange
from builder.policy.findings import Behind, Finding

CHANGES: dict[ChangeKind, str] = {
    "upgraded": "update",
    "rebuilt": "rebuilt",
    "downgraded": "downgrade",
    "added": "added",
    "removed": "removed",
}
SECURITY_CHANGES: dict[ChangeKind, str] = {
    "upgraded": "security update",
    "rebuilt": "rebuilt as a security update",
}
TAKES_FIX = "downgrade that takes a security update away"
IMPACTS: dict[Impact, str] = {"reboot": "needs a reboot", "instance": "needs a new instance"}
# What is about no package; {old} and {new} are what is published and what a build would have.
OTHERS: dict[ReasonKind, str] = {
    "config-space": "the classes' files or settings changed",
    "builder": "fai-forge {old} → {new}",
    "point-release": "point release {old} → {new}",
    "month": "published in {old}, and changed since",
}
# What is called an update where many are counted; all else is a change.
UPDATES: frozenset[ReasonKind] = frozenset({"upgrade", "rebuilt"})
FIRST = "nothing is published yet"
FORCED = "forced"
UNCHANGED = "nothing changed"
# An update of the kernel fixes hundreds of vulnerabilities; the document has all of them.
SHOWN_ADVISORIES = 3


def of_finding(finding: Finding, impact: Impact | None, advisories: Sequence[Advisory]) -> str:
    """One difference, such as "openssl 3.5.1-1 → 3.5.4-1: security update, DSA-6011-1"."""
    change = finding.change
    if change is None:
        return OTHERS[finding.kind].format(old=finding.old, new=finding.new)
    parts = [
        _what(finding, change),
        *([IMPACTS[impact]] if impact else []),
        *([_few([each.id for each in advisories])] if advisories else []),
    ]
    return f"{change.name} {_versions(change)}: {', '.join(parts)}"


def of_error(error: ForgeError) -> str:
    """What an error says, in one line."""
    return " ".join(error.message.split()) or type(error).__name__


def of_behind(suite: Behind) -> str:
    """A suite that is older than what was published."""
    return (
        f"the mirror is behind what was published: its {suite.suite} is of {_time(suite.now)},"
        f" the published one of {_time(suite.published)}"
    )


def of_age(limit: timedelta, published: datetime) -> str:
    """A build that is older than its policy allows."""
    return f"older than {span(limit)}: published on {published.astimezone(UTC):%Y-%m-%d}"


def of_interval(limit: timedelta, published: datetime) -> str:
    """A build that is too young for the next one."""
    return f"held until {_time(published + limit)}: published less than {span(limit)} ago"


def span(time: timedelta) -> str:
    """A time in days if it is some and no hours, else in hours."""
    if time >= timedelta(days=2) and not time % timedelta(days=1):
        return f"{time.days} days"
    hours = time // timedelta(hours=1)
    return f"{hours} hour{'' if hours == 1 else 's'}"


def summary(decision: Decision) -> str:
    """What made the answer, in one phrase without a limit: "2 security updates: glibc, linux"."""
    if not decision.reasons:
        return UNCHANGED
    # Those that made the answer come first.
    first = decision.reasons[0]
    if first.effect == "unknown":
        return first.text
    return "; ".join(_clauses([each for each in decision.reasons if each.effect == first.effect]))


def _clauses(reasons: Sequence[Reason]) -> Iterator[str]:
    packages = [reason for reason in reasons if reason.package]
    names = [reason.package or "" for reason in packages if reason.kind == "security"]
    others = [reason.kind for reason in packages if reason.kind != "security"]
    what = "update" if UPDATES.issuperset(others) else "change"
    if names:
        yield f"{_count(len(names), 'security update')}: {', '.join(names)}"
    if others and names:
        yield _count(len(others), f"other {what}")
    elif others:
        none = "none of them" if len(others) > 1 else "not"
        yield f"{_count(len(others), what)}, {none} security"
    yield from (reason.text for reason in reasons if not reason.package)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _what(finding: Finding, change: SourceChange) -> str:
    if finding.takes_fix:
        return TAKES_FIX
    return (SECURITY_CHANGES if finding.kind == "security" else CHANGES)[change.kind]


def _versions(change: SourceChange) -> str:
    known = dict.fromkeys(version for version in (change.old, change.new) if version)
    return " → ".join(known)


def _few(words: Sequence[str]) -> str:
    more = len(words) - SHOWN_ADVISORIES
    shown = ", ".join(words[:SHOWN_ADVISORIES])
    return f"{shown} and {more} more" if more > 0 else shown


def _time(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
