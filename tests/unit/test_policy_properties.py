# SPDX-License-Identifier: GPL-2.0-or-later
"""What holds for every decision, whatever the facts and the policy."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from builder import images
from builder.errors import ArchiveError
from builder.manifest.decision import Decision
from builder.policy import phrases
from builder.policy.decide import decide
from builder.policy.model import Policy
from builder.policy.rules import RULES
from tests.unit.test_manifest_diff import kernel
from tests.unit.worlds import MAIN, PUBLISHED, SECURITY, World

IMPACT = images.read(Path(__file__).parents[2]).impact
KERNEL_FIX = tuple(kernel("6.12.57-1", "security"))
OLD_ABI = "linux-image-6.12.48+deb13-amd64"
# What a build may have of each package: what it has, more, less, from where; or nothing.
VARIANTS = [
    "{name} {version} source={source}",
    "{name} {version}+b1 source={source} sv={version}",
    "{name} {version}.1 source={source}",
    "{name} {version}.2 source={source} security",
    "{name} 0 source={source}",
    "{name} 0 source={source} security",
]
UNSIGNED = [each for each in PUBLISHED.values() if each.source != "linux-signed-amd64"]


def decided(world: World, policy: Policy) -> Decision:
    return decide(world.facts, "own", policy, IMPACT, lambda _: ())


@st.composite
def worlds(draw: st.DrawFn, *, known: bool = False) -> World:
    """Any facts; `known`: those in which both sides are known."""
    gets = tuple(
        draw(st.sampled_from(VARIANTS)).format(
            name=each.name, version=each.version, source=each.source
        )
        for each in draw(st.lists(st.sampled_from(UNSIGNED), unique_by=lambda one: one.name))
    )
    errors = st.none() if known else st.none() | st.just(ArchiveError("", hint="\n"))
    return World(
        gets=(*gets, *draw(st.sampled_from([(), KERNEL_FIX, ("jq 1",)]))),
        loses=draw(st.sampled_from([(), (OLD_ABI,), ("tzdata", "dbus")])),
        age=timedelta(hours=draw(st.integers(-48, 24 * 400))),
        config=draw(st.sampled_from(["c" * 64, "d" * 64])),
        tool=draw(st.sampled_from(["0.1.0", "0.2.0"])),
        suites=draw(st.sampled_from([World().suites, ((*MAIN[:2], "13.3"), SECURITY), ()])),
        stale=timedelta(hours=0 if known else draw(st.integers(-1, 1))),
        first=draw(st.booleans()),
        forced=draw(st.booleans()),
        store=draw(errors),
        archive=draw(errors),
    )


@st.composite
def policies(draw: st.DrawFn, *, interval: bool = True) -> Policy:
    spans = st.none() | st.sampled_from(["1h", "12h", "30d", "52w"])
    return Policy.model_validate(
        {
            "summary": "x",
            "when": draw(st.lists(st.sampled_from(sorted(RULES)), min_size=1, unique=True)),
            "max_age": draw(spans),
            "min_interval": draw(spans) if interval else None,
        }
    )


@given(worlds(), policies())
def test_any_facts_give_a_decision_that_its_reasons_make(world: World, policy: Policy) -> None:
    decision = decided(world, policy)
    effects = [reason.effect for reason in decision.reasons]
    assert decision.answer == (
        "unknown" if "unknown" in effects else "publish" if "publish" in effects else "skip"
    )
    assert effects == sorted(effects, key=["unknown", "publish", "hold", "noted"].index)
    packages = [reason.package for reason in decision.reasons if reason.package]
    assert len(set(packages)) == len(packages)
    assert phrases.summary(decision)
    text = decision.model_dump_json(by_alias=True)
    assert Decision.model_validate_json(text, strict=True) == decision


@given(worlds(), policies())
def test_what_nobody_knows_is_never_skipped(world: World, policy: Policy) -> None:
    if world.store or world.archive:
        assert decided(world, policy).answer == "unknown"


@given(worlds(known=True), policies(interval=False))
def test_a_security_update_more_never_leads_to_skip(world: World, policy: Policy) -> None:
    before = decided(world, policy).answer
    more = replace(world, gets=(*world.gets, "zlib1g 1:1.9-1 source=zlib security"))
    after = decided(more, policy).answer
    assert (before, after) in {
        ("skip", "skip"),
        ("skip", "publish"),
        ("publish", "publish"),
        ("unknown", "unknown"),
    }
    if "security" in policy.when:
        assert after != "skip"
