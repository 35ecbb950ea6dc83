# SPDX-License-Identifier: GPL-2.0-or-later
"""The reasons of a decision: one for each change, in order, in words."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import get_args

import pytest

from builder import images
from builder.errors import ArchiveError, InfrastructureError
from builder.manifest.decision import Advisory, Decision, Published, ReasonKind
from builder.manifest.diff import SourceChange
from builder.policy import phrases
from builder.policy.decide import decide
from builder.policy.findings import behind
from builder.policy.model import Policy
from builder.policy.rules import RULES
from tests.unit.test_manifest_diff import kernel
from tests.unit.worlds import MAIN, NOW, SECURITY, World, source

PROJECT = Path(__file__).parents[2]
OURS = images.read(PROJECT)

KERNEL_FIX = tuple(kernel("6.12.57-1", "security"))
STALE = NOW - timedelta(hours=6)
OLD_ABI = "linux-image-6.12.48+deb13-amd64"
XML = "libxml2 2.12.7-3 security"
XML_BEFORE = "libxml2 2.12.7-1"
SSH = "openssh-server 1:10.0p1-8 source=openssh security"
TZDATA = "tzdata 2025b-1"
ADVISORIES = {
    "libxml2": (Advisory(id="DSA-6011-1", cves=("CVE-2026-1", "CVE-2026-2"), urgency="high"),),
    "linux": tuple(Advisory(id=f"CVE-2026-{number}") for number in range(1, 6)),
    "tzdata": (Advisory(id="DSA-1-1"),),
}


def fixes(change: SourceChange) -> tuple[Advisory, ...]:
    return ADVISORIES.get(change.name, ())


def decided(world: World, policy: str | Policy = "security") -> Decision:
    named = OURS.policy(policy) if isinstance(policy, str) else policy
    name = policy if isinstance(policy, str) else "own"
    return decide(world.facts, name, named, OURS.impact, fixes)


def told(decision: Decision) -> list[str]:
    return [f"{each.effect} {each.kind} {each.rule}: {each.text}" for each in decision.reasons]


LINUX = (
    "linux 6.12.48-1 → 6.12.57-1: security update, needs a reboot,"
    " CVE-2026-1, CVE-2026-2, CVE-2026-3 and 2 more"
)
BEHIND = (
    "the mirror is behind what was published: its trixie-security is of 2026-11-20 06:00 UTC,"
    " the published one of 2026-11-20 12:00 UTC"
)


@pytest.mark.parametrize(
    ("policy", "world", "reasons", "summary"),
    [
        ("security", World(), [], "nothing changed"),
        ("security", World(age=timedelta(days=60)), [], "nothing changed"),
        (
            "security",
            World((XML, TZDATA, "zlib1g 1:1.3-1+b1 source=zlib sv=1:1.3-1", *KERNEL_FIX)),
            [
                "publish security security: libxml2 2.12.7-2 → 2.12.7-3: security update,"
                " DSA-6011-1",
                f"publish security security: {LINUX}",
                "noted upgrade : tzdata 2025a-1 → 2025b-1: update",
                "noted rebuilt : zlib 1:1.3-1: rebuilt",
            ],
            "2 security updates: libxml2, linux",
        ),
        (
            "reboot-required",
            World((XML, TZDATA), config="d" * 64),
            [
                "publish config-space config-space: the classes' files or settings changed",
                "noted security : libxml2 2.12.7-2 → 2.12.7-3: security update, DSA-6011-1",
                "noted upgrade : tzdata 2025a-1 → 2025b-1: update",
            ],
            "the classes' files or settings changed",
        ),
        (
            "point-release",
            World((XML, TZDATA, "dbus 1.16.2-3")),
            [
                "noted security : libxml2 2.12.7-2 → 2.12.7-3: security update, DSA-6011-1",
                "noted upgrade : dbus 1.16.2-2 → 1.16.2-3: update, needs a reboot",
                "noted upgrade : tzdata 2025a-1 → 2025b-1: update",
            ],
            "1 security update: libxml2; 2 other updates",
        ),
        (
            "security",
            World(("tzdata 2024b-1", "jq 1.7-1"), loses=("dbus",), tool="0.2.0"),
            [
                "publish added packages: jq 1.7-1: added",
                "publish removed packages: dbus 1.16.2-2: removed",
                "publish builder builder: fai-forge 0.1.0 → 0.2.0",
                "noted downgrade : tzdata 2025a-1 → 2024b-1: downgrade",
            ],
            "2 changes, none of them security; fai-forge 0.1.0 → 0.2.0",
        ),
        (
            "security",
            World((TZDATA,)),
            ["noted upgrade : tzdata 2025a-1 → 2025b-1: update"],
            "1 update, not security",
        ),
        (
            "security",
            World(("cloud-init 26.1-1 security", "zlib1g 1:1.3-1+b1 source=zlib sv=1:1.3-1 both")),
            [
                "publish security security: cloud-init 25.1.4-1 → 26.1-1: security update,"
                " needs a new instance",
                "publish security security: zlib 1:1.3-1: rebuilt as a security update",
            ],
            "2 security updates: cloud-init, zlib",
        ),
        (
            "security",
            World((XML_BEFORE, SSH)),
            [
                "unknown downgrade : libxml2 2.12.7-2 → 2.12.7-1: downgrade that takes a security"
                " update away",
                "publish security security: openssh 1:10.0p1-7 → 1:10.0p1-8: security update",
            ],
            "libxml2 2.12.7-2 → 2.12.7-1: downgrade that takes a security update away",
        ),
        (
            "security",
            World((XML_BEFORE,), forced=True),
            [
                "publish forced : forced",
                "noted downgrade : libxml2 2.12.7-2 → 2.12.7-1: downgrade that takes a security"
                " update away",
            ],
            "forced",
        ),
        (
            "monthly",
            World((TZDATA,), age=timedelta(days=21)),
            [
                "publish month new-month: published in 2026-10, and changed since",
                "noted upgrade : tzdata 2025a-1 → 2025b-1: update",
            ],
            "published in 2026-10, and changed since",
        ),
        # A new month is told only where a rule asked about it.
        *(
            (
                policy,
                World((TZDATA,), age=timedelta(days=21)),
                [f"{said}: tzdata 2025a-1 → 2025b-1: update"],
                "1 update, not security",
            )
            for policy, said in {
                "security": "noted upgrade ",
                "always": "publish upgrade anything",
            }.items()
        ),
        (
            "point-release",
            World(suites=((*MAIN[:2], "13.3"),)),
            ["publish point-release point-release: point release 13.2 → 13.3"],
            "point release 13.2 → 13.3",
        ),
        (
            "security",
            World(age=timedelta(days=91)),
            ["publish age : older than 90 days: published on 2026-08-21"],
            "older than 90 days: published on 2026-08-21",
        ),
        (
            "always",
            World((XML, TZDATA), age=timedelta(hours=6)),
            [
                "hold security anything: libxml2 2.12.7-2 → 2.12.7-3: security update, DSA-6011-1",
                "hold upgrade anything: tzdata 2025a-1 → 2025b-1: update",
                "hold interval : held until 2026-11-20 18:00 UTC: published less than 12 hours ago",
            ],
            "1 security update: libxml2; 1 other update; held until 2026-11-20 18:00 UTC:"
            " published less than 12 hours ago",
        ),
        # One critical update takes all others with it.
        (
            "always",
            World((SSH, TZDATA), age=timedelta(hours=6)),
            [
                "publish security anything: openssh 1:10.0p1-7 → 1:10.0p1-8: security update",
                "publish upgrade anything: tzdata 2025a-1 → 2025b-1: update",
            ],
            "1 security update: openssh; 1 other update",
        ),
        ("always", World(age=timedelta(hours=6)), [], "nothing changed"),
        (
            "always",
            World(first=True, forced=True),
            ["publish first : nothing is published yet", "publish forced : forced"],
            "nothing is published yet; forced",
        ),
        # What a mirror that is behind has is no list of changes.
        (
            "always",
            World((TZDATA,), stale=timedelta(hours=6), forced=True),
            [f"unknown archive : {BEHIND}"],
            BEHIND,
        ),
        (
            "always",
            World(
                store=InfrastructureError("no store"),
                archive=ArchiveError("no archive", hint="E: no\n  try  again"),
            ),
            ["unknown archive : no archive", "unknown store : no store"],
            "no archive",
        ),
    ],
)
def test_reasons(policy: str, world: World, reasons: list[str], summary: str) -> None:
    decision = decided(world, policy)
    assert told(decision) == reasons
    assert phrases.summary(decision) == summary


def test_a_kernel_with_another_abi_is_one_reason_with_all_of_its_facts() -> None:
    (reason,) = decided(World(KERNEL_FIX, (OLD_ABI,))).reasons
    assert (reason.package, reason.old, reason.new) == ("linux", "6.12.48-1", "6.12.57-1")
    assert reason.binaries == (
        "linux-image-6.12.48+deb13-amd64",
        "linux-image-6.12.57+deb13-amd64",
        "linux-image-amd64",
    )
    assert reason.impact == "reboot"
    assert reason.advisories == ADVISORIES["linux"]


def test_a_fix_goes_with_the_kernel_that_had_it() -> None:
    # Only the package that has the version in its name is held by the security archive still.
    had = (kernel("6.12.48-1", "security")[0],)
    assert decided(World(kernel("6.12.43-1"), (OLD_ABI,), had)).answer == "unknown"
    assert decided(World(kernel("6.12.43-1"), (OLD_ABI,))).answer == "skip"


def test_a_fix_stays_where_another_package_of_its_source_goes_down() -> None:
    before = "openssh-server 1:10.0p1-7 source=openssh security"
    after = ("openssh-server 1:10.0p1-9 source=openssh", "openssh-client 1:9 source=openssh")
    (reason,) = decided(World(after, had=(before,))).reasons
    assert (reason.kind, reason.effect) == ("downgrade", "noted")


@pytest.mark.parametrize("dates", [(NOW, STALE), (STALE, NOW), (NOW, None), (None,), ()])
def test_the_newest_of_several_mirrors_is_compared(dates: tuple[datetime | None, ...]) -> None:
    releases = tuple(source(SECURITY, date) for date in dates)
    world = World()
    assert behind(world.published, replace(world.prospect, releases=releases)) == ()


def test_the_document_says_what_was_looked_at() -> None:
    decision = decided(World(age=timedelta(days=3)))
    assert decision.name == "debian-13"
    assert decision.date == NOW
    assert decision.policy == "security"
    assert decision.published == Published(serial="20261117", date=NOW - timedelta(days=3))
    assert decided(World(first=True)).published is None
    assert decided(World(store=InfrastructureError("x"))).published is None
    # What is published is known also where the archive is not.
    assert decided(World(archive=ArchiveError("x"))).published is not None


@pytest.mark.parametrize("name", OURS.policies)
def test_the_document_can_be_read_again(name: str) -> None:
    decision = decided(World((XML, TZDATA, *KERNEL_FIX, "tzdata 2024b-1"), config="d" * 64), name)
    text = decision.model_dump_json(by_alias=True)
    assert Decision.model_validate_json(text, strict=True) == decision


def test_advisories_change_no_answer() -> None:
    world = World((XML, TZDATA, *KERNEL_FIX))
    for name, policy in OURS.policies.items():
        without = decide(world.facts, name, policy, OURS.impact, lambda _: ())
        assert without.answer == decided(world, name).answer
        assert {each.package: each.effect for each in without.reasons} == {
            each.package: each.effect for each in decided(world, name).reasons
        }


def test_a_version_that_cannot_be_compared_leaves_the_answer_open() -> None:
    decision = decided(World((TZDATA,), had=("tzdata a_b",), forced=True), "always")
    assert decision.answer == "unknown"
    assert told(decision) == ["unknown store : 'a_b' is not the version of a package"]
    assert decision.reasons[0].detail == "the manifest is damaged: fetch or build it again"


def test_the_interval_waits_for_no_critical_update_where_security_counts() -> None:
    young = timedelta(hours=6)
    for rules, answer in {
        ("security",): "publish",
        ("security-critical",): "publish",
        ("config-space", "security"): "publish",
        # No update of openssh is a reason there.
        ("security-reboot",): "skip",
        ("packages",): "skip",
    }.items():
        policy = Policy.model_validate({"summary": "x", "when": rules, "min_interval": "1d"})
        assert decided(World((SSH,), age=young), policy).answer == answer, rules


def test_only_what_would_be_published_is_held() -> None:
    policy = Policy.model_validate({"summary": "x", "when": ["security"], "min_interval": "1d"})
    decision = decided(World((XML, TZDATA), age=timedelta(hours=6)), policy)
    assert decision.answer == "skip"
    assert [(each.kind, each.effect) for each in decision.reasons] == [
        ("security", "hold"),
        ("interval", "hold"),
        ("upgrade", "noted"),
    ]


def test_the_first_rule_that_counts_is_named() -> None:
    policy = Policy.model_validate({"summary": "x", "when": ["security-critical", "security"]})
    rules = {each.package: each.rule for each in decided(World((SSH, XML)), policy).reasons}
    assert rules == {"openssh": "security-critical", "libxml2": "security"}


def test_an_age_goes_before_an_interval() -> None:
    policy = Policy.model_validate(
        {"summary": "x", "when": ["anything"], "max_age": "1h", "min_interval": "1d"}
    )
    decision = decided(World((TZDATA,), age=timedelta(hours=2)), policy)
    assert [each.kind for each in decision.reasons] == ["upgrade", "age"]
    assert decision.answer == "publish"


@pytest.mark.parametrize(
    ("hours", "words"),
    [(1, "1 hour"), (12, "12 hours"), (24, "24 hours"), (48, "2 days"), (50, "50 hours")],
)
def test_spans(hours: int, words: str) -> None:
    assert phrases.span(timedelta(hours=hours)) == words


def test_the_page_has_every_rule_and_every_kind_of_reason() -> None:
    page = (PROJECT / "docs/decisions.md").read_text()
    for name, rule in RULES.items():
        assert f"| `{name}` | {rule.explanation} |" in page
    for name in (*get_args(ReasonKind), *OURS.policies):
        assert re.search(rf"^\|.*`{name}`.*\|$", page, re.M), name
