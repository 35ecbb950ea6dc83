# SPDX-License-Identifier: GPL-2.0-or-later
"""A nightly of one tiny image, killed, ended, gone on with, and with nothing to do in the end.

All is real but the boot: that image has no boot loader. Its boots are written into the manifest by
the test, and the nightly takes them for done.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from builder.manifest import document
from builder.manifest.model import Verdict
from builder.nightly.folder import load
from builder.nightly.model import NightlyRun
from builder.planning.record import Record
from builder.store import keys, reading
from builder.store.folder import FolderPlace
from builder.store.memory import Memory
from tests.integration.harness import (
    NAME,
    PATIENCE,
    ROOT,
    Forge,
    Running,
    ended,
    gone,
    pid_namespaces,
)
from tests.integration.signing import key_home

JOB = "https://ci.example.org/jobs/7"
# A BIOS says nothing on the console, so a guest without a boot loader is waited for.
BIOS = ("--firmware", "bios")


@pytest.fixture
def nightly(forge: Forge, variant: Callable[[Mapping[str, str]], Path]) -> Iterator[Forge]:
    """A project with one listed image, and a key that signs its store."""
    project = variant({})
    file = yaml.safe_load((ROOT / "images.yaml").read_text())
    file["images"] = [{"name": NAME, "formats": ["qcow2"]}]
    (project / "images.yaml").write_text(yaml.safe_dump(file))
    with key_home() as home:
        key = home.make("images@example.org")
        env = ((keys.KEY_VARIABLE, key), ("CI_JOB_URL", JOB))
        yield replace(forge, project=project, env=env)


def start(nightly: Forge, *more: str) -> Running:
    store = str(nightly.out / "store")
    return nightly.start("nightly", "--out", str(nightly.out), "--store", store, *more)


def call(nightly: Forge, *more: str) -> int:
    with ended(start(nightly, *more)) as running:
        code = running.end()
        print(running.text)
        return code


def run_of(nightly: Forge, name: str) -> NightlyRun:
    found = load(nightly.out / "nightly" / name / "nightly.json")
    assert found is not None
    return found


def wait_for(path: Path, text: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not (path.exists() and text in path.read_text()):
        assert time.monotonic() < deadline, f"{path} never had {text!r}"
        time.sleep(0.05)


def workers(out: Path) -> list[str]:
    """The command lines of processes that are about a folder of builds."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if str(out).encode() in words and int(entry.name) != os.getpid():
            found.append(b" ".join(words).decode())
    return found


def nobody_is_left(nightly: Forge, running: Running) -> None:
    """All that was started ends soon, although nobody waits for it."""
    assert gone(running)
    deadline = time.monotonic() + PATIENCE
    while workers(nightly.out):
        assert time.monotonic() < deadline, workers(nightly.out)
        time.sleep(0.05)


def test_from_a_killed_nightly_to_one_with_nothing_to_do(nightly: Forge) -> None:
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    folder = nightly.out / "nightly" / day

    # Killed while it builds: the build ends, too.
    with ended(start(nightly)) as running:
        running.until(f"{NAME}: build")
        wait_for(folder / f"{NAME}.build.log", "Installing with FAI")
        running.namespaces |= pid_namespaces(running.process.pid)
        assert running.namespaces
        assert len(workers(nightly.out)) > 1
        running.process.send_signal(signal.SIGKILL)
        running.process.wait()
        nobody_is_left(nightly, running)
    killed = run_of(nightly, day)
    assert (killed.images[0].outcome, killed.exit_code) == ("running", None)
    assert "debian-13" in (folder / "index.html").read_text()

    # Ended while it boots, after one more build; no other may begin meanwhile.
    with ended(start(nightly, *BIOS, "--accel", "tcg")) as running:
        running.until(f"{NAME}: boot")
        assert call(nightly) == 4
        running.process.send_signal(signal.SIGTERM)
        assert running.end() == 130, running.text
        nobody_is_left(nightly, running)
    stopped = run_of(nightly, day)
    assert (stopped.calls, stopped.exit_code) == (2, 130)
    assert [(each.name, each.outcome) for each in stopped.images[0].steps] == [
        ("build", "done"),
        ("boot", "interrupted"),
    ]

    # What it waits for is written down, and it is published.
    (path,) = nightly.out.glob(f"{NAME}/*/*.manifest.json")
    built = document.load(path)
    assert built.build.job_link == JOB
    assert built.decision is not None
    assert [each.kind for each in built.decision.reasons] == ["first"]
    boots = (Verdict(name="bios", verdict="passed"),)
    path.write_text(document.dump(built.model_copy(update={"boots": boots})))
    assert call(nightly, *BIOS) == 0
    done = run_of(nightly, day)
    (image,) = done.images
    assert (done.calls, done.job_link, image.outcome) == (3, JOB, "published")
    assert [(each.name, each.outcome) for each in image.steps] == [
        ("build", "kept"),
        ("boot", "kept"),
        ("publish", "done"),
    ]
    assert image.checks is not None
    assert (image.checks.failed, image.checks.as_predicted) == ((), True)
    assert {(each.name, each.outcome) for each in done.store_steps} == {
        ("promote", "done"),
        ("expire", "done"),
        ("site", "done"),
    }
    trusted = keys.Signer(dict(nightly.env)[keys.KEY_VARIABLE]).keyring()
    place = FolderPlace(nightly.out / "store")
    index = reading.read(place, trusted, Memory(nightly.out / "memory"), datetime.now(UTC))
    ((published,),) = (entry.builds for entry in index.series)
    assert (published.serial, published.unverified) == (image.serial, ())
    assert [each.tag for each in published.tags] == [f"{datetime.now(UTC):%Y%m}"]

    # Nothing is to be done, and that is said; a dry run does not even note it.
    notes = [each.answer for each in Record(nightly.out / "decisions").of(NAME)]
    assert call(nightly, "--dry-run", "--exit-code") == 5
    assert [each.answer for each in Record(nightly.out / "decisions").of(NAME)] == notes
    assert call(nightly, "--exit-code") == 5
    idle = run_of(nightly, f"{day}.1")
    assert [(each.outcome, each.why) for each in idle.images] == [("skipped", "nothing changed")]
    assert idle.images[0].steps == ()
    # The page of the image says so, too: the last decision is that of tonight.
    assert "nothing changed" in (nightly.out / "store" / NAME / "index.html").read_text()


def test_the_mirror_is_down(nightly: Forge) -> None:
    """Nobody knows what changed: nothing is built, and it is loud."""
    dead = "http://127.0.0.1:9/debian"
    assert call(nightly, "--mirror", dead, "--security-mirror", dead) == 6
    run = run_of(nightly, f"{datetime.now(UTC):%Y-%m-%d}")
    (image,) = run.images
    assert (image.outcome, image.steps, run.exit_code) == ("unknown", (), 6)
    assert {each.outcome for each in run.store_steps} == {"left-out"}
    assert not (nightly.out / "store").exists()
