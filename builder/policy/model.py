# SPDX-License-Identifier: GPL-2.0-or-later
"""Policies as `images.yaml` writes them: a few rules each, a maximum age, a minimum interval."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from builder.manifest.decision import Impact
from builder.spans import Span

# What a policy may ask for; `builder.policy.rules` has what each looks at.
RuleName = Literal[
    "security",
    "security-reboot",
    "security-critical",
    "packages",
    "config-space",
    "builder",
    "point-release",
    "new-month",
    "anything",
]
# A source package, or a shell pattern of source packages.
SourcePattern = Annotated[str, StringConstraints(pattern=r"^[a-z0-9*?\[][a-z0-9+.*?\[\]-]*$")]
Line = Annotated[str, StringConstraints(pattern=r"^\S[^\n]*$")]


class Policy(BaseModel):
    """When an image is published anew."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    summary: Line
    """What it does, in one line."""
    when: Annotated[tuple[RuleName, ...], Field(min_length=1)]
    """Any one of these is enough."""
    max_age: Span | None = None
    """A build that is older is made anew, whatever else; such as 90d."""
    min_interval: Span | None = None
    """A younger build is left as it is, unless for security-critical; such as 12h."""


class Impacts(BaseModel):
    """Which source packages an update of which takes more than the update."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    reboot: tuple[SourcePattern, ...] = ()
    """What runs until the machine starts again: the kernel, the C library, systemd."""
    instance: tuple[SourcePattern, ...] = ()
    """What acts when an instance starts for the first time, such as cloud-init."""
    critical: tuple[SourcePattern, ...] = ()
    """What anybody on the network talks to before they are known, or every program uses."""

    NAMES: ClassVar[tuple[Impact, ...]] = ("reboot", "instance")

    def of(self, source: str) -> Impact | None:
        """What an update of a source package needs to take effect; None: nothing more."""
        for name in self.NAMES:
            if _matches(source, getattr(self, name)):
                return name
        return None

    def is_critical(self, source: str) -> bool:
        """Whether its security updates do not wait."""
        return _matches(source, self.critical)


def _matches(source: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(source, pattern) for pattern in patterns)
