# SPDX-License-Identifier: GPL-2.0-or-later
"""Channels as `images.yaml` writes them: what is published for how long.

A build is published into one channel, and is found there until it is hidden; its files are there
until it is removed. `builder.store.retention` does what is said here.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from builder.spans import Span


def _no_other_folder(name: str) -> str:
    if name == "latest":
        raise ValueError("a channel cannot be called latest, which is another folder of the store")
    return name


# It is part of a path in the store.
ChannelName = Annotated[
    str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,31}$"), AfterValidator(_no_other_folder)
]


class Channel(BaseModel):
    """How long the builds of one channel are kept."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    summary: Annotated[str, StringConstraints(pattern=r"^\S[^\n]*$")]
    """What is published there, in one line."""
    hide_after: Span | None = None
    """Older builds are found only by who knows their serial; such as 14d."""
    delete_after: Span | None = None
    """The files of older builds are removed; such as 60d."""
    keep_until: Literal["end-of-life"] | None = None
    """Builds are kept until nobody makes security updates for their release any more."""
    grace: Span | None = None
    """How long after that day they are still kept; such as 90d."""
    keep_last: Annotated[int, Field(ge=1)] | None = None
    """How many builds of each series are kept, the newest ones; older ones are removed."""

    @property
    def released(self) -> bool:
        """Whether its builds live as long as their release."""
        return self.keep_until is not None

    @model_validator(mode="after")
    def _one_way_to_end(self) -> Channel:
        ways = (self.delete_after, self.keep_until, self.keep_last)
        if sum(way is not None for way in ways) != 1:
            raise ValueError("one of delete_after, keep_until and keep_last is needed, and no two")
        if self.grace is not None and self.keep_until is None:
            raise ValueError("grace needs keep_until: end-of-life")
        if self.hide_after is not None and self.delete_after is None:
            raise ValueError("hide_after needs delete_after")
        if self.hide_after and self.delete_after and self.hide_after > self.delete_after:
            raise ValueError("hide_after must not be longer than delete_after")
        return self


# What there is where images.yaml has no `channels:`.
DEFAULTS: Final[Mapping[str, Channel]] = MappingProxyType(
    {
        "release": Channel.model_validate(
            {
                "summary": "Finished images of a finished release",
                "keep_until": "end-of-life",
                "grace": "90d",
            }
        ),
        "daily": Channel.model_validate(
            {
                "summary": "Made often, for who tries what comes next",
                "hide_after": "14d",
                "delete_after": "60d",
            }
        ),
        "upstream": Channel.model_validate(
            {"summary": "Images that their distributions made", "keep_last": 3}
        ),
    }
)
