# SPDX-License-Identifier: GPL-2.0-or-later
"""`verdict()`: boot an image once, run the base tests and its classes' tests in it, and report.

The tests run in a pytest of their own: it can be ended with all that it started, and its JUnit
file is the record that a CI shows.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from builder.errors import CheckError, InfrastructureError, UsageError
from builder.guest import progress
from builder.guest.accel import AUTO
from builder.guest.containers import CONTAINER
from builder.guest.guest import CLOUD_INIT
from builder.guest.machines import firmware as firmware_row
from builder.guest.progress import Event
from builder.guest.reports import leftovers
from builder.guest.reports.junit import TestResult, read_session
from builder.guest.session import (
    INFRASTRUCTURE_EXIT,
    INTERRUPTED_EXIT,
    PARENT_VARIABLE,
)
from builder.models import DEFAULT_ARCH
from builder.paths import CACHE_VARIABLE, cache
from builder.run import CommandError, run

log = logging.getLogger(__name__)

BASE_TESTS = Path(__file__).parent / "tests_base"
# Seconds for one whole session; every step in it has a shorter limit of its own.
SESSION_SECONDS = 2 * 3600.0
# What a session has to take its guest away when it is ended.
GRACE_SECONDS = 30.0
# pytest's exit codes for "all passed" and "some failed"; others mean that it could not work.
JUDGED = (0, 1)
TRIES = 2


@dataclass(frozen=True)
class BootReport:
    """What became of an image under one firmware; `seconds` is the wall-clock time of the last try.

    There is a second of `tries` where the host failed the first. `cause` says why no test could
    run, if none could; `stages` are how far the start came, and when.
    """

    firmware: str
    accel: str
    seconds: float
    tests: tuple[TestResult, ...]
    console: Path
    junit: Path
    tries: int = 1
    cause: str = ""
    stages: tuple[Event, ...] = ()

    @property
    def passed(self) -> tuple[str, ...]:
        """The names of the tests that passed."""
        return tuple(test.name for test in self.tests if test.passed)

    @property
    def failed(self) -> tuple[str, ...]:
        """The names of the tests that failed, or could not start."""
        return tuple(test.name for test in self.tests if not test.passed)

    @property
    def ok(self) -> bool:
        """Whether tests ran, and all of them passed."""
        return bool(self.tests) and not self.failed and not self.cause

    def require(self) -> None:
        """Raise CheckError, with the first failure's reason as its hint, unless all is well."""
        if self.ok:
            return
        if self.cause:
            head, _, rest = self.cause.partition("\n")
            raise CheckError(head, hint=f"{rest}\nconsole: {self.console}\nJUnit: {self.junit}")
        if not self.tests:
            raise CheckError(
                f"no test ran in the {self.firmware} guest", hint=f"look at {self.junit}"
            )
        first = next(test for test in self.tests if not test.passed)
        raise CheckError(
            f"{len(self.failed)} of {len(self.tests)} tests failed in the {self.firmware} guest: "
            + ", ".join(self.failed),
            hint=f"{first.message.strip()}\nconsole: {self.console}\nJUnit: {self.junit}",
        )


def verdict(
    image: Path,
    *,
    report_dir: Path,
    arch: str = DEFAULT_ARCH,
    firmware: str = "bios",
    accel: str = AUTO,
    login: str = CLOUD_INIT,
    timeout_factor: float = 1.0,
    tests: Sequence[Path] = (),
    reviewed: Sequence[Path] = (),
    debs: Sequence[Path] = (),
    keep: bool = False,
    twin: bool = True,
    on_event: Callable[[Event], None] = lambda _event: None,
) -> BootReport:
    """Boot `image` and run the base tests and `tests` (files or folders of classes) in the guest.

    `reviewed` are lists of errors that may be in the journal. `debs` come as security updates
    before the reboot, which shows that an upgraded kernel still boots. With `twin`, a second guest
    shows that it calls itself by other names and keys. `report_dir` gets what
    `builder.guest.reports.leftovers` lists; `keep` keeps the guest's own folder if a test fails;
    `on_event` is told how far the boot is, in the thread of the caller.
    Failing tests are in the report; InfrastructureError, after one more try, where the host fails.
    """
    for module in ("pytest", "testinfra"):
        if importlib.util.find_spec(module) is None:
            raise InfrastructureError(
                f"the Python module {module} is not there; tests of a booted image need it",
                hint="pip install 'fai-forge[boot]', or apt-get install python3-testinfra",
            )
    if firmware != CONTAINER:
        firmware_row(arch, firmware)
    if not image.is_file():
        raise UsageError(
            f"there is no image {image}", hint="fai-forge build NAME makes one under out/"
        )
    report_dir.mkdir(parents=True, exist_ok=True)
    argv = [
        *(sys.executable, "-m", "pytest", "-p", "builder.guest.plugin"),
        *("-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", BASE_TESTS),
        *("--strict-markers", "--import-mode=importlib", "-q", "-ra", "--tb=short"),
        *("-o", "console_output_style=classic"),
        *("--image", image.resolve(), "--arch", arch, "--firmware", firmware, "--accel", accel),
        *("--login", login),
        *("--timeout-factor", str(timeout_factor), "--report-dir", report_dir),
        *(("--keep",) if keep else ()),
        *(() if twin else ("--no-twin",)),
        *(word for path in reviewed for word in ("--reviewed-errors", path)),
        *(word for deb in debs for word in ("--deb", deb.resolve())),
        f"--junitxml={report_dir / f'boot-{firmware}.xml'}",
        *(BASE_TESTS, *tests),
    ]
    for number in range(1, TRIES + 1):
        try:
            return replace(_session(argv, report_dir, firmware, accel, on_event), tries=number)
        except InfrastructureError as error:
            if number == TRIES:
                raise
            log.warning("trying once more: %s\n%s", error, error.hint)
    raise AssertionError("unreachable")


def _session(
    argv: Sequence[str | Path],
    report_dir: Path,
    firmware: str,
    accel: str,
    on_event: Callable[[Event], None],
) -> BootReport:
    """Run pytest once and read its JUnit file."""
    leftovers.remove(report_dir, firmware)
    junit = report_dir / f"boot-{firmware}.xml"
    env = {
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "COLUMNS": "120",
        CACHE_VARIABLE: str(cache().root),
        PARENT_VARIABLE: str(os.getpid()),
    }
    stages: list[Event] = []

    def heard(line: str) -> None:
        event = progress.read(line)
        if event is not None:
            if event.kind == "stage":
                # Where KVM starts no kernel, another machine is started.
                if event.text == progress.STAGES[0]:
                    stages.clear()
                stages.append(event)
            on_event(event)

    begin = time.monotonic()
    with (report_dir / f"boot-{firmware}.log").open("w", buffering=1) as told:
        try:
            done = run(
                argv,
                env=env,
                timeout=SESSION_SECONDS,
                check=False,
                log_to=told,
                on_line=heard,
                grace=GRACE_SECONDS,
            )
        except CommandError as error:
            raise CheckError(error.message, hint=error.hint) from error
    if done.returncode == INTERRUPTED_EXIT:
        # Of the image it says nothing.
        raise KeyboardInterrupt
    if done.returncode < 0:
        raise InfrastructureError(
            f"the tests of the guest were killed by signal {-done.returncode}",
            hint="is there enough memory?",
        )
    if done.returncode == INFRASTRUCTURE_EXIT:
        raise InfrastructureError("the host could not run the guest", hint=done.output.strip())
    if done.returncode not in JUDGED or not junit.exists():
        raise CheckError(
            f"the tests of the guest could not run (pytest's exit code {done.returncode})",
            hint=done.output.strip(),
        )
    found = read_session(junit.read_text())
    return BootReport(
        firmware=firmware,
        accel=found.accel or accel,
        seconds=time.monotonic() - begin,
        tests=found.tests,
        console=report_dir / f"console-{firmware}.log",
        junit=junit,
        cause=found.cause,
        stages=tuple(stages),
    )
