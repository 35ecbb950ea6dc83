# SPDX-License-Identifier: GPL-2.0-or-later
"""Typing into a guest's serial console, where a shell waits, and reading what it answers.

The answer is read from the console's log, which has everything: it then also shows what we asked.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

POLL_SECONDS = 0.1
CHUNK = 1 << 16
# What libvirt's recv() and send() return where they would have to wait.
WOULD_BLOCK = -2


class Keyboard:
    """An open console of a guest, as a stream of libvirt that does not block."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        """Type a text."""
        rest = text.encode()
        while rest:
            sent = self._stream.send(rest)
            if sent > 0:
                rest = rest[sent:]
            else:
                time.sleep(POLL_SECONDS)
            self.drain()

    def drain(self) -> None:
        """Take in what the guest wrote: QEMU makes it wait while nobody reads what is connected."""
        while self._stream.recv(CHUNK) not in (WOULD_BLOCK, b""):
            pass


def ask(
    keyboard: Keyboard,
    read: Callable[[], str],
    prompt: str,
    commands: Sequence[str],
    seconds: float,
) -> dict[str, str]:
    """What the shell that shows `prompt` answers to each command; `read` is the console so far.

    A command that got no answer in time is left out, with all that come after it.
    """
    deadline = time.monotonic() + seconds
    answers: dict[str, str] = {}

    def wait_for(text: str, offset: int = 0) -> bool:
        while text not in read()[offset:]:
            if time.monotonic() > deadline:
                return False
            keyboard.drain()
            time.sleep(POLL_SECONDS)
        return True

    if not wait_for(prompt):
        return answers
    for number, command in enumerate(commands):
        # Quotes keep the marks out of the line that is typed, which is written back to us.
        begin, end = f"forge-begin-{number}\n", f"forge-end-{number}\n"
        before = len(read())
        keyboard.write(f"echo forge-'begin'-{number}; {command}; echo forge-'end'-{number}\n")
        if not wait_for(end, before):
            break
        answers[command] = read()[before:].partition(begin)[2].partition(end)[0].strip()
    return answers
