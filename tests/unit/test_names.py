# SPDX-License-Identifier: GPL-2.0-or-later
"""Image names: every accepted spelling, every refusal, and properties that hold for all text."""

from __future__ import annotations

import re
import string
from collections import Counter
from datetime import date

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from builder.distros import DISTROS, releases
from builder.errors import UsageError
from builder.models import ARCHES
from builder.names import (
    MAX_LENGTH,
    Name,
    codename,
    is_role,
    next_serial,
    parse,
    serial_key,
    title,
)

TODAY = date(2025, 9, 1)  # trixie was stable, bookworm oldstable, forky testing

SPELLINGS = [
    ("debian-13", "debian-13"),
    ("debian-13-amd64", "debian-13"),
    ("DEBIAN-13-X86_64", "debian-13"),
    ("debian-13-x64", "debian-13"),
    ("debn-12", "debian-12"),
    ("trixie", "debian-13"),
    ("Trixie", "debian-13"),
    ("debian-trixie", "debian-13"),
    ("debian-stable", "debian-13"),
    ("debian-oldstable", "debian-12"),
    ("debian-testing", "debian-14"),
    ("debian-unstable", "debian-sid"),
    ("sid", "debian-sid"),
    ("debian-13-aarch64", "debian-13-arm64"),
    ("debian-13-ppc64le", "debian-13-ppc64el"),
    ("debian-13-hypervisor-aarch64-20261120.1", "debian-13-hypervisor-arm64-20261120.1"),
    ("debian-13-b-a", "debian-13-b-a"),
    ("debian-13-4", "debian-13-4"),
    ("debian-13-4.1", "debian-13-4.1"),
    ("debian-13-202611", "debian-13-202611"),
    ("debian-14-RC1", "debian-14-rc1"),
    ("ubuntu-2604-beta", "ubuntu-2604-beta"),
    ("ubuntu-24.04", "ubuntu-2404"),
    ("ubnt-2404", "ubuntu-2404"),
    ("noble-hypervisor", "ubuntu-2404-hypervisor"),
    ("fdra-44", "fedora-44"),
    ("alma-10-arm64", "alma-10-arm64"),
    ("almalinux-10", "alma-10"),
    ("kali-rolling", "kali-rolling"),
    ("alpine-3.20", "alpine-3.20"),
]


@pytest.mark.parametrize(("text", "canonical"), SPELLINGS)
def test_accepted_spellings_come_out_canonical(text: str, canonical: str) -> None:
    assert str(parse(text, TODAY)) == canonical


REFUSED = [
    ("", "cannot be part"),
    ("debian", "debian alone names no release"),
    ("13", "no distribution or codename is called 13"),
    ("debain-13", "did you mean debian"),
    ("trixi", "did you mean trixie?"),
    ("debian-99", "Debian has no release 99; did you mean 9?"),
    ("debian-24.04", "Debian has no release 24.04"),
    ("debian-experimental", "no release experimental"),
    ("ubuntu-13", "Ubuntu has no release 13"),
    ("debian-13-", "cannot be part"),
    ("debian--13", "cannot be part"),
    ("debian-13-..", "the token '..'"),
    ("debian-13-../../etc", "the token '../../etc'"),
    ("debian-13-a b", "the token 'a b'"),
    ("debian-13\n", "the token '13\\n'"),
    ("\N{KELVIN SIGN}ali-rolling", "cannot be part"),
    ("debian-\N{ARABIC-INDIC DIGIT ONE}3", "cannot be part"),
    ("debian-13-a-a", "the role a stands twice"),
    ("debian-13-arm64-hypervisor", "the role hypervisor is at the wrong place"),
    ("debian-13-arm64-amd64", "the arch amd64 is at the wrong place"),
    ("debian-13-4-5", "the tag 5 is at the wrong place"),
    ("debian-13-20261120-4", "the tag 4 is at the wrong place"),
    ("debian-13-rc1-hypervisor", "the role hypervisor is at the wrong place"),
    ("debian-13-20261399", "the serial 20261399 is no date"),
    ("debian-13-20261120.0", "20261120.0 is neither"),
    ("debian-13-20261120.01", "20261120.01 is neither"),
    ("debian-13-202613", "202613 is neither"),
    ("debian-13-2026", "2026 is neither"),
    ("debian-13-04", "04 is neither"),
    ("debian-13-x86_63", "x86_63 is neither a role, an architecture, a serial nor a tag; did you"),
    ("fedora", "fedora alone names no release"),
    ("fedora-arm64", "arm64 cannot be a release of Fedora"),
    ("fedora-beta", "beta cannot be a release of Fedora"),
    ("fedora-x_y", "x_y cannot be a release"),
    ("x" * 101, "at most 100 characters"),
    ("debian-13-" + "a" * 91, "at most 100 characters"),
    ("bo-" + "a" * 95, "at most 100 characters"),  # 98 as written, 106 as debian-2.0-aaa
]


@pytest.mark.parametrize(("text", "why"), REFUSED)
def test_refusals_say_which_token_is_wrong(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=re.escape(why)) as caught:
        parse(text, TODAY)
    assert caught.value.hint


def test_an_unknown_release_offers_the_newest_ones() -> None:
    with pytest.raises(UsageError) as caught:
        parse("debian-99")
    assert "13, " in caught.value.hint


def test_a_suite_cannot_be_told_for_a_day_before_it_existed() -> None:
    with pytest.raises(UsageError, match="stable"):
        parse("debian-stable", date(1990, 1, 1))


@pytest.mark.parametrize(
    ("text", "full", "code"),
    [
        ("debian-13-arm64", "Debian 13 (trixie)", "trixie"),
        ("debian-sid", "Debian unstable (sid)", "sid"),
        ("ubuntu-2404-4", "Ubuntu 24.04 LTS (Noble Numbat)", "noble"),
        ("ubuntu-2504", "Ubuntu 25.04 (Plucky Puffin)", "plucky"),
        ("fedora-44", "Fedora 44", ""),
    ],
)
def test_title_and_codename(text: str, full: str, code: str) -> None:
    assert (title(parse(text)), codename(parse(text))) == (full, code)


def test_the_series_has_neither_serial_nor_tag() -> None:
    assert str(parse("trixie-x-arm64-20261120").series) == "debian-13-x-arm64"
    assert parse("trixie-4").series == Name("debian", "13")


def test_tag_and_serial_are_told_apart() -> None:
    assert parse("trixie-20261120").serial == "20261120"
    assert parse("trixie-202611").tag == "202611"
    assert parse("trixie-4").tag == "4"


def test_every_word_of_the_grammar_means_one_thing() -> None:
    distros = [w for d in DISTROS.values() for w in (d.token, *d.aliases)]
    codenames = [r.codename for d in DISTROS.values() for r in releases(d).values()]
    arches = [w for a in ARCHES.values() for w in (a.name, *a.aliases)]
    twice = [w for w, n in Counter([*distros, *codenames, *arches]).items() if n > 1]
    assert twice == []
    for distro in DISTROS.values():
        spelt = Counter(w for r in releases(distro).values() for w in r.spellings)
        assert [w for w, n in spelt.items() if n > 1] == []


@pytest.mark.parametrize("token", ["hypervisor", "k8s", "rcserver", "alphabet"])
def test_role_words(token: str) -> None:
    assert is_role(token)
    assert parse(f"debian-13-{token}").roles == (token,)


@pytest.mark.parametrize("token", ["rc1", "beta", "alpha2", "arm64", "x64", "4", "4x", "a.b", ""])
def test_reserved_words_are_no_roles(token: str) -> None:
    assert not is_role(token)


def test_serials_of_one_day_count_up_and_are_never_used_again() -> None:
    day = date(2026, 11, 20)
    assert next_serial(day, []) == "20261120"
    assert next_serial(day, ["20261119.7", "junk", "20261120.x"]) == "20261120"
    assert next_serial(day, ["20261120"]) == "20261120.1"
    assert next_serial(day, ["20261120.9", "20261120.10"]) == "20261120.11"


def test_serials_sort_by_number() -> None:
    serials = ["20261120.10", "20261121", "20261120.9", "20261120"]
    assert sorted(serials, key=serial_key) == [
        "20261120",
        "20261120.9",
        "20261120.10",
        "20261121",
    ]
    with pytest.raises(UsageError, match="is not a serial"):
        serial_key("latest")


dated = st.dates(min_value=date(1000, 1, 1)).map(lambda d: f"{d:%Y%m%d}")
serials = st.one_of(dated, st.builds("{}.{}".format, dated, st.integers(1, 9999)))
points = st.lists(st.integers(0, 99), min_size=1, max_size=3).map(lambda n: ".".join(map(str, n)))
months = st.builds("{}{:02}".format, st.integers(1000, 9999), st.integers(1, 12))
milestones = st.builds(
    "{}{}".format, st.sampled_from(["alpha", "beta", "rc"]), st.sampled_from(["", 1, 12])
)
roles = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=8).filter(is_role)


@st.composite
def names(draw: st.DrawFn) -> Name:
    """Any canonical name."""
    distro = draw(st.sampled_from(list(DISTROS.values())))
    free = st.from_regex(r"[0-9]{1,4}(\.[0-9]{1,2})?|rolling", fullmatch=True)
    release = draw(st.sampled_from(list(releases(distro))) if releases(distro) else free)
    last = draw(
        st.one_of(
            st.just((None, None)),
            st.tuples(serials, st.none()),
            st.tuples(st.none(), st.one_of(points, months, milestones)),
        )
    )
    return Name(
        distro.token,
        release,
        tuple(draw(st.lists(roles, max_size=4, unique=True))),
        draw(st.sampled_from(list(ARCHES))),
        *last,
    )


@given(names())
def test_parsing_a_formatted_name_gives_it_back(name: Name) -> None:
    assert parse(str(name)) == name
    assert parse(str(name).upper()) == name


words = st.sampled_from(
    sorted({word for text, _ in (*SPELLINGS, *REFUSED) for word in text.split("-")} | {"/", "é"})
)
jumbled = st.lists(st.one_of(words, st.text(max_size=6)), max_size=7).map("-".join)


@given(st.one_of(st.text(), jumbled))
@example("debian-13-" + "a" * 90)
@example("bo-" + "a" * 89)
def test_any_text_is_refused_or_becomes_a_safe_stable_name(text: str) -> None:
    try:
        name = parse(text)
    except UsageError:
        return
    canonical = str(name)
    assert parse(canonical) == name
    assert str(parse(canonical)) == canonical
    assert re.fullmatch(r"[a-z0-9.-]+", canonical)
    assert ".." not in canonical
    assert len(canonical) <= MAX_LENGTH
