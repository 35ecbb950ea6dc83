# SPDX-License-Identifier: GPL-2.0-or-later
"""Several trials of one image: each gets its verdict, whatever becomes of the others."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from builder.errors import CheckError, ForgeError, InfrastructureError
from builder.guest import verdict
from builder.guest.progress import Event
from builder.guest.promised import Tests
from builder.guest.reports.junit import TestResult
from builder.guest.reports.report import Boot
from builder.guest.reports.text import kept
from builder.guest.trials import Order, Outcome, Trial, boot_all, digest
from builder.guest.verdict import BootReport
from builder.manifest.model import File
from tests import published
from tests.unit.boots import boot, case
from tests.unit.boots import report as document

PAGE = Path("/r/page.html")
HOST = InfrastructureError("libvirt does not answer", hint="systemctl start libvirtd")


class Log:
    """A watcher that writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def started(self, kind: str) -> None:
        self.told.append(f"{kind} started")

    def event(self, kind: str, event: Event) -> None:
        self.told.append(f"{kind} {event.text}")

    def ended(self, boot: Boot) -> None:
        self.told.append(f"{boot.name} {boot.verdict}")

    def broke(self, kind: str, error: InfrastructureError) -> None:
        self.told.append(f"{kind} {error.message}")


def order(folder: Path, image: Path) -> Order:
    words = ("boot", "debian-13-20261121")
    return Order("debian-13", "amd64", folder, Tests((), ()), words, {image: "a" * 64})


def raw(folder: Path, firmware: str, *tests: TestResult, **more: Any) -> BootReport:
    made = BootReport(firmware, "tcg", 9.0, tests, folder / "console", folder / "junit")
    return replace(made, **more)


def booted(
    folder: Path, found: dict[str, BootReport | ForgeError], monkeypatch: pytest.MonkeyPatch
) -> tuple[Outcome, list[str], list[Boot]]:
    """All kinds in `found` as if they were booted, two at a time."""
    image = folder / "debian-13.qcow2"

    def fake(path: Path, **asked: Any) -> BootReport:
        assert path == image
        asked["on_event"](Event("stage", 1.0, "kernel"))
        asked["on_event"](Event("kept", 2.0, f"/kept/{asked['firmware']}"))
        answer = found[asked["firmware"]]
        if isinstance(answer, ForgeError):
            raise answer
        return answer

    monkeypatch.setattr(verdict, "verdict", fake)
    log, remembered = Log(), list[Boot]()
    trials = [Trial(kind, image, "cloud-init") for kind in found]
    earlier = document(boot(case("m::b"), name="bios"), serial="20261101")
    outcome = boot_all(trials, order(folder, image), earlier, 2, log, remembered.append)
    return outcome, log.told, remembered


def test_each_has_its_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = TestResult("m::b", False, "E  it broke")
    found: dict[str, BootReport | ForgeError] = {
        "uefi": raw(tmp_path, "uefi", TestResult("m::a", True)),
        "bios": raw(tmp_path, "bios", bad),
        "secureboot": HOST,
        "container": CheckError("the tests of the guest could not run", hint="see the log"),
    }
    outcome, told, remembered = booted(tmp_path, found, monkeypatch)
    assert [(each.name, each.verdict) for each in outcome.boots] == [
        ("uefi", "passed"),
        ("bios", "failed"),
        ("container", "failed"),
    ]
    assert outcome.errors == {"secureboot": HOST}
    assert {each.name for each in remembered} == {"uefi", "bios", "container"}
    assert outcome.kept["bios"] == Path("/kept/bios")
    assert told.count("secureboot libvirt does not answer") == 1
    assert {"uefi kernel", "uefi passed", "bios failed"} <= set(told)
    _, bios, container = outcome.boots
    assert bios.tests[0].change is not None
    assert bios.tests[0].change.phrase == "new failure since 20261101"
    assert container.cause == "the tests of the guest could not run\nsee the log"
    assert bios.command == "fai-forge boot debian-13-20261121 --firmware bios"
    with pytest.raises(CheckError) as caught:
        outcome.require("debian-13.qcow2", PAGE)
    assert "bios and container" in caught.value.message
    assert "secureboot has no verdict: libvirt does not answer" in caught.value.hint
    assert str(PAGE) in caught.value.hint


def test_a_host_that_fails_is_no_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found: dict[str, BootReport | ForgeError] = {
        "uefi": raw(tmp_path, "uefi", TestResult("m::a", True)),
        "bios": HOST,
    }
    outcome, _, remembered = booted(tmp_path, found, monkeypatch)
    assert [each.name for each in remembered] == ["uefi"]
    with pytest.raises(InfrastructureError, match="bios has no verdict: libvirt"):
        outcome.require("debian-13.qcow2", PAGE)


def test_all_passed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    passed = raw(tmp_path, "uefi", TestResult("m::a", True))
    outcome, _, _ = booted(tmp_path, {"uefi": passed}, monkeypatch)
    outcome.require("debian-13.qcow2", PAGE)


@pytest.mark.parametrize(
    ("tests", "more", "cause"),
    [
        ((), {}, "there was no test"),
        ((TestResult("m::a", False, "", run=False),), {"cause": "no kernel"}, "no kernel"),
    ],
)
def test_what_did_not_run_failed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tests: tuple[TestResult, ...],
    more: dict[str, str],
    cause: str,
) -> None:
    found = {"uefi": raw(tmp_path, "uefi", *tests, **more)}
    outcome, _, _ = booted(tmp_path, dict(found), monkeypatch)
    (only,) = outcome.boots
    assert (only.verdict, only.cause) == ("failed", cause)


def test_two_run_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    meeting = threading.Barrier(2, timeout=20)

    def fake(_path: Path, **asked: Any) -> BootReport:
        meeting.wait()
        return raw(tmp_path, asked["firmware"], TestResult("m::a", True))

    monkeypatch.setattr(verdict, "verdict", fake)
    image = tmp_path / "i.qcow2"
    trials = [Trial(kind, image, "cloud-init") for kind in ("bios", "uefi")]
    outcome = boot_all(trials, order(tmp_path, image), None, 2, Log(), lambda _: None)
    assert len(outcome.boots) == 2


def test_evidence_is_in_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "console-uefi.log").write_text("first\n" * 99 + "\x1b[1mlogin:\x1b[0m\n")
    (tmp_path / "journal-uefi-1.log").touch()
    (tmp_path / "journal-uefi-2.log.gz").touch()
    (tmp_path / "analyze-uefi-1.log").write_text(
        "# systemd-analyze time --no-pager\nStartup finished in 1s (kernel) + 2s (userspace) = 3s\n"
        "# systemd-analyze blame --no-pager\n 2s a.service\n"
    )
    (tmp_path / "screen-uefi.png").write_bytes(b"\x89PNG")
    # Of another kind.
    (tmp_path / "console-bios.log").touch()
    found = raw(tmp_path, "uefi", TestResult("m::a", False, "x" * 99_999))
    outcome, _, _ = booted(tmp_path, {"uefi": found}, monkeypatch)
    (only,) = outcome.boots
    assert [(log.name, log.what) for log in only.logs] == [
        ("console-uefi.log", "console"),
        ("journal-uefi-1.log", "journal of the first start"),
        ("journal-uefi-2.log.gz", "journal after the reboot"),
        ("analyze-uefi-1.log", "systemd-analyze of the first start"),
        ("screen-uefi.png", "screen at the first failure"),
    ]
    assert only.screenshot == "screen-uefi.png"
    assert only.console_end.endswith("first\nlogin:")
    assert len(only.console_end.splitlines()) == 40
    assert [(each.number, each.seconds) for each in only.starts] == [(1, 3.0)]
    assert len(only.tests[0].message) < 21_000


def test_what_was_kept_can_be_looked_into() -> None:
    folder = Path("/cache/guests/run-1")
    trials = [Trial(kind, Path("i.qcow2"), "credentials") for kind in ("bios", "uefi")]
    assert list(kept(Outcome(kept={"uefi": folder}), trials, "amd64")) == [
        "the disk of the uefi guest is kept; boot it with: fai-forge run"
        " /cache/guests/run-1/disk.qcow2 --arch amd64 --firmware uefi --login credentials",
        "        and remove it with: rm -r /cache/guests/run-1",
    ]


def test_the_digest_is_that_of_the_manifest_or_of_the_file(tmp_path: Path) -> None:
    image = tmp_path / "debian-13-20261121.qcow2"
    image.write_bytes(b"disk")
    entry: File = published.image(image, "qcow2").model_copy(update={"sha256": "c" * 64})
    manifest = published.manifest(files=(entry,))
    assert digest(image, manifest) == "c" * 64
    assert digest(image, None) == published.image(image, "qcow2").sha256


def test_one_pair_of_guests_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first kind that is a machine has a second guest beside it; a container has none."""
    image, paired = tmp_path / "debian-13.qcow2", dict[str, bool]()

    def fake(_path: Path, **asked: Any) -> BootReport:
        paired[asked["firmware"]] = asked["twin"]
        return raw(tmp_path, asked["firmware"], TestResult("m::a", True))

    monkeypatch.setattr(verdict, "verdict", fake)
    trials = [Trial(kind, image, "cloud-init") for kind in ("container", "uefi", "bios")]
    boot_all(trials, order(tmp_path, image), None, 1, Log(), lambda _boot: None)
    assert paired == {"container": False, "uefi": True, "bios": False}


def test_the_pair_can_be_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image, paired = tmp_path / "debian-13.qcow2", list[bool]()

    def fake(_path: Path, **asked: Any) -> BootReport:
        paired.append(asked["twin"])
        return raw(tmp_path, asked["firmware"], TestResult("m::a", True))

    monkeypatch.setattr(verdict, "verdict", fake)
    alone = replace(order(tmp_path, image), twin=False)
    boot_all([Trial("uefi", image, "cloud-init")], alone, None, 1, Log(), lambda _boot: None)
    assert paired == [False]
