# SPDX-License-Identifier: GPL-2.0-or-later
"""`fai-forge boot`: what is wrong usage, the command that repeats a boot, and its progress."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

import pytest

from builder import cli
from builder.builds import Built
from builder.cli import boot as verb
from builder.cli.boot_progress import Lines, watcher
from builder.cli.guests import Target
from builder.errors import InfrastructureError, UsageError
from builder.guest.progress import STAGES, Event
from tests import published
from tests.unit.boots import boot, case

BUILT = Built("debian-13", "20261121", Path("out/debian-13/20261121"))


def parsed(words: str) -> argparse.Namespace:
    return cli.parser().parse_args(["boot", *shlex.split(words)])


def target(*, built: bool = True) -> Target:
    image = Path("/srv/debian-13-20261121.qcow2")
    if not built:
        return Target(image, "amd64", "cloud-init")
    return Target(image, "amd64", "cloud-init", BUILT, published.manifest())


@pytest.mark.parametrize(
    ("words", "built", "repeats"),
    [
        # The build is named as the one that it was, and what was chosen for this call is left out.
        ("debian-13", True, "boot debian-13-20261121"),
        ("trixie --firmware uefi --jobs 2 --keep --json", True, "boot debian-13-20261121"),
        (
            "debian-13 --accel tcg --timeout-factor 2.5 --out /srv/o --reinstall-kernel",
            True,
            "boot debian-13-20261121 --accel tcg --timeout-factor 2.5 --out /srv/o"
            " --reinstall-kernel",
        ),
        (
            "debian-13 --overlay a --overlay 'b c' --site s.yaml --report-dir r",
            True,
            "boot debian-13-20261121 --site s.yaml --report-dir r --overlay a --overlay 'b c'",
        ),
        (
            "./x.qcow2 --arch arm64 --login credentials --out o",
            False,
            "boot /srv/debian-13-20261121.qcow2 --arch arm64 --login credentials",
        ),
    ],
)
def test_the_command_that_repeats(words: str, built: bool, repeats: str) -> None:
    assert shlex.join(verb._words(parsed(words), target(built=built))) == repeats


def test_each_kind_is_tried_once() -> None:
    trials = verb._trials(parsed("debian-13 --firmware bios --firmware bios"), target())
    assert [trial.kind for trial in trials] == ["bios"]
    with pytest.raises(UsageError, match="there is no firmware floppy for amd64"):
        verb._trials(parsed("debian-13 --firmware floppy"), target())


def test_a_file_has_no_earlier_build() -> None:
    assert verb._earlier(parsed("./x.qcow2"), target(built=False)) is None
    with pytest.raises(UsageError, match="--against compares builds"):
        verb._earlier(parsed("./x.qcow2 --against /srv/images"), target(built=False))


def test_a_store_that_is_named_must_be_there(tmp_path: Path) -> None:
    assert verb._earlier(parsed(f"debian-13 --out {tmp_path}/none"), target()) is None
    with pytest.raises(UsageError, match="there is no store"):
        verb._earlier(parsed(f"debian-13 --against {tmp_path}/none"), target())


@pytest.mark.parametrize("jobs", ["0", "-1", "two"])
def test_a_number_of_jobs(jobs: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed(f"debian-13 --jobs={jobs}")
    assert "--jobs" in capsys.readouterr().err


def test_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    shown = watcher(["bios", "secureboot"])
    assert isinstance(shown, Lines)
    shown.started("bios")
    shown.event("bios", Event("stage", 1.0, STAGES[1]))
    for number in range(1, 13):
        name = f"m::test_{number}"
        shown.event("bios", Event("test", 2.0, name, number, 12, number != 3))
    shown.event("bios", Event("kept", 2.0, "/kept"))
    shown.ended(boot(case("m::a"), name="bios"))
    shown.broke("secureboot", InfrastructureError("libvirt does not answer"))
    shown.finish()
    told = [line.partition("] ")[2] for line in capsys.readouterr().err.splitlines()]
    assert told == [
        "bios        starts; to come: machine, kernel, host keys, SSH, settled, tests",
        "bios        kernel",
        "bios        test 3 of 12 failed: m::test_3",
        "bios        test 10 of 12",
        "bios        test 12 of 12",
        "bios        its folder is kept: /kept",
        "bios        passed, 1 of 1 test passed under tcg",
        "secureboot  no verdict: libvirt does not answer",
    ]
