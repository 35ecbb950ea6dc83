# SPDX-License-Identifier: GPL-2.0-or-later
"""From a JUnit file to a verdict, the seed's documents, time limits, and the order of tests."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml

from builder.errors import CheckError
from builder.guest import plugin, seed
from builder.guest.guest import Timeouts
from builder.guest.reports.junit import TestResult, read_session
from builder.guest.verdict import BootReport

JUNIT = """<?xml version="1.0"?><testsuites><testsuite name="pytest">
<properties><property name="accel" value="tcg"/></properties>
<testcase classname="tests_base.test_ssh" name="test_keys">
<properties><property name="module" value="test_ssh"/></properties></testcase>
<testcase classname="" name="test_bad">
<properties><property name="module" value="SSHD/test_ssh"/></properties>
<failure message="m">why</failure></testcase>
<testcase classname="test_apt" name="test_twice"/>
<testcase classname="test_apt" name="test_twice"><error message="teardown"/></testcase>
<testcase classname="test_apt" name="test_skip"><skipped message="no reason"/></testcase>
</testsuite></testsuites>"""


def report(*tests: TestResult) -> BootReport:
    return BootReport("uefi", "tcg", 1.0, tests, Path("c.log"), Path("j.xml"))


def test_junit_is_read() -> None:
    found = read_session(JUNIT)
    tests = found.tests
    assert found.accel == "tcg"
    assert {test.name: test.passed for test in tests} == {
        "test_ssh::test_keys": True,
        "SSHD/test_ssh::test_bad": False,
        "test_apt::test_twice": False,
        "test_apt::test_skip": False,
    }
    assert {test.message for test in tests} == {"", "why", "teardown", "no reason"}


def test_a_failure_is_a_check_error_with_its_reason() -> None:
    with pytest.raises(CheckError) as caught:
        report(TestResult("a", True), TestResult("b", False, "why")).require()
    assert "1 of 2 tests failed in the uefi guest: b" in caught.value.message
    assert "why" in caught.value.hint
    assert "c.log" in caught.value.hint


def test_no_test_at_all_is_no_pass() -> None:
    assert not report().ok
    with pytest.raises(CheckError, match="no test ran"):
        report().require()


def test_all_passed() -> None:
    report(TestResult("a", True)).require()


def test_the_seed_brings_one_key_and_nothing_else() -> None:
    text = seed.user_data("ssh-ed25519 AAAA run")
    assert text.startswith("#cloud-config\n")
    assert yaml.safe_load(text) == {
        "disable_root": False,
        "ssh_authorized_keys": ["ssh-ed25519 AAAA run"],
    }
    known = yaml.safe_load(seed.meta_data("i-1"))
    assert known == {"instance-id": "i-1", "local-hostname": seed.HOSTNAME}


def test_emulation_gets_more_time_and_a_person_may_give_more() -> None:
    kvm, tcg, patient = Timeouts.of("kvm"), Timeouts.of("tcg"), Timeouts.of("tcg", 2)
    assert tcg.reboot == 10 * kvm.reboot
    assert patient.poweroff == 2 * tcg.poweroff


def item(name: str, stage: str | None = None, mark: str | None = None) -> Any:
    marks = {"guest_stage": SimpleNamespace(args=(stage,)) if stage else None}
    if mark:
        marks[mark] = SimpleNamespace(args=())
    path = Path("/classes/SSHD/tests/test_keys.py")
    return SimpleNamespace(
        name=name, get_closest_marker=marks.get, path=path, user_properties=list[tuple[str, str]]()
    )


@pytest.mark.parametrize(
    ("debs", "login", "expected"),
    [
        ([], "cloud-init", ["a", "cloud", "b", "reboot", "after", "off"]),
        (["x.deb"], "cloud-init", ["a", "cloud", "b", "deb", "reboot", "after", "off"]),
        ([], "credentials", ["a", "b", "reboot", "after", "off"]),
    ],
)
def test_tests_run_by_stage(debs: list[str], login: str, expected: list[str]) -> None:
    gone: list[Any] = []
    config = SimpleNamespace(
        getoption={"--deb": debs, "--login": login}.get,
        hook=SimpleNamespace(pytest_deselected=lambda items: gone.extend(items)),
    )
    items = [
        item("after", "rebooted"),
        item("a"),
        item("off", "off"),
        item("deb", "changed", mark="needs_deb"),
        item("cloud", mark="needs_cloud_init"),
        item("reboot", "reboot"),
        item("b"),
    ]
    plugin.pytest_collection_modifyitems(cast(pytest.Config, config), items)
    assert [one.name for one in items] == expected
    assert len(gone) + len(items) == 7
    assert all(one.user_properties == [("module", "SSHD/test_keys")] for one in items)
