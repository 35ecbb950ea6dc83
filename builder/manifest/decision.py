# SPDX-License-Identifier: GPL-2.0-or-later
"""The decision whether an image is published anew, as a document: the answer, and every reason.

It goes into the manifest of the build that it caused, and into a log where it caused none.
After a change of the model: `python -m builder.manifest.schema decision >
schema/decision.schema.json`.
"""

from __future__ import annotations

from typing import Final, Literal

from builder.manifest.parts import API_VERSION, Part, Serial, Series, Text, Time

KIND: Final = "Decision"

Answer = Literal["publish", "skip", "unknown"]
# What a reason is about.
ReasonKind = Literal[
    "first",
    "forced",
    "security",
    "upgrade",
    "rebuilt",
    "downgrade",
    "added",
    "removed",
    "config-space",
    "builder",
    "point-release",
    "age",
    "month",
    "interval",
    "archive",
    "store",
]
# What it did to the answer: it asks for a new image, it holds that back, it leaves the answer
# open, or the policy does not look at it.
Effect = Literal["publish", "hold", "unknown", "noted"]
# What an update of a package only reaches by: a restart of the machine, or a new instance.
Impact = Literal["reboot", "instance"]


class Advisory(Part):
    """A security advisory, or a vulnerability without one, that a change fixes."""

    id: Text
    """The advisory's number, such as DSA-5800-1; the CVE's own where no advisory has it."""
    cves: tuple[Text, ...] = ()
    """The vulnerabilities that it fixes."""
    urgency: str = ""
    """The highest urgency that the security tracker gives them; empty where it gives none."""


class Reason(Part):
    """One thing that speaks for a new image, against it, or that nothing was made of."""

    kind: ReasonKind
    effect: Effect
    rule: str = ""
    """The rule of the policy that looked at it, as `images.yaml` writes it; empty if none did."""
    package: Text | None = None
    """The source package, where it is about one."""
    binaries: tuple[Text, ...] = ()
    """The binary packages of the image that come from it."""
    old: Text | None = None
    """What is published: a version or a digest."""
    new: Text | None = None
    """What a build would have."""
    impact: Impact | None = None
    """What the change needs to take effect."""
    advisories: tuple[Advisory, ...] = ()
    """What it fixes, where the advisories are known."""
    text: Text
    """The reason in one phrase."""
    detail: str = ""
    """What else is known, such as apt's own words; often nothing."""


class Published(Part):
    """The published build that was looked at."""

    serial: Serial
    date: Time
    """When it was built."""


class Decision(Part):
    """Whether an image is published anew, and why."""

    api_version: Literal["fai-forge/v1"] = API_VERSION
    kind: Literal["Decision"] = KIND
    name: Series
    """The image."""
    date: Time
    """When it was decided."""
    policy: Text
    """The policy that decided."""
    answer: Answer
    published: Published | None = None
    """What was published then; null where nothing was, or nobody could know."""
    reasons: tuple[Reason, ...] = ()
    """All reasons, those that made the answer first; none means that nothing changed."""


class Decisions(Part):
    """What `fai-forge plan --json` prints."""

    decisions: tuple[Decision, ...]
    """One decision for each image that was asked for, in that order."""
