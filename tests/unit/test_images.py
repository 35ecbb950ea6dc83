# SPDX-License-Identifier: GPL-2.0-or-later
"""images.yaml: what is right, what each mistake says, and that our own rows can be built."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from builder import channels, classes, images, names
from builder.disk import formats
from builder.errors import UsageError

PROJECT = Path(__file__).parents[2]
TODAY = date(2025, 9, 1)  # trixie was stable, forky testing, and Ubuntu 25.10 was being made


POLICIES = """\
policies:
  security: {summary: Security updates, when: [security]}
  always: {summary: Whatever changed, when: [anything], min_interval: 12h}
  monthly: {summary: Once a month, when: [new-month], max_age: 8w}
"""


CHANNELS = """\
channels:
  release: {summary: Finished, keep_until: end-of-life, grace: 30d}
  nightly: {summary: Every night, hide_after: 2d, delete_after: 1w}
"""


def write(folder: Path, text: str) -> Path:
    (folder / images.FILE).write_text(text)
    return folder


def test_rows_keep_their_order_and_take_the_rest_from_the_release(tmp_path: Path) -> None:
    text = f"""\
{POLICIES}images:
- {{name: trixie, formats: [qcow2, vmdk]}}
- {{name: sid, formats: [raw]}}
- {{name: debian-12, title: Old, formats: [raw], channel: daily, policy: monthly}}
"""
    assert images.read(write(tmp_path, text), TODAY).rows == (
        images.Listed(
            names.parse("debian-13"),
            "Debian 13 (trixie)",
            ("qcow2", "vmdk"),
            "release",
            "security",
        ),
        images.Listed(
            names.parse("debian-sid"), "Debian unstable (sid)", ("raw",), "daily", "always"
        ),
        images.Listed(names.parse("debian-12"), "Old", ("raw",), "daily", "monthly"),
    )


@pytest.mark.parametrize(
    ("name", "policy"),
    [
        ("debian-12", "security"),
        ("debian-13-arm64", "security"),
        ("debian-14", "always"),
        ("debian-sid", "always"),
        ("ubuntu-2404", "security"),
        ("ubuntu-2510", "always"),
    ],
)
def test_a_release_that_is_being_made_is_always_built(name: str, policy: str) -> None:
    assert images.unlisted(names.parse(name), ("qcow2",), TODAY).policy == policy


def test_a_release_is_stable_from_its_day_on() -> None:
    name = names.parse("debian-13")
    assert images.unlisted(name, (), date(2025, 8, 8)).channel == "daily"
    assert images.unlisted(name, (), date(2025, 8, 9)).channel == "release"


def test_spans_are_read(tmp_path: Path) -> None:
    file = images.read(write(tmp_path, f"{POLICIES}images: []\n"))
    assert file.policy("always").min_interval == timedelta(hours=12)
    assert file.policy("monthly").max_age == timedelta(weeks=8)
    with pytest.raises(UsageError, match=r"no policy secrity.*security"):
        file.policy("secrity")
    assert file.channel("daily").hide_after == timedelta(days=14)
    with pytest.raises(UsageError, match=r"no channel dayly; did you mean daily\?"):
        file.channel("dayly")


def test_channels_say_how_long(tmp_path: Path) -> None:
    row = "images:\n- {name: debian-14, formats: [raw], channel: nightly}\n"
    file = images.read(write(tmp_path, f"{CHANNELS}{POLICIES}{row}"), TODAY)
    assert file.rows[0].channel == "nightly"
    assert list(file.channels) == ["release", "nightly"]
    assert file.channels["nightly"].hide_after == timedelta(days=2)
    assert file.channels["nightly"].delete_after == timedelta(days=7)
    assert file.channels["release"].grace == timedelta(days=30)
    assert [name for name, channel in file.channels.items() if channel.released] == ["release"]


def test_a_file_without_channels_has_those_that_rows_have_by_themselves(tmp_path: Path) -> None:
    file = images.read(write(tmp_path, f"{POLICIES}images: []\n"))
    known = {"release", "daily", "upstream"}
    assert known == set(file.channels) == set(images.read(tmp_path / "none").channels)


def test_our_channels_are_those_that_are_meant_without_any() -> None:
    own = images.read(PROJECT).channels
    assert {"release", "daily", "alpha", "beta", "rc", "upstream"} == set(own)
    for name, default in channels.DEFAULTS.items():
        assert own[name].model_copy(update={"summary": ""}) == default.model_copy(
            update={"summary": ""}
        )


def test_no_file_is_no_images(tmp_path: Path) -> None:
    assert images.read(tmp_path).rows == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("images: [", "is not YAML"),
        ("", "fields and their values are expected"),
        ("images:\n- {name: debian-13}\n", "the field images.0.formats is missing"),
        ("images:\n- {name: debian-13, formats: []}\n", "images.0.formats"),
        ("images:\n- {name: debian-13, formats: [raw], chanel: x}\n", "no field images.0.chanel"),
        ("images:\n- {name: debian-13, formats: qcow2}\n", "formats: a list is expected"),
        ("images:\n- {name: debian-13, formats: [raw], policy: never}\n", "has the policy never"),
        ("images: []\npolicies:\n  x: {summary: X, when: []}\n", "policies.x.when"),
        ("images: []\npolicies:\n  x: {summary: X, when: [securty]}\n", "securty"),
        (
            "images: []\npolicies:\n  x: {summary: X, when: [security], max_age: 3m}\n",
            "a number and a unit are expected: 12h, 30d or 8w",
        ),
        ("images: []\nadvisories: {list: x}\n", "no field advisories.list"),
        ("images:\n- {name: debian-13, formats: [raw], channel: x/y}\n", "channel is 'x/y'"),
        (
            f"{POLICIES}images:\n- {{name: debian-13, formats: [raw], channel: dayly}}\n",
            "has the channel dayly, which is not there; did you mean daily?",
        ),
        (
            f"{CHANNELS}{POLICIES}images:\n- {{name: debian-14, formats: [raw]}}\n",
            "debian-14 has the channel daily, which is not there",
        ),
        (
            "images: []\nchannels: {x: {summary: X}}\n",
            "channels.x: one of delete_after, keep_until",
        ),
        (
            "images: []\nchannels: {x: {summary: X, keep_last: 3, keep_until: end-of-life}}\n",
            "channels.x: one of delete_after, keep_until and keep_last is needed, and no two",
        ),
        ("images: []\nchannels: {x: {summary: X, keep_last: 0}}\n", "keep_last"),
        (
            "images: []\nchannels: {x: {summary: X, delete_after: 1d, keep_until: end-of-life}}\n",
            "channels.x: one of delete_after, keep_until and keep_last is needed, and no two",
        ),
        (
            "images: []\nchannels: {x: {summary: X, delete_after: 1d, grace: 1d}}\n",
            "channels.x: grace needs keep_until",
        ),
        (
            "images: []\nchannels: {x: {summary: X, hide_after: 1d, keep_until: end-of-life}}\n",
            "channels.x: hide_after needs delete_after",
        ),
        (
            "images: []\nchannels: {x: {summary: X, hide_after: 8d, delete_after: 1w}}\n",
            "channels.x: hide_after must not be longer than delete_after",
        ),
        (
            "images: []\nchannels: {x: {summary: X, delete_after: never}}\n",
            "channels.x.delete_after: a number and a unit are expected",
        ),
        ("images: []\nchannels: {latest: {summary: X, delete_after: 1d}}\n", "called latest"),
        ("images: []\nchannels: {../x: {summary: X, delete_after: 1d}}\n", "../x"),
        ("images:\n- {name: debian-13-20261120, formats: [raw]}\n", "is one build"),
        ("images:\n- {name: debain-13, formats: [raw]}\n", "debain"),
        (
            f"{POLICIES}images:\n- {{name: trixie, formats: [raw]}}\n"
            "- {name: debian-13, formats: [raw]}\n",
            "debian-13 stands there twice",
        ),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        images.read(write(tmp_path, text))
    assert said in caught.value.message
    assert str(tmp_path / images.FILE) in caught.value.message
    assert caught.value.hint


def test_the_schema_is_committed() -> None:
    assert (PROJECT / "schema/images.schema.json").read_text() == images.schema_text()


OWN = {str(row.name): row for row in images.read(PROJECT).rows}


@pytest.mark.parametrize("name", OWN)
def test_every_row_of_ours_can_be_built(name: str) -> None:
    row = OWN[name]
    known = classes.load(classes.own_overlays(PROJECT))
    assert classes.resolve(known, row.name).kernel
    for each in row.formats:
        formats.find(each)


def test_no_title_of_ours_stands_for_two_images() -> None:
    titles = [row.title for row in OWN.values()]
    assert len(set(titles)) == len(titles)
