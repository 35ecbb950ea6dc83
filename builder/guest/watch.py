# SPDX-License-Identifier: GPL-2.0-or-later
"""Waiting for a guest while its console is watched; one that is lost is given up at once.

What was wrong with it is asked of it before it goes (`builder.guest.postmortem.diagnosis`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence

from builder.errors import CheckError, InfrastructureError
from builder.guest import console
from builder.guest.domain import GuestSpec
from builder.guest.hypervisor import Domain
from builder.guest.machines import machine
from builder.guest.postmortem import agent, serial
from builder.guest.postmortem.diagnosis import Way, diagnose
from builder.guest.postmortem.evidence import Diagnosis

log = logging.getLogger(__name__)

POLL_SECONDS = 0.5
# How often a guest that may still get ready is asked whether it ever will.
LOOK_SECONDS = 15.0
# A bad line may not be complete when it is seen, and others may follow.
LAST_WORDS_SECONDS = 1.0
# What the initramfs' shell of Debian shows.
PROMPT = "(initramfs)"
# The kernel's module for each kind of disk.
DRIVERS = {"virtio": "virtio_blk", "scsi": "virtio_scsi", "sata": "ahci"}


class Watch:
    """Waits for one guest; `patience` is how long one answer of it may take, in seconds."""

    def __init__(self, spec: GuestSpec, domain: Domain, patience: float) -> None:
        self._spec = spec
        self._domain = domain
        self._patience = patience
        self._looked = time.monotonic()
        self._given_up: CheckError | None = None

    def require_hope(self) -> None:
        """Raise CheckError where the guest was given up before: nobody waits for it again."""
        if self._given_up is not None:
            raise CheckError(
                f"the guest was given up before: {self._given_up.message}",
                hint="the first test that failed tells more",
            )

    def text(self) -> str:
        """All that the console showed so far, without terminal escapes."""
        return console.read(self._spec.console)

    def wait(self, what: str, seconds: float, condition: Callable[[], bool]) -> None:
        """Poll until the condition holds; CheckError, with the reason, for a guest that is lost.

        Lost is one that ended, whose console shows a fatal line, or that says itself that what is
        waited for will not come.
        """
        deadline = time.monotonic() + seconds
        self._looked = time.monotonic()
        while not condition():
            if not self._domain.active():
                raise self.failure(f"{what}: it stopped running")
            fatal = [hit for hit in console.search(self.text()) if hit.fatal]
            if fatal:
                time.sleep(LAST_WORDS_SECONDS)
                raise self._lost(what, otherwise=f"{what}: {fatal[0]}")
            if time.monotonic() - self._looked > LOOK_SECONDS:
                if lost := self._diagnose(alive=True):
                    raise self.failure(f"{what}: {lost.cause}", lost)
                self._looked = time.monotonic()
            if time.monotonic() > deadline:
                raise self.timeout(what, seconds)
            time.sleep(POLL_SECONDS)

    def timeout(self, what: str, seconds: float) -> CheckError:
        """The error for something that took too long, with the reason where one is found."""
        late = f"{what} within {seconds:.0f} s"
        return self._lost(late, otherwise=late)

    def failure(self, what: str, found: Diagnosis | None = None, text: str = "") -> CheckError:
        """The error for something that the guest did not do; after it the guest is given up.

        `text` is the console as it was before the guest was asked, where it was.
        """
        told = f"{found.told}\n" if found else ""
        end = console.tail(text or self.text())
        self._given_up = CheckError(
            f"the guest ({self._spec.firmware}, {self._spec.accel}) did not {what}",
            hint=f"{told}the console's end, from {self._spec.console}:\n{end}",
        )
        return self._given_up

    def _lost(self, what: str, otherwise: str) -> CheckError:
        """The error for a guest that will not get ready, with the reason where one is found."""
        text = self.text()
        found = self._diagnose()
        return self.failure(f"{what}: {found.cause}" if found else otherwise, found, text)

    def _diagnose(self, *, alive: bool = False) -> Diagnosis | None:
        bus = machine(self._spec.arch).disk_bus
        return diagnose(self.text(), self._ask, DRIVERS.get(bus, bus), alive=alive)

    def _ask(self, way: Way, questions: Sequence[str]) -> Mapping[str, str]:
        """Put questions to a guest that lets nobody in; those without an answer are left out."""
        log.info("asking %s: %s", way.value, "; ".join(questions))
        return {Way.SHELL: self._ask_shell, Way.AGENT: self._ask_agent}[way](questions)

    def _ask_shell(self, questions: Sequence[str]) -> dict[str, str]:
        try:
            with self._domain.keyboard() as keyboard:
                return serial.ask(keyboard, self.text, PROMPT, questions, self._patience)
        except InfrastructureError as error:
            log.warning("%s", error)
            return {}

    def _ask_agent(self, questions: Sequence[str]) -> dict[str, str]:
        deadline = time.monotonic() + self._patience
        answers = {}
        for question in questions:
            left = deadline - time.monotonic()
            told = agent.execute(self._domain.ask_agent, question, left)
            if told is None:
                break
            answers[question] = told.strip()
        return answers
