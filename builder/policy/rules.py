# SPDX-License-Identifier: GPL-2.0-or-later
"""The rules that a policy may name in `when`: which differences each of them looks at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from builder.policy.findings import Finding
from builder.policy.model import Impacts, Policy, RuleName


@dataclass(frozen=True)
class Rule:
    """One rule: what it looks at, in words and as a test of one difference."""

    explanation: str
    counts: Callable[[Finding, Impacts], bool]


def _is_security(finding: Finding, _impacts: Impacts) -> bool:
    return finding.kind == "security"


def _needs_more(finding: Finding, impacts: Impacts) -> bool:
    return _is_security(finding, impacts) and impacts.of(_source(finding)) is not None


def _is_critical(finding: Finding, impacts: Impacts) -> bool:
    return _is_security(finding, impacts) and impacts.is_critical(_source(finding))


def _changes_the_set(finding: Finding, _impacts: Impacts) -> bool:
    return finding.change is not None and finding.change.kind in ("added", "removed")


def _source(finding: Finding) -> str:
    return finding.change.name if finding.change is not None else ""


RULES: dict[RuleName, Rule] = {
    "security": Rule("a security update of what is in the image", _is_security),
    "security-reboot": Rule("a security update that needs a reboot or a new instance", _needs_more),
    "security-critical": Rule("a security update that cannot wait", _is_critical),
    "packages": Rule("a source package that comes new into the image, or leaves", _changes_the_set),
    "config-space": Rule(
        "any change of the classes' files and settings", lambda each, _: each.kind == "config-space"
    ),
    "builder": Rule("another version of fai-forge", lambda each, _: each.kind == "builder"),
    "point-release": Rule(
        "another point release of the distribution", lambda each, _: each.kind == "point-release"
    ),
    "new-month": Rule(
        "a new month (UTC), if anything at all changed", lambda each, _: each.kind == "month"
    ),
    # A new month by itself changes nothing.
    "anything": Rule("any difference at all", lambda each, _: each.kind != "month"),
}


def counting(finding: Finding, policy: Policy, impacts: Impacts) -> RuleName | None:
    """The first rule of the policy for which a difference is enough; None if there is none."""
    return next((name for name in policy.when if RULES[name].counts(finding, impacts)), None)
