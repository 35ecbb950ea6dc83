# SPDX-License-Identifier: GPL-2.0-or-later
"""Typing into a console: what the shell there answers, and what is done where none does."""

from __future__ import annotations

import re

import pytest

from builder.guest.postmortem import serial
from builder.guest.postmortem.serial import WOULD_BLOCK, Keyboard, ask

ANSWERS = {"cat /proc/partitions": "major minor  #blocks  name\n", "blkid": ""}


class Shell:
    """A stream of libvirt with a shell behind it, which writes back what is typed."""

    def __init__(self, *, prompt: str = "(initramfs) ", mute_after: int = 99) -> None:
        self.log = f"ALERT!\n{prompt}"
        self.typed = ""
        self.unread = 0
        self.mute_after = mute_after

    def send(self, data: bytes) -> int:
        """Take ten bytes at a time, as a full buffer does."""
        if self.unread:
            return WOULD_BLOCK
        text = data[:10].decode()
        self.typed += text
        self._say(text)
        if text.endswith("\n"):
            self._obey(self.typed)
            self.typed = ""
        return len(text)

    def recv(self, size: int) -> bytes | int:
        """What was written since, which is in the log as well."""
        taken = min(size, self.unread)
        self.unread -= taken
        return b"x" * taken if taken else WOULD_BLOCK

    def _say(self, text: str) -> None:
        self.log += text
        self.unread += len(text)

    def _obey(self, line: str) -> None:
        match = re.fullmatch(r"echo (\S+); (.*); echo (\S+)\n", line)
        assert match
        begin, command, end = match.groups()
        if self.mute_after == 0:
            return
        self.mute_after -= 1
        self._say(f"{begin}\n{ANSWERS[command]}{end}\n(initramfs) ".replace("'", ""))


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serial, "POLL_SECONDS", 0)


def test_each_command_has_its_answer() -> None:
    shell = Shell()
    answers = ask(Keyboard(shell), lambda: shell.log, "(initramfs)", tuple(ANSWERS), 5)
    assert answers == {"cat /proc/partitions": "major minor  #blocks  name", "blkid": ""}


def test_without_a_prompt_nothing_is_typed() -> None:
    shell = Shell(prompt="")
    assert ask(Keyboard(shell), lambda: shell.log, "(initramfs)", tuple(ANSWERS), 0.05) == {}
    assert shell.log == "ALERT!\n"


def test_a_shell_that_stops_answering_is_left() -> None:
    shell = Shell(mute_after=1)
    answers = ask(Keyboard(shell), lambda: shell.log, "(initramfs)", tuple(ANSWERS), 0.05)
    assert list(answers) == ["cat /proc/partitions"]
