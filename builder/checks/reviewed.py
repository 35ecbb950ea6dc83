# SPDX-License-Identifier: GPL-2.0-or-later
"""What somebody has looked at and found right in any image: `reviewed.yaml` beside this module."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

from builder import documents
from builder.classes.offline import Account, Glob

PATH = Path(__file__).with_name("reviewed.yaml")

Reason = Annotated[str, StringConstraints(pattern=r"^\S[^\n]*$")]


class Reviewed(BaseModel):
    """Programs with another's rights, accounts, and owners, each with the reason why it may be."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    setuid: dict[Glob, Reason]
    users: dict[Account, Reason]
    owners: dict[Glob, Reason]


@cache
def reviewed() -> Reviewed:
    """The lists for all images; classes add to them in tests/offline.yaml."""
    text = documents.read_text(PATH, missing="it is part of fai-forge")
    return documents.parse(Reviewed, text, PATH)
