# SPDX-License-Identifier: GPL-2.0-or-later
"""What the finder shows: which builds, in which order, with which links and words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, cast
from urllib.parse import unquote, urljoin

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from builder.errors import UsageError
from builder.manifest import model as manifest_model
from builder.manifest.decision import Decision, Reason
from builder.manifest.model import Verdict
from builder.store.finder import files, wording
from builder.store.finder.chart import SHOWN, chart
from builder.store.finder.facts import BuildFacts, StoreFacts, Why
from builder.store.finder.links import link
from builder.store.finder.model import Badge, series_page, series_view, without_build
from builder.store.finder.overview import overview
from builder.store.index import Build, SeriesEntry, StoreIndex, TagEntry, folder
from tests.unit.finderworld import NOW, build, entry, facts, world
from tests.unit.worlds import MAIN, PUBLISHED, manifest, source

NAME = "debian-13"


def days_ago(days: int, **other: Any) -> Build:
    return build(NAME, NOW - timedelta(days=days), **other)


def series(*builds: Build) -> SeriesEntry:
    return entry(NAME, builds)


def shown(one: SeriesEntry, known: StoreFacts | None = None) -> list[str]:
    page = series_page(one, known or StoreFacts())
    found = [page.current, *page.others] if page.current else page.others
    return [each.view.build.serial for each in found if each]


@pytest.mark.parametrize(
    ("builds", "current"),
    [
        ([days_ago(2), days_ago(1)], "20261120"),
        ([days_ago(2), days_ago(1, channel="daily")], "20261119"),
        ([days_ago(2, channel="daily"), days_ago(1, channel="beta")], "20261120"),
        ([days_ago(2), days_ago(1, state="hidden")], "20261119"),
        ([days_ago(2), days_ago(1, state="removed")], "20261119"),
        ([days_ago(2, channel="daily"), days_ago(1, state="hidden")], "20261119"),
        ([days_ago(1, state="hidden")], None),
        ([], None),
    ],
)
def test_the_current_build_is_the_newest_released_one(
    builds: list[Build], current: str | None
) -> None:
    view = series_view(series(*builds), StoreFacts())
    assert (view and view.current.build.serial) == current
    page = series_page(series(*builds), StoreFacts())
    assert (page.current and page.current.view.build.serial) == current


def test_a_series_lists_public_builds_newest_first_and_others_not() -> None:
    one = series(
        days_ago(9, state="removed", images=()),
        days_ago(8),
        days_ago(7, state="hidden"),
        days_ago(6),
        days_ago(5, channel="daily"),
    )
    assert shown(one) == ["20261115", "20261116", "20261113"]
    page = series_page(one, StoreFacts())
    assert [each.manifest.href for each in page.removed] == [
        "../debian-13/20261112/debian-13-20261112.manifest.json"
    ]
    assert page.sizes is not None
    assert [bar.build.serial for bar in page.sizes.bars] == ["20261113", "20261115", "20261116"]


def test_a_later_build_of_another_channel_is_mentioned() -> None:
    view = series_view(series(days_ago(2), days_ago(1, channel="daily")), StoreFacts())
    assert view
    assert view.newer
    assert view.newer.href == "debian-13/index.html#daily-20261120"


@pytest.mark.parametrize(
    ("states", "link_there"),
    [
        (["removed"], True),
        (["removed", "hidden"], True),
        (["removed", "public"], False),
        (["hidden"], False),
        ([], False),
    ],
)
def test_a_series_of_which_manifests_are_left_is_linked(
    states: list[str], link_there: bool
) -> None:
    one = series(*(days_ago(9 - number, state=each) for number, each in enumerate(states)))
    assert (without_build(one) is not None) is link_there
    index = StoreIndex(serial=1, date=NOW, valid_until=NOW, series=(one,))
    page = overview(index, StoreFacts(), NOW)
    assert (len(page.past), page.images) == (int(link_there), states.count("public"))


def test_links_lead_to_the_folder_of_the_channel() -> None:
    page = series_page(series(days_ago(1, channel="daily")), StoreFacts())
    assert page.current
    assert [each.href for each in page.current.view.downloads] == [
        "../debian-13/daily/20261120/debian-13-20261120.qcow2"
    ]


def test_what_is_known_of_a_build_is_shown() -> None:
    one = days_ago(1, tags=(TagEntry(tag="13.4", date=NOW),))
    known = StoreFacts(builds={folder(NAME, one): facts(NAME, one, "amd64", failed=True)})
    page = series_page(series(one), known)
    assert page.current
    log = "../debian-13/20261120/debian-13-20261120.console-{}.log"
    assert page.current.view.tags == ("debian-13-13.4",)
    assert page.current.view.badges == (
        Badge("2 of 52 checks failed", "bad"),
        Badge("amd64 bios failed", "bad", log.format("bios")),
        Badge("amd64 uefi passed", "good", log.format("uefi")),
        Badge("amd64 secureboot passed", "good", log.format("secureboot")),
    )
    assert [trial.what for trial in page.current.trials] == [
        "boot, amd64 bios",
        "boot, amd64 uefi",
        "boot, amd64 secureboot",
        "check, setuid",
        "check, size-budget",
    ]
    assert page.current.signature == "SHA256SUMS.gpg"
    sbom = next(group for group in page.current.beside if group.title == "SBOM")
    assert [each.text for each in sbom.links] == ["cdx.json", "spdx.json"]


def test_a_build_of_which_nothing_is_known_says_so() -> None:
    page = series_page(series(days_ago(1)), StoreFacts())
    assert page.current
    assert [badge.tone for badge in page.current.view.badges] == ["unknown", "unknown"]
    assert page.current.signature is None
    assert [group.title for group in page.current.beside] == ["Packages", "Digests"]


@pytest.mark.parametrize(
    ("decided", "built", "expected"),
    [("skip", "publish", "skip"), (None, "publish", "publish"), (None, None, None)],
)
def test_the_last_decision_is_the_kept_one_or_that_of_the_build(
    decided: Any, built: Any, expected: str | None
) -> None:
    one = days_ago(1)
    why = Why(built, NOW, "monthly", "because") if built else None
    known = StoreFacts(
        decisions={NAME: Why(decided, NOW, "security", "nothing")} if decided else {},
        builds={folder(NAME, one): BuildFacts(why=why)},
    )
    view = series_view(series(one), known)
    page = series_page(series(one), known)
    assert view
    assert (view.why and view.why.answer) == (page.why and page.why.answer) == expected
    assert (
        view.policy
        == page.policy
        == {"skip": "security", "publish": "monthly"}.get(expected or "", "")
    )


def test_facts_come_from_a_manifest() -> None:
    document = manifest(PUBLISHED.values(), NOW, [source(MAIN)])
    reason = Reason(kind="security", effect="publish", package="glibc", text="glibc 1 → 2")
    decision = Decision(name=NAME, date=NOW, policy="security", answer="publish", reasons=(reason,))
    boot = Verdict(name="uefi", verdict="passed")
    document = document.model_copy(update={"decision": decision, "boots": (boot,)})
    found = BuildFacts.of(document, ["b", "a"], "one change")
    assert found.packages == len(PUBLISHED)
    assert found.command == document.build.command
    assert (found.files, found.changes, found.boots) == (("a", "b"), "one change", (boot,))
    assert found.why == Why("publish", NOW, "security", "1 security update: glibc")
    assert isinstance(document, manifest_model.Manifest)


def test_the_first_page_asks_only_for_current_builds() -> None:
    index, known = world()
    asked: list[str] = []

    class Recorder(dict[str, BuildFacts]):
        def get(self, key: str, default: Any = None) -> Any:
            asked.append(key)
            return super().get(key, default)

    builds = cast("Mapping[str, BuildFacts]", Recorder(known.builds))
    page = overview(index, StoreFacts(builds=builds), NOW)
    assert len(asked) == page.images


def test_releases_are_in_order() -> None:
    index, known = world()
    page = overview(index, known, NOW)
    assert [(group.title, group.in_development) for group in page.groups] == [
        ("Debian 13 (trixie)", False),
        ("Debian 12 (bookworm)", False),
        ("Debian unstable (sid)", True),
        ("Debian 14 (forky)", True),
        ("Ubuntu 24.04 LTS (Noble Numbat)", False),
    ]
    trixie = page.groups[0]
    assert trixie.arches == ("amd64", "arm64", "ppc64el", "riscv64")
    assert [row.roles for row in trixie.rows][:3] == ["", "backports", "baremetal"]
    assert [len(cell) for cell in trixie.rows[0].cells] == [1, 1, 1, 1]
    assert [each.name for each in page.filters] == ["distro", "release", "role", "arch", "format"]
    formats = [option.value for option in page.filters[-1].options]
    assert formats == ["qcow2", "raw.zst", "vmdk"]


@pytest.mark.parametrize("token", ["debian", "plan9", "<b>", ""])
def test_distributions_and_releases_that_nobody_knows_are_shown_as_they_are(token: str) -> None:
    odd = series(days_ago(1)).model_copy(update={"distro": token, "release": "9 'front'"})
    index = StoreIndex(serial=1, date=NOW, valid_until=NOW, series=(odd,))
    page = overview(index, StoreFacts(), NOW)
    assert page.groups[0].title.endswith("9 'front'")


@pytest.mark.parametrize(
    "path",
    [
        *("", "/", "/etc/passwd", "a//b", "a/", ".", "..", "a/../b", "../a", "a/..", ".hidden"),
        *("javascript:alert(1)", "https://host.invalid/a", "//host.invalid/a", "data:text/html,x"),
        *("a\\b", "a b", "a\nb", "a%2e", "a?b", "a#b", "a\x00", "é", "a" * 256, "a/-b", "a\n"),
    ],
)
def test_what_is_no_plain_path_is_not_linked(path: str) -> None:
    with pytest.raises(UsageError):
        link(path)


def test_a_page_is_at_most_one_folder_down() -> None:
    assert link("a/b+c.qcow2", "../") == "../a/b%2Bc.qcow2"
    with pytest.raises(UsageError):
        link("a", "https://host.invalid/")


@given(st.text() | st.from_regex(r"[A-Za-z0-9._+~:/%-]{1,30}", fullmatch=True))
@example("debian-13/20261120/a+b~c.qcow2")
def test_a_link_leads_to_its_path_and_nowhere_else(path: str) -> None:
    try:
        href = link(path, "../")
    except UsageError:
        return
    target = urljoin("https://store.invalid/debian-13/index.html", href)
    assert target.startswith("https://store.invalid/")
    assert unquote(target.removeprefix("https://store.invalid/")) == path


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("debian-13-20261120.changelog.md", "Changelog"),
        ("debian-13-20261120.manifest", "Packages"),
        ("debian-13-20261120.manifest.json", "Packages"),
        ("debian-13-20261120.spdx.json", "SBOM"),
        ("SHA512SUMS.gpg", "Digests"),
        ("debian-13-20261120.fai.log.gz", "Logs"),
        ("debian-13-20261120.junit-uefi.xml", "Reports"),
        ("README.md", "About"),
        ("debian-13-20261120.what", "Other"),
    ],
)
def test_files_are_known_by_their_ends(name: str, kind: str) -> None:
    assert files.kind(name) == kind


def test_a_chart_starts_at_zero_and_shows_the_newest() -> None:
    builds = [days_ago(100 - number) for number in range(SHOWN + 5)]
    found = chart(builds)
    assert found
    assert [bar.build for bar in found.bars] == builds[5:]
    for bar in found.bars:
        assert bar.height == pytest.approx(found.height * bar.image.size / found.largest, abs=0.1)
        assert bar.y + bar.height == pytest.approx(found.height)
        assert bar.x + found.bar <= found.width


@pytest.mark.parametrize(
    "builds",
    [
        [],
        [days_ago(1)],
        [days_ago(2, formats=["vmdk"]), days_ago(1)],
        [days_ago(2), days_ago(1, formats=[])],
    ],
)
def test_there_is_no_chart_of_what_cannot_be_compared(builds: list[Build]) -> None:
    assert chart(builds) is None


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1024, "1.0 KiB"),
        (311_230_464, "296.8 MiB"),
        (1024**3 - 1, "1.0 GiB"),
        (5 * 1024**4, "5.0 TiB"),
        (5000 * 1024**4, "5000.0 TiB"),
    ],
)
def test_sizes(count: int, text: str) -> None:
    assert wording.size(count) == text


@pytest.mark.parametrize(
    ("days", "text"),
    [
        (-3, "today"),
        (0, "today"),
        (1, "yesterday"),
        (2, "2 days ago"),
        (13, "13 days ago"),
        (14, "2 weeks ago"),
        (59, "8 weeks ago"),
        (60, "2 months ago"),
        (729, "24 months ago"),
        (730, "2 years ago"),
    ],
)
def test_ages(days: int, text: str) -> None:
    assert wording.age(NOW - timedelta(days=days), NOW) == text


@pytest.mark.parametrize(
    ("number", "word", "text"),
    [(1, "build", "1 build"), (2, "build", "2 builds"), (0, "series", "0 series")],
)
def test_numbers_have_their_word(number: int, word: str, text: str) -> None:
    assert wording.count(number, word) == text
