# SPDX-License-Identifier: GPL-2.0-or-later
"""The part of our pytest plugin that watches: it tells how far a boot is, and keeps what it leaves.

Each start is asked about before the guest reboots or powers off, and, whatever happened, before it
is taken away; the screenshot is that of the first failure.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from builder.errors import ForgeError
from builder.guest import progress, screenshot, startlogs
from builder.guest.guest import Guest
from builder.guest.machines import machine
from builder.guest.progress import Event
from builder.guest.session import INTERRUPTED_EXIT, MODULE_PROPERTY
from builder.rundir import KEEP

log = logging.getLogger(__name__)

# What the plugin of a session is called.
WITNESS = "fai-forge-witness"


class Witness:
    """Hooks of one session; `say` writes a line of progress, `folder` is where evidence goes."""

    def __init__(
        self,
        say: Callable[[str], None],
        folder: Path | None,
        *,
        keep: bool,
    ) -> None:
        self._say = say
        self._folder = folder
        self._keep = keep
        self._begin = time.monotonic()
        self._guest: Guest | None = None
        self._boots: list[str] = []
        self._total = 0
        # The verdict on each test by its node id, and what reports call it.
        self._done: dict[str, bool] = {}
        self._names: dict[str, str] = {}
        self._shot = False
        self._lost = False
        self._interrupted = False

    def started(self, guest: Guest) -> None:
        """The guest's machine runs; of an earlier try nothing counts."""
        self._guest = guest
        self._begin = time.monotonic()
        self._boots.clear()
        self._shot = self._lost = False
        guest.before_leaving = self._collect
        self.reached("machine")

    def reached(self, stage: str) -> None:
        """The start has come so far."""
        self._tell(Event("stage", self._seconds(), stage))

    def failed(self) -> None:
        """Something failed: keep the screen as it is, and the guest's folder if that was asked."""
        guest = self._guest
        if guest is None or self._shot:
            return
        self._shot = True
        if self._keep:
            (guest.spec.disk.parent / KEEP).touch()
            self._tell(Event("kept", self._seconds(), str(guest.spec.disk.parent)))
        # A container has neither screen nor libvirt's handle.
        screen = guest.domain.handle is not None and machine(guest.arch).video is not None
        if self._folder is None or not screen or not guest.domain.active():
            return
        try:
            screenshot.take(guest.domain.handle, self._folder, guest.firmware)
        except (ForgeError, OSError) as error:
            log.warning("%s", error)

    def ending(self, guest: Guest, *, ready: bool) -> None:
        """The guest is about to be taken away."""
        if not ready:
            self._lost = True
            self.failed()
        elif guest.domain.active():
            self._collect()

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Count the tests that are left."""
        self._total = len(items)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A phase of a test has ended."""
        module = dict(report.user_properties).get(MODULE_PROPERTY, "")
        self._names[report.nodeid] = f"{module}::{report.nodeid.partition('::')[2]}"
        self._done[report.nodeid] = self._done.get(report.nodeid, True) and report.passed
        if not report.passed:
            self.failed()

    @pytest.hookimpl(wrapper=True)
    def pytest_report_teststatus(
        self, config: pytest.Config
    ) -> Generator[None, tuple[Any, ...], tuple[Any, ...]]:
        """Our line says what pytest's dot would, which has no line of its own."""
        status = yield
        return status if config.get_verbosity() > 0 else (status[0], "", "")

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """A test has ended; without a guest they all fail, which says nothing."""
        if self._lost:
            return
        name = self._names.get(nodeid, nodeid)
        number, passed = len(self._done), self._done.get(nodeid, False)
        self._tell(Event("test", self._seconds(), name, number, self._total, passed))

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Whoever interrupts us waits for our end, and not for evidence."""
        self._guest = None
        # pytest's own kinds of it are for files that cannot be collected.
        self._interrupted = excinfo.type is KeyboardInterrupt

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """An interrupted session has no verdict, and says so."""
        if self._interrupted:
            session.exitstatus = INTERRUPTED_EXIT

    def _collect(self) -> None:
        """Ask the guest about the start that may be about to end; starts are told by boot ids."""
        guest = self._guest
        if guest is None or self._folder is None:
            return
        try:
            boot = guest.boot_id()
        except startlogs.UNANSWERED as error:
            log.warning("the guest cannot be asked about its start: %s", error)
            return
        if boot not in self._boots:
            self._boots.append(boot)
        startlogs.collect(guest, self._folder, guest.firmware, self._boots.index(boot) + 1)

    def _seconds(self) -> float:
        return time.monotonic() - self._begin

    def _tell(self, event: Event) -> None:
        self._say(progress.line(event))


def watch(config: pytest.Config) -> None:
    """Watch a session of pytest."""
    keep = bool(config.getoption("--keep"))
    witness = Witness(_teller(config), config.getoption("--report-dir"), keep=keep)
    config.pluginmanager.register(witness, WITNESS)


def _teller(config: pytest.Config) -> Callable[[str], None]:
    """What writes a line to the terminal, also while a test's own output is captured."""

    def say(line: str) -> None:
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        capture = config.pluginmanager.get_plugin("capturemanager")
        if reporter is None:
            return
        with capture.global_and_fixture_disabled() if capture else contextlib.nullcontext():
            reporter.write_line(line)
            # Into a pipe Python would write it with the next 8 KiB.
            reporter.flush()

    return say
