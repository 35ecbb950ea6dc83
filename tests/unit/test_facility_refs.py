# SPDX-License-Identifier: GPL-2.0-or-later
"""NAME, NAME:SERIAL and NAME:TAG: how they are read, and which offer they mean."""

from __future__ import annotations

import pytest

from builder.errors import UsageError
from builder.facility.refs import Ref, chosen, parse
from tests.unit.test_facility_syncplan import offer

OFFERS = (
    offer("portal", "release 20261101 tag=13.4"),
    offer("portal", "release 20261114"),
    offer("portal", "daily 20261121"),
    offer("portal", "release 20261120 hidden"),
    offer("mirror", "release 20261114"),
    offer("south", "custom 20261122"),
)


@pytest.mark.parametrize(
    ("text", "ref"),
    [
        ("debian-13", Ref("debian-13")),
        ("trixie", Ref("debian-13")),
        ("debian-13-aarch64:20261121.2", Ref("debian-13-arm64", serial="20261121.2")),
        ("debian-13-20261121", Ref("debian-13", serial="20261121")),
        ("debian-13:13.4", Ref("debian-13", tag="13.4")),
        ("debian-13:202611", Ref("debian-13", tag="202611")),
        ("debian-13:rc1", Ref("debian-13", tag="rc1")),
        ("alpine-322-cloud", Ref("alpine-322-cloud")),
    ],
)
def test_what_is_read(text: str, ref: Ref) -> None:
    assert parse(text) == ref


@pytest.mark.parametrize(
    "text", ["", ":", "debian-13:", "../etc", "debian-13:../x", "a b", "debian-13:A", "x" * 200]
)
def test_what_is_no_build(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("ref", "channels", "found"),
    [
        ("debian-13", (), ["portal 20261114", "mirror 20261114"]),
        ("debian-13", ("daily",), ["portal 20261121"]),
        ("debian-13", ("daily", "release"), ["portal 20261121"]),
        ("debian-13:13.4", (), ["portal 20261101"]),
        ("debian-13:20261121", ("release",), ["portal 20261121"]),
        ("debian-13:20261120", (), ["portal 20261120"]),
        ("debian-13:20260101", (), []),
        ("debian-13:rc1", (), []),
        ("debian-12", (), []),
    ],
)
def test_which_offers_are_meant(ref: str, channels: tuple[str, ...], found: list[str]) -> None:
    offers = chosen(OFFERS, parse(ref), channels)
    assert [f"{each.remote} {each.serial}" for each in offers] == found


def test_only_a_daily_build() -> None:
    (found,) = chosen(OFFERS[2:3], parse("debian-13"), ())
    assert found.channel == "daily"


@pytest.mark.parametrize("ref", ["debian-13", "debian-13:20261122"])
def test_a_custom_image_stays_at_its_site(ref: str) -> None:
    with pytest.raises(UsageError, match="custom image of south, and stays at its site"):
        chosen(OFFERS[5:], parse(ref), ())
