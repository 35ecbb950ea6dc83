# SPDX-License-Identifier: GPL-2.0-or-later
"""The QEMU guest agent: commands in a guest that nobody can log in to.

It is asked over a virtio channel of the domain, so neither network nor SSH need to work.
Source: https://www.qemu.org/docs/master/interop/qemu-ga-ref.html
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable

import pydantic

# Sends one message of the agent's protocol and returns its answer; None where there is no agent.
Send = Callable[[str], str | None]
POLL_SECONDS = 0.5


class _Started(pydantic.BaseModel):
    """What guest-exec returns."""

    pid: int


class _Status(pydantic.BaseModel):
    """What guest-exec-status returns; `out` is base64."""

    exited: bool
    out: str = pydantic.Field(default="", alias="out-data")


class _StartedReply(pydantic.BaseModel):
    returned: _Started = pydantic.Field(alias="return")


class _StatusReply(pydantic.BaseModel):
    returned: _Status = pydantic.Field(alias="return")


def execute(send: Send, command: str, seconds: float) -> str | None:
    """Run a shell command in the guest and return what it said; None where nobody answers."""
    deadline = time.monotonic() + seconds
    arguments = {"path": "/bin/sh", "arg": ["-c", f"exec 2>&1; {command}"], "capture-output": True}
    try:
        reply = send(json.dumps({"execute": "guest-exec", "arguments": arguments}))
        if reply is None:
            return None
        pid = _StartedReply.model_validate_json(reply).returned.pid
        while time.monotonic() < deadline:
            asked = {"execute": "guest-exec-status", "arguments": {"pid": pid}}
            reply = send(json.dumps(asked))
            if reply is None:
                return None
            status = _StatusReply.model_validate_json(reply).returned
            if status.exited:
                return base64.b64decode(status.out).decode(errors="replace")
            time.sleep(POLL_SECONDS)
    except pydantic.ValidationError:
        return None
    return None
