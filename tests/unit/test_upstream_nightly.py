# SPDX-License-Identifier: GPL-2.0-or-later
"""The crawl of upstreams as a step of a nightly, and as a job of GitLab's pipeline."""

from __future__ import annotations

import argparse
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from builder import cli
from builder.cli import chains, nightly
from builder.nightly import gitlab
from builder.nightly.chain import ALL, UPSTREAM, Site, store_steps
from builder.nightly.model import NightlyRun
from builder.nightly.order import Order
from builder.nightly.page import page
from tests.unit import stores
from tests.unit.nightlyworld import ONE, TWO, NightlyWorld

SITE = Site(out=Path("/out"), store="sftp://images@example.org/srv", key="A" * 40)


class Crawling(NightlyWorld):
    """A world whose nightlies also crawl upstreams."""

    def order(self, *wanted: str, jobs: int = 1) -> Order:
        order = super().order(*wanted, jobs=jobs)
        return replace(order, site=replace(order.site, upstreams=(ALL,)))


@pytest.fixture
def world(tmp_path: Path) -> Crawling:
    return Crawling(tmp_path)


def outcomes(run: NightlyRun) -> list[tuple[str, str]]:
    return [(each.name, each.outcome) for each in run.store_steps]


def test_nobody_is_asked_where_no_upstream_is_named() -> None:
    assert UPSTREAM not in [step.name for step in store_steps(SITE, None)]


@pytest.mark.parametrize(
    ("names", "words"),
    [((ALL,), ("--all",)), (("ubuntu-*", "alma-10"), ("ubuntu-*", "alma-10"))],
)
def test_it_is_a_command_that_a_person_can_type(
    names: tuple[str, ...], words: tuple[str, ...]
) -> None:
    first = store_steps(replace(SITE, upstreams=names), None)[0]
    to = ("--to", SITE.store, "--key", "A" * 40)
    assert (first.name, first.words) == (UPSTREAM, ("upstream", "pull", *words, *to))
    arguments = cli.parser().parse_args(list(first.words))
    assert (arguments.to, arguments.all) == (SITE.store, names == (ALL,))


def test_it_comes_after_all_images_and_before_what_is_about_the_whole_store(
    world: Crawling,
) -> None:
    run = world.call()
    assert run.exit_code == 0
    assert outcomes(run) == [
        (UPSTREAM, "done"),
        ("promote", "done"),
        ("expire", "done"),
        ("site", "done"),
    ]


def test_one_that_fails_is_tried_again_stops_nothing_and_is_told(world: Crawling) -> None:
    world.script = {("store", UPSTREAM): [4, 4]}
    run = world.call()
    assert run.exit_code == 4
    step = run.store_steps[0]
    assert (step.outcome, step.tries, step.reason) == ("failed", 2, "it ended with 4")
    assert [outcome for _, outcome in outcomes(run)[1:]] == ["done"] * 3
    assert {each.outcome for each in run.images} == {"published"}
    html = page(run).decode()
    assert f'<th scope="row">{UPSTREAM}</th><td><span class="failed">failed</span>' in html
    lines = "\n".join(nightly.table(run, None, world.out))
    assert "upstream  failed" in lines
    # What was not done is done by the next call.
    assert world.call().store_steps[0].outcome == "done"


def test_of_an_empty_store_the_other_steps_have_nothing_to_do(world: Crawling) -> None:
    world.unknown = {ONE, TWO}
    run = world.call()
    left = [("promote", "left-out"), ("expire", "left-out"), ("site", "left-out")]
    assert outcomes(run) == [(UPSTREAM, "done"), *left]


def test_what_the_crawl_brings_makes_it_a_store(world: Crawling) -> None:
    def crawl(_what: str, step: str) -> None:
        if step == UPSTREAM:
            image = stores.build(world.out, "20261101", name="alma-10")
            stores.put(stores.publisher(world.root), image, channel="upstream")

    world.unknown, world.before = {ONE, TWO}, crawl
    assert {outcome for _, outcome in outcomes(world.call())} == {"done"}


def test_gitlab_has_a_job_with_time_for_downloads() -> None:
    order = gitlab.Order((), {}, replace(SITE, upstreams=("ubuntu-*",)), Path("plan.json"))
    document = yaml.safe_load(gitlab.pipeline(order))
    assert document["stages"] == ["plan", UPSTREAM, "promote", "expire", "site"]
    job = document[UPSTREAM]
    assert (job["extends"], job["when"]) == (".upstream", "always")
    assert shlex.split(job["script"][0])[:4] == ["fai-forge", "upstream", "pull", "ubuntu-*"]


def test_the_verbs_take_the_names() -> None:
    parser = argparse.ArgumentParser()
    chains.add_steps(parser)
    parser.add_argument("--store")
    arguments = parser.parse_args(["--store", "s", "--upstreams", "ubuntu-*", "alma-10"])
    assert chains.site(arguments, Path("out"), None, None).upstreams == ("ubuntu-*", "alma-10")
    arguments = parser.parse_args(["--store", "s"])
    assert chains.site(arguments, Path("out"), None, None).upstreams == ()
