# SPDX-License-Identifier: GPL-2.0-or-later
"""The crawl of upstreams as a job that a site schedules."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder import cli
from builder.errors import UsageError
from builder.facility import config, keeping
from builder.facility.config import UPSTREAM
from builder.facility.keeping import Uses
from builder.facility.schedule.jobs import DEFAULT, JOBS
from builder.upstream.finding import CHANNEL
from tests.unit import indexes
from tests.unit.facilityworld import world
from tests.unit.stores import NOW

FILE = Path("/srv/north/facility.yaml")


def commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, upstreams: object = None
) -> list[tuple[str, ...]]:
    given = {"upstreams": upstreams} if upstreams else {}
    here = world(tmp_path, monkeypatch, given)
    return [*JOBS["upstream"].commands(here.site, FILE)]


def test_a_site_that_names_none_asks_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert commands(tmp_path, monkeypatch) == []
    assert "upstream" not in DEFAULT


def test_what_is_wanted_comes_into_the_sites_own_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = {"images": ["ubuntu-2404", "alma-*"], "folders": ["our-upstreams"]}
    ((*words,),) = commands(tmp_path, monkeypatch, wanted)
    here = world(tmp_path, monkeypatch, {})
    assert words[:4] == ["upstream", "pull", "ubuntu-2404", "alma-*"]
    store = here.site.facility.store
    assert words[4:8] == ["--to", str(here.site.path(store.path)), "--key", store.key]
    assert words[8:] == ["--upstreams", str(here.site.folder / "our-upstreams")]
    assert cli.parser().parse_args(words).names == ["ubuntu-2404", "alma-*"]


def test_all_are_asked_for_by_their_own_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name asks for what an operator must supply as well; `--all` leaves that out."""
    ((*words,),) = commands(tmp_path, monkeypatch, {"images": ["*"]})
    assert words[:4] == ["upstream", "pull", "--all", "--to"]


@pytest.mark.parametrize("wrong", ["[]", "[--all]", "['a b']", "[../x]"])
def test_a_name_is_no_option_and_no_path(tmp_path: Path, wrong: str) -> None:
    path = tmp_path / "facility.yaml"
    key = "0" * 40
    head = f"apiVersion: fai-forge/v1\nkind: Facility\nname: n\nstore: {{path: s, key: '{key}'}}\n"
    path.write_text(f"{head}upstreams: {{images: {wrong}}}\n")
    with pytest.raises(UsageError, match="upstreams"):
        config.read(path)


def test_the_channel_is_the_same_everywhere() -> None:
    assert UPSTREAM == CHANNEL


def test_a_site_says_who_looks_after_what_came_from_upstreams(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = world(tmp_path, monkeypatch, {})
    index = indexes.index(indexes.series("alma-10", "upstream 20260326", "upstream 20260526"))
    old, _ = keeping.plan(index, here.site.facility, Uses(), NOW).steps
    assert (old.action, old.reason) == ("keep", "upstream pull looks after it")
