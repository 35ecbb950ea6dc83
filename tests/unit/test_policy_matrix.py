# SPDX-License-Identifier: GPL-2.0-or-later
"""Every policy of images.yaml against every kind of change: the answers, written out by hand."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import get_args

import pytest

from builder import images
from builder.errors import ArchiveError, InfrastructureError
from builder.manifest.decision import Decision, ReasonKind
from builder.policy.decide import decide
from builder.policy.model import RuleName
from tests.unit.test_manifest_diff import kernel
from tests.unit.worlds import MAIN, SECURITY, UPDATES, World

OURS = images.read(Path(__file__).parents[2])

TZDATA = "tzdata 2025b-1"
XML = "libxml2 2.12.7-3 security"
DBUS = "dbus 1.16.2-3 security"
CLOUD_INIT = "cloud-init 25.1.4-1+deb13u1 security"
SSH = (
    "openssh-server 1:10.0p1-7+deb13u1 source=openssh security",
    "openssh-client 1:10.0p1-7+deb13u1 source=openssh security",
)
OLD_ABI = "linux-image-6.12.48+deb13-amd64"
KERNEL = kernel("6.12.57-1")
KERNEL_FIX = kernel("6.12.57-1", "security")
XML_BEFORE = "libxml2 2.12.7-1"
HOURS_6 = timedelta(hours=6)
# The day of these tests is 20 November.
LAST_MONTH = timedelta(days=21)
NO_STORE = InfrastructureError("the store cannot be read", hint="try again")
NO_ARCHIVE = ArchiveError("the archive cannot be reached", hint="try again")

WORLDS = {
    "nothing": World(),
    "an update": World((TZDATA,)),
    "a security update": World((XML,)),
    "one that needs a reboot": World((DBUS,)),
    "one for new instances": World((CLOUD_INIT,)),
    "a critical one": World(SSH),
    "a rebuild": World(("zlib1g 1:1.3-1+b1 source=zlib sv=1:1.3-1",)),
    "a rebuild for security": World(("zlib1g 1:1.3-1+b1 source=zlib sv=1:1.3-1 security",)),
    "a downgrade": World(("tzdata 2024b-1",)),
    "a fix is taken away": World((XML_BEFORE,)),
    "that, and a critical one": World((XML_BEFORE, *SSH)),
    "that, and a point release": World((XML_BEFORE,), suites=((*MAIN[:2], "13.3"),)),
    "that, and too old": World((XML_BEFORE,), age=timedelta(days=200)),
    "that, but forced": World((XML_BEFORE,), forced=True),
    "a package more": World(("jq 1.7-1",)),
    "one from the security archive": World(("jq 1.7-1 security",)),
    "a package less": World(loses=("tzdata",)),
    "a binary package less": World(loses=("openssh-client",)),
    "a kernel with another ABI": World(KERNEL, (OLD_ABI,)),
    "that, for security": World(KERNEL_FIX, (OLD_ABI,)),
    "from one fixed ABI to another": World(KERNEL_FIX, (OLD_ABI,), kernel("6.12.48-1", "security")),
    "a kernel before the fixed one": World(
        kernel("6.12.43-1"), (OLD_ABI,), kernel("6.12.48-1", "security")
    ),
    "classes changed": World(config="d" * 64),
    "another fai-forge": World(tool="0.2.0"),
    "a fix that moved to main": World(("libxml2 2.12.7-2",)),
    "a point release": World(suites=(SECURITY, (*MAIN[:2], "13.3"), UPDATES)),
    "with updates": World((TZDATA,), suites=((*MAIN[:2], "13.3"), UPDATES, SECURITY)),
    "Version of other suites": World(suites=(MAIN, (*UPDATES[:2], "x"), (*SECURITY[:2], "14"))),
    "Version of another archive": World(suites=(("trixie", "Other", "13.3"), UPDATES, SECURITY)),
    "Version that is gone": World(suites=((*MAIN[:2], ""), UPDATES, SECURITY)),
    "other suites": World(suites=(("forky", "Debian", "14"),)),
    "a new month": World(age=LAST_MONTH),
    "that, and an update": World((TZDATA,), age=LAST_MONTH),
    "that, and classes": World(config="d" * 64, age=LAST_MONTH),
    "that, a year ago": World((TZDATA,), age=timedelta(days=340)),
    "90 days": World(age=timedelta(days=90)),
    "91 days": World(age=timedelta(days=91)),
    "181 days": World(age=timedelta(days=181)),
    "6 hours": World(age=HOURS_6),
    "an update after 6 hours": World((TZDATA,), age=HOURS_6),
    "a security update then": World((XML,), age=HOURS_6),
    "a critical one then": World((XML, *SSH), age=HOURS_6),
    "a critical no security one": World(KERNEL, (OLD_ABI,), age=HOURS_6),
    "forced after 6 hours": World((TZDATA,), age=HOURS_6, forced=True),
    "an update after 12 hours": World((TZDATA,), age=2 * HOURS_6),
    "a build from the future": World((TZDATA,), age=-HOURS_6),
    "one from next month": World((TZDATA,), age=timedelta(days=-15)),
    "no archive": World(archive=NO_ARCHIVE),
    "no archive, forced": World(archive=NO_ARCHIVE, forced=True),
    "no archive, never built": World(archive=NO_ARCHIVE, first=True),
    "no archive, too old": World(archive=NO_ARCHIVE, age=timedelta(days=999)),
    "no store": World((XML,), store=NO_STORE),
    "no store, forced": World(store=NO_STORE, forced=True),
    "neither": World(store=NO_STORE, archive=NO_ARCHIVE),
    "an archive that is behind": World(stale=HOURS_6),
    "behind, and an update": World((TZDATA, *SSH), stale=HOURS_6),
    "behind, forced": World(stale=HOURS_6, forced=True),
    "a suite less": World(stale=HOURS_6, suites=(MAIN, UPDATES)),
    "a newer archive": World(stale=-HOURS_6),
    "never built": World(first=True),
    "never built, old archive": World(first=True, stale=HOURS_6),
    "forced": World(forced=True),
}
ANSWERS = """\
                               security  reboot-required  monthly  point-release  always
nothing                        skip      skip             skip     skip           skip
an update                      skip      skip             skip     skip           publish
a security update              publish   skip             skip     skip           publish
one that needs a reboot        publish   publish          skip     skip           publish
one for new instances          publish   publish          skip     skip           publish
a critical one                 publish   skip             publish  skip           publish
a rebuild                      skip      skip             skip     skip           publish
a rebuild for security         publish   skip             skip     skip           publish
a downgrade                    skip      skip             skip     skip           publish
a fix is taken away            unknown   unknown          unknown  unknown        publish
that, and a critical one       unknown   unknown          unknown  unknown        publish
that, and a point release      unknown   unknown          unknown  unknown        publish
that, and too old              unknown   unknown          unknown  unknown        publish
that, but forced               publish   publish          publish  publish        publish
a package more                 publish   skip             skip     skip           publish
one from the security archive  publish   skip             skip     skip           publish
a package less                 publish   skip             skip     skip           publish
a binary package less          skip      skip             skip     skip           publish
a kernel with another ABI      skip      skip             skip     skip           publish
that, for security             publish   publish          publish  skip           publish
from one fixed ABI to another  publish   publish          publish  skip           publish
a kernel before the fixed one  unknown   unknown          unknown  unknown        publish
classes changed                publish   publish          skip     skip           publish
another fai-forge              publish   publish          skip     skip           publish
a fix that moved to main       skip      skip             skip     skip           skip
a point release                skip      skip             skip     publish        publish
with updates                   skip      skip             skip     publish        publish
Version of other suites        skip      skip             skip     skip           skip
Version of another archive     skip      skip             skip     skip           skip
Version that is gone           skip      skip             skip     skip           skip
other suites                   skip      skip             skip     skip           skip
a new month                    skip      skip             skip     skip           skip
that, and an update            skip      skip             publish  skip           publish
that, and classes              publish   publish          publish  skip           publish
that, a year ago               publish   publish          publish  skip           publish
90 days                        skip      skip             skip     skip           skip
91 days                        publish   skip             skip     skip           skip
181 days                       publish   publish          skip     skip           skip
6 hours                        skip      skip             skip     skip           skip
an update after 6 hours        skip      skip             skip     skip           skip
a security update then         publish   skip             skip     skip           skip
a critical one then            publish   skip             publish  skip           publish
a critical no security one     skip      skip             skip     skip           skip
forced after 6 hours           publish   publish          publish  publish        publish
an update after 12 hours       skip      skip             skip     skip           publish
a build from the future        skip      skip             skip     skip           publish
one from next month            skip      skip             skip     skip           publish
no archive                     unknown   unknown          unknown  unknown        unknown
no archive, forced             unknown   unknown          unknown  unknown        unknown
no archive, never built        unknown   unknown          unknown  unknown        unknown
no archive, too old            unknown   unknown          unknown  unknown        unknown
no store                       unknown   unknown          unknown  unknown        unknown
no store, forced               unknown   unknown          unknown  unknown        unknown
neither                        unknown   unknown          unknown  unknown        unknown
an archive that is behind      unknown   unknown          unknown  unknown        unknown
behind, and an update          unknown   unknown          unknown  unknown        unknown
behind, forced                 unknown   unknown          unknown  unknown        unknown
a suite less                   skip      skip             skip     skip           skip
a newer archive                skip      skip             skip     skip           skip
never built                    publish   publish          publish  publish        publish
never built, old archive       publish   publish          publish  publish        publish
forced                         publish   publish          publish  publish        publish
"""
POLICIES, *ROWS = (re.split(r" {2,}", line.strip()) for line in ANSWERS.splitlines())
CELLS = [
    (title, policy, answer)
    for title, *answers in ROWS
    for policy, answer in zip(POLICIES, answers, strict=True)
]


def decided(world: World, policy: str) -> Decision:
    return decide(world.facts, policy, OURS.policy(policy), OURS.impact, lambda _: ())


def test_the_table_is_whole() -> None:
    assert set(POLICIES) == set(OURS.policies)
    assert [title for title, *_ in ROWS] == list(WORLDS)


@pytest.mark.parametrize(("title", "policy", "answer"), CELLS)
def test_answer(title: str, policy: str, answer: str) -> None:
    assert decided(WORLDS[title], policy).answer == answer


def test_every_kind_of_reason_and_every_rule_is_in_the_table() -> None:
    reasons = [
        reason for title, policy, _ in CELLS for reason in decided(WORLDS[title], policy).reasons
    ]
    assert {reason.kind for reason in reasons} == set(get_args(ReasonKind))
    assert {reason.rule for reason in reasons} - {""} == set(get_args(RuleName))
