# SPDX-License-Identifier: GPL-2.0-or-later
"""What is kept of a guest, and when: before it reboots, before it goes, and when a test fails."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from builder.errors import CheckError, InfrastructureError
from builder.guest import screenshot, startlogs
from builder.guest.progress import read
from builder.guest.reports import leftovers
from builder.guest.session import INTERRUPTED_EXIT
from builder.guest.ssh import Answer
from builder.guest.witness import Witness
from builder.rundir import KEEP

GONE = CheckError("the guest was given up before")


def guest(
    folder: Path,
    run: Callable[..., Answer],
    *,
    active: bool = True,
    boots: tuple[str, ...] = ("first", "second"),
) -> Any:
    """A guest that is asked about these boots, one after the other."""
    ids = iter(boots)

    def boot_id() -> str:
        run("cat", 1.0)
        return next(ids)

    return SimpleNamespace(
        boot_id=boot_id,
        arch="amd64",
        firmware="uefi",
        run=run,
        before_leaving=lambda: None,
        domain=SimpleNamespace(active=lambda: active, handle="libvirt's"),
        spec=SimpleNamespace(disk=folder / "disk.qcow2"),
    )


def answering(command: str, _seconds: float) -> Answer:
    return Answer(0, f"said of {command.split()[0]}\n", "")


def silent(_command: str, _seconds: float) -> Answer:
    raise GONE


@pytest.fixture
def shots(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The pictures that were taken."""
    taken: list[str] = []

    def take(_domain: object, folder: Path, kind: str) -> Path:
        taken.append(kind)
        if len(taken) > 1:
            raise InfrastructureError("libvirt took no screenshot")
        return folder

    monkeypatch.setattr(screenshot, "take", take)
    return taken


def witness(folder: Path, *, keep: bool = False) -> tuple[Witness, list[str]]:
    said: list[str] = []
    return Witness(said.append, folder, keep=keep), said


def test_each_start_has_its_logs(tmp_path: Path) -> None:
    watching, _ = witness(tmp_path)
    # It did not power off when it was told to, and is asked once more.
    here = guest(tmp_path, answering, boots=("first", "second", "second"))
    watching.started(here)
    here.before_leaving()
    here.before_leaving()
    watching.ending(here, ready=True)
    found = {path.name for path, _ in leftovers.files(tmp_path, "uefi")}
    assert found == {f"{stem}-uefi-{n}.log" for stem in ("journal", "analyze") for n in (1, 2)}
    assert (tmp_path / "journal-uefi-1.log").read_text() == "said of journalctl\n"
    text = (tmp_path / "analyze-uefi-1.log").read_text()
    assert list(startlogs.sections(text)) == list(startlogs.ANALYZE.commands)
    leftovers.remove(tmp_path, "uefi")
    assert list(leftovers.files(tmp_path, "uefi")) == []


def test_a_guest_that_is_off_is_not_asked(tmp_path: Path) -> None:
    watching, _ = witness(tmp_path)
    here = guest(tmp_path, answering, active=False)
    watching.started(here)
    watching.ending(here, ready=True)
    assert list(tmp_path.iterdir()) == []


def test_a_guest_that_does_not_answer_is_no_error(tmp_path: Path) -> None:
    watching, _ = witness(tmp_path)
    here = guest(tmp_path, silent)
    watching.started(here)
    here.before_leaving()
    assert list(tmp_path.iterdir()) == []


def report(name: str, outcome: str = "passed") -> pytest.TestReport:
    made = SimpleNamespace(
        nodeid=f"../x/{name}.py::test_a[1]",
        passed=outcome == "passed",
        user_properties=[("module", f"SSHD/{name}")],
    )
    return cast(pytest.TestReport, made)


def test_the_first_failure_is_kept(tmp_path: Path, shots: list[str]) -> None:
    watching, said = witness(tmp_path, keep=True)
    watching.started(guest(tmp_path, answering))
    watching.pytest_collection_modifyitems(cast(list[pytest.Item], [1, 2]))
    for name, outcome in (("test_a", "passed"), ("test_b", "failed"), ("test_b", "failed")):
        watching.pytest_runtest_logreport(report(name, outcome))
    watching.pytest_runtest_logfinish("../x/test_b.py::test_a[1]")
    assert shots == ["uefi"]
    assert (tmp_path / KEEP).exists()
    events = [read(line) for line in said]
    assert [(event.kind, event.text) for event in events if event] == [
        ("stage", "machine"),
        ("kept", str(tmp_path)),
        ("test", "SSHD/test_b::test_a[1]"),
    ]
    assert events[-1] is not None
    assert (events[-1].number, events[-1].total, events[-1].passed) == (2, 2, False)


def test_one_that_never_got_ready_is_photographed(tmp_path: Path, shots: list[str]) -> None:
    watching, said = witness(tmp_path)
    here = guest(tmp_path, silent)
    watching.started(here)
    watching.ending(here, ready=False)
    assert shots == ["uefi"]
    # That each test fails without a guest is not told.
    watching.pytest_runtest_logreport(report("test_a", "failed"))
    watching.pytest_runtest_logfinish("../x/test_a.py::test_a[1]")
    assert [event.text for event in map(read, said) if event] == ["machine"]
    # Nobody asked for it.
    assert not (tmp_path / KEEP).exists()
    # The next try has its own, and that there is none is no error.
    watching.started(here)
    watching.ending(here, ready=False)
    assert shots == ["uefi", "uefi"]


def test_an_interrupt_is_not_kept_waiting(tmp_path: Path, shots: list[str]) -> None:
    watching, _ = witness(tmp_path)
    here = guest(tmp_path, answering)
    watching.started(here)
    with pytest.raises(KeyboardInterrupt) as caught:
        raise KeyboardInterrupt
    watching.pytest_keyboard_interrupt(caught)
    session = SimpleNamespace(exitstatus=2)
    watching.pytest_sessionfinish(cast(pytest.Session, session))
    assert session.exitstatus == INTERRUPTED_EXIT
    watching.ending(here, ready=True)
    watching.failed()
    assert list(tmp_path.iterdir()) == []
    assert shots == []


def test_a_big_text_is_compressed(tmp_path: Path) -> None:
    path = tmp_path / "journal-uefi-1.log"
    small, big = "a\n", "a\n" * startlogs.BIG
    assert startlogs.write(small, path) == path
    packed = startlogs.write(big, path)
    assert packed.name == "journal-uefi-1.log.gz"
    assert gzip.decompress(packed.read_bytes()).decode() == big
    # An older one is not taken for this boot's.
    assert {each.name for each in tmp_path.iterdir()} == {packed.name}
    startlogs.write(small, path)
    assert {each.name for each in tmp_path.iterdir()} == {path.name}
