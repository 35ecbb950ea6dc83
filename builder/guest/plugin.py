# SPDX-License-Identifier: GPL-2.0-or-later
"""A pytest plugin: one guest for all tests of a session, and testinfra's `host` in front of it.

    pytest -p builder.guest.plugin --image debian-13.qcow2 --firmware uefi tests/

`guest` is a `builder.guest.guest.Guest`, `host` a testinfra host on the same connection. Tests run
in the order of their `guest_stage` marks, so that those which reboot or end the guest come last.
A host that fails us ends the session with `INFRASTRUCTURE_EXIT`. What else tests can ask for is in
`builder.guest.fixtures`.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from builder.classes.reviewed_errors import FILE
from builder.errors import ForgeError, InfrastructureError
from builder.guest.accel import AUTO, CHOICES
from builder.guest.boot import boot
from builder.guest.containers import CONTAINER
from builder.guest.containers.container import container
from builder.guest.guest import CLOUD_INIT, LOGINS, Guest
from builder.guest.session import (
    ACCEL_PROPERTY,
    CAUSE_PROPERTY,
    INFRASTRUCTURE_EXIT,
    MODULE_PROPERTY,
    PARENT_VARIABLE,
)
from builder.guest.twin import Twin
from builder.guest.witness import WITNESS, watch
from builder.models import DEFAULT_ARCH

# Ordinary tests of a class run as "settled"; the later a stage, the more of the guest it changes.
STAGES = ("settled", "changed", "reboot", "rebooted", "off")


# testinfra's own plugin; its `host` is the machine that pytest runs on unless told otherwise, and
# would win over ours.
RIVAL = "pytest11.testinfra"

# More fixtures.
pytest_plugins = ("builder.guest.fixtures",)
# The second guest of the session.
TWIN = pytest.StashKey[Twin]()


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """The options of a session, and `host` for ourselves."""
    pluginmanager.set_blocked(RIVAL)
    group = parser.getgroup("fai-forge", "guests of fai-forge")
    group.addoption("--image", type=Path, help="the disk, or tree, to boot (it is not written to)")
    group.addoption("--arch", default=DEFAULT_ARCH, help="its architecture, as Debian calls it")
    group.addoption("--firmware", default="bios", help="bios, uefi, secureboot, container")
    group.addoption("--accel", default=AUTO, choices=CHOICES, help="kvm, tcg, or what works")
    group.addoption("--login", default=CLOUD_INIT, choices=LOGINS, help="the way in")
    group.addoption("--timeout-factor", type=float, default=1.0, help="multiplies time limits")
    group.addoption("--report-dir", type=Path, help="where console, journals and the like are kept")
    group.addoption("--keep", action="store_true", help="keep the guest's folder if a test fails")
    group.addoption(
        "--deb",
        type=Path,
        action="append",
        default=[],
        help="a .deb that comes in a higher version as a security update before the reboot, such"
        " as the kernel (repeatable)",
    )
    group.addoption(
        "--no-twin",
        dest="twin",
        action="store_false",
        help="leave out the tests that need a second guest of the same image",
    )
    group.addoption(
        "--reviewed-errors",
        type=Path,
        action="append",
        default=[],
        help=f"a file like {FILE} (repeatable); those beside the tests are read anyway",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the mark, and end with our parent where one is named."""
    config.addinivalue_line("markers", "needs_deb: runs only where --deb names packages")
    config.addinivalue_line("markers", "needs_cloud_init: is about images that have cloud-init")
    config.addinivalue_line(
        "markers",
        "needs_machine: is about kernel, firmware, disk or QEMU's network, which no container has",
    )
    config.addinivalue_line(
        "markers", f"guest_stage(name): when to run; one of {', '.join(STAGES)}"
    )
    watch(config)
    if parent := os.environ.get(PARENT_VARIABLE):
        # pytest takes SystemExit in a test for a failure of it, and goes on; this ends the session.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        threading.Thread(target=_follow, args=(int(parent),), daemon=True).start()


def _follow(parent: int) -> None:
    """Send ourselves a SIGTERM, which unwinds the guest, once `parent` is not our parent."""
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGTERM)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Order the tests by stage, and leave their order within a stage as it is.

    Tests that need packages, where none are given, are not part of the session at all; nor are
    those about cloud-init where the image has none, about the machine of a container (which has no
    twin either), and those that need a second guest where none is wanted.
    """

    def stage(item: pytest.Item) -> int:
        mark = item.get_closest_marker("guest_stage")
        return STAGES.index(mark.args[0] if mark else "settled")

    contained = config.getoption("--firmware") == CONTAINER
    wanted = {
        "needs_deb": bool(config.getoption("--deb")),
        "needs_cloud_init": config.getoption("--login") == CLOUD_INIT,
        "needs_machine": not contained,
    }
    missing = [mark for mark, there in wanted.items() if not there]
    surplus = [
        item
        for item in items
        if any(item.get_closest_marker(mark) for mark in missing)
        or (_needs_twin(item) and (contained or not config.getoption("twin")))
    ]
    config.hook.pytest_deselected(items=surplus)
    items[:] = [item for item in items if item not in surplus]
    items.sort(key=stage)
    for item in items:
        item.user_properties.append((MODULE_PROPERTY, _module(item.path)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    call: pytest.CallInfo[None],
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Say with a failure what its error hints at, such as the console's end; JUnit keeps it."""
    report = yield
    error = call.excinfo.value if call.excinfo is not None else None
    if isinstance(error, InfrastructureError):
        pytest.exit(_told(error), returncode=INFRASTRUCTURE_EXIT)
    if isinstance(error, ForgeError) and (say := getattr(report.longrepr, "addsection", None)):
        say("what to do next", error.hint)
    return report


def _needs_twin(item: pytest.Item) -> bool:
    """Whether a test asks for the fixture `twin`."""
    return "twin" in getattr(item, "fixturenames", ())


def _module(path: Path) -> str:
    """What a report calls a file of tests: its stem, after the class that it belongs to, if any.

    pytest's own names depend on the folder that it runs in, and are empty for a single file
    outside of it.
    """
    return f"{path.parents[1].name}/{path.stem}" if path.parent.name == "tests" else path.stem


@pytest.fixture(scope="session")
def guest(
    request: pytest.FixtureRequest, record_testsuite_property: Callable[[str, object], None]
) -> Iterator[Guest]:
    """The booted image, ready; the same one for all tests of the session."""
    option = request.config.getoption
    image: Path | None = option("--image")
    if image is None:
        pytest.fail("no image to boot: give --image PATH", pytrace=False)
    try:
        with (
            _booted(image, request.config) as booted,
            Twin(image, booted, option("--timeout-factor")) as second,
        ):
            record_testsuite_property(ACCEL_PROPERTY, booted.accel)
            if any(map(_needs_twin, request.session.items)):
                second.start()
            request.config.stash[TWIN] = second
            yield booted
    except InfrastructureError as error:
        pytest.exit(_told(error), returncode=INFRASTRUCTURE_EXIT)
    except ForgeError as error:
        record_testsuite_property(CAUSE_PROPERTY, _told(error))
        pytest.fail(_told(error), pytrace=False)


def _booted(image: Path, config: pytest.Config) -> AbstractContextManager[Guest]:
    """The image as what it is to be: a container, which has no machine, or a virtual machine."""
    option = config.getoption
    witness = config.pluginmanager.get_plugin(WITNESS)
    if option("--firmware") == CONTAINER:
        return container(
            image,
            arch=option("--arch"),
            login=option("--login"),
            report_dir=option("--report-dir"),
            timeout_factor=option("--timeout-factor"),
            witness=witness,
        )
    return boot(
        image,
        arch=option("--arch"),
        firmware=option("--firmware"),
        accel=option("--accel"),
        login=option("--login"),
        report_dir=option("--report-dir"),
        timeout_factor=option("--timeout-factor"),
        witness=witness,
    )


def _told(error: ForgeError) -> str:
    """An error as a person reads it."""
    return "\n".join(filter(None, (error.message, error.hint)))


@pytest.fixture(scope="session")
def host(guest: Guest) -> Any:
    """The guest as a testinfra host: `host.service("ssh").is_running` and so on."""
    from builder.guest.infra import host_of

    return host_of(guest)


@pytest.fixture(scope="session")
def twin(guest: Guest, request: pytest.FixtureRequest) -> Twin:  # noqa: ARG001
    """A second guest of the same image, which started when the first one was ready."""
    return request.config.stash[TWIN]
