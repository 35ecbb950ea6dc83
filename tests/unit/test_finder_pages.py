# SPDX-License-Identifier: GPL-2.0-or-later
"""The finder's pages as HTML: their form, what they escape, what they link, and their colours."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.errors import UsageError
from builder.manifest.model import Verdict
from builder.store.finder import pages as finder
from builder.store.finder.facts import BuildFacts, StoreFacts, Why
from builder.store.index import Digest, SeriesEntry, StoreIndex, TagEntry, folder
from tests.unit.finderworld import NOW, build, entry, world
from tests.unit.pagecheck import Page

INDEX, FACTS = world()
FILES = dict(finder.pages(INDEX, FACTS, NOW))
HTML = {path: content.decode() for path, content in FILES.items() if path.endswith(".html")}
HOSTILE = "\"><script>alert(1)</script><!-- &amp; '{{ 7 * 7 }}"
# Text and its ground, as finder.css pairs them.
PAIRS = (
    ("text", "ground"),
    ("text", "card"),
    ("text", "code"),
    ("dim", "ground"),
    ("dim", "card"),
    ("link", "ground"),
    ("link", "card"),
    ("on-accent", "accent"),
    ("good", "good-ground"),
    ("bad", "bad-ground"),
    ("unknown", "unknown-ground"),
)


@pytest.fixture(params=sorted(HTML))
def page(request: pytest.FixtureRequest) -> Page:
    return Page(HTML[request.param])


def test_there_is_a_page_for_each_series_and_the_first_comes_last() -> None:
    assert sorted(HTML) == sorted(
        ["index.html", *(f"{each.name}/index.html" for each in INDEX.series)]
    )
    assert list(FILES)[:2] == ["finder.css", "finder.js"]
    assert list(FILES)[-1] == "index.html"


def test_pages_are_well_formed(page: Page) -> None:
    assert page.problems == []


def test_ids_are_unique_and_what_points_to_them_is_right(page: Page) -> None:
    ids = Counter(page.values("id"))
    assert [each for each, number in ids.items() if number > 1] == []
    pointers = page.values("for", "aria-labelledby", "aria-describedby")
    anchors = [href[1:] for href in page.values("href") if href.startswith("#")]
    assert {word for each in pointers for word in each.split()} | set(anchors) <= set(ids)


def test_fields_have_a_label(page: Page) -> None:
    labelled = {label.attributes["for"] for label in page.all("label")}
    fields = [*page.all("input"), *page.all("select")]
    assert {each.attributes["id"] for each in fields} == labelled


def test_pages_have_landmarks_and_headings_in_order(page: Page) -> None:
    # An image of SVG has a title of its own.
    tags = Counter(e.tag for e in page.elements if "svg" not in e.parents)
    assert (tags["main"], tags["h1"], tags["title"], tags["footer"]) == (1, 1, 1, 1)
    assert page.all("html", lang="en")
    assert page.all("a")[0].attributes == {"class": "to-content", "href": "#main"}
    levels = [int(e.tag[1]) for e in page.elements if re.fullmatch("h[1-6]", e.tag)]
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert all(e.attributes.get("scope") in ("col", "row") for e in page.all("th"))
    assert all(e.text for e in [*page.all("a"), *page.all("summary"), *page.all("button")])
    names = [e.attributes.get("aria-label") for e in page.all("nav")]
    assert None not in names
    assert len(names) == len(set(names))


def test_nothing_is_outside_of_the_store(page: Page) -> None:
    links = page.values("href", "src", "action", "srcset", "data", "poster", "xlink:href")
    assert [each for each in links if re.match(r"[a-z]+:|/|\\", each)] == ["data:,"]
    assert not page.all("style")
    assert not page.values("style")
    assert not [e for e in page.elements if any(name.startswith("on") for name in e.attributes)]


def test_a_policy_allows_only_what_is_in_the_store(page: Page) -> None:
    policies = page.all("meta", **{"http-equiv": "Content-Security-Policy"})
    assert [each.attributes["content"] for each in policies] == [
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src data:;"
        " base-uri 'none'; form-action 'self'"
    ]
    scripts = page.all("script")
    assert all("src" in each.attributes and not each.text for each in scripts)


def test_links_to_pages_and_their_places_lead_somewhere() -> None:
    pages = {path: Page(content) for path, content in HTML.items()}
    for path, page in pages.items():
        for href in page.values("href"):
            target, _, anchor = href.partition("#")
            if not target.endswith("index.html"):
                continue
            there = target.removeprefix("../")
            assert there in pages, (path, href)
            assert not anchor or anchor in pages[there].values("id"), (path, href)


def test_every_build_of_the_index_is_where_it_belongs() -> None:
    first = HTML["index.html"]
    for each in INDEX.series:
        content = HTML[f"{each.name}/index.html"]
        for one in each.builds:
            where = folder(each.name, one)
            assert (f"{where}/" in content) is (one.state != "hidden")
            assert (f'"../{where}/{each.name}-{one.serial}.qcow2"' in content) is (
                one.state == "public"
            )
            if one.state != "public":
                assert f"{where}/" not in first


def test_an_unverified_build_is_marked_on_both_pages() -> None:
    for path in ("index.html", "debian-13-backports/index.html"):
        page = Page(HTML[path])
        warnings = [each.text for each in page.all("div", class_="warning")]
        assert warnings == [
            "Not verified. Published all the same, although:"
            " the check setuid failed the boot bios failed"
        ]
    assert "not verified" not in HTML["debian-13/index.html"].lower()


def test_the_same_input_gives_the_same_bytes() -> None:
    assert dict(finder.pages(INDEX, FACTS, NOW)) == FILES


def test_only_the_first_page_depends_on_the_day() -> None:
    later = dict(finder.pages(INDEX, FACTS, NOW + timedelta(days=40)))
    assert {path for path in FILES if later[path] != FILES[path]} == {"index.html"}
    same_day = dict(finder.pages(INDEX, FACTS, NOW + timedelta(hours=5)))
    assert same_day == FILES


def test_a_page_changes_with_its_own_series_only() -> None:
    one = next(each for each in INDEX.series if each.name == "debian-12")
    more = one.model_copy(update={"builds": (*one.builds, build("debian-12", NOW))})
    series = tuple(more if each is one else each for each in INDEX.series)
    index = INDEX.model_copy(update={"serial": 813, "series": series})
    changed = dict(finder.pages(index, FACTS, NOW))
    found = {path for path in FILES if changed[path] != FILES[path]}
    assert found == {"index.html", "debian-12/index.html"}


def test_an_empty_store_has_a_page() -> None:
    index = StoreIndex(serial=1, date=NOW, valid_until=NOW)
    page = Page(finder.render_index(index, StoreFacts(), NOW).decode())
    assert page.problems == []
    assert "no image" in next(each.text for each in page.all("main"))


def texts(word: str) -> tuple[SeriesEntry, StoreFacts]:
    """A series, and facts, with a word in each field that may hold any text."""
    one = build(
        "debian-13",
        NOW,
        unverified=(word,),
        tags=(TagEntry(tag="4", date=NOW, reference=word),),
    )
    image = one.images[0].model_copy(update={"format": word})
    one = one.model_copy(update={"images": (image,)})
    series = entry("debian-13", [one], word).model_copy(
        update={"distro": word, "release": word, "arch": word, "roles": (word, word)}
    )
    verdict = Verdict(name=word, verdict="failed", detail=word)
    known = BuildFacts(
        checks=(verdict,),
        boots=(verdict,),
        why=Why("publish", NOW, word, word),
        command=word,
        commit=word,
        changes=word,
    )
    return series, StoreFacts(
        policies={"debian-13": word}, builds={folder("debian-13", one): known}, title=word
    )


def both(word: str) -> Iterator[Page]:
    series, known = texts(word)
    index = StoreIndex(serial=1, date=NOW, valid_until=NOW, series=(series,))
    yield Page(finder.render_index(index, known, NOW).decode())
    yield Page(finder.render_series(series, known).decode())


def shape(page: Page) -> list[tuple[str, tuple[str, ...]]]:
    return [(element.tag, tuple(element.attributes)) for element in page.elements]


def test_hostile_text_is_shown_as_it_is() -> None:
    harmless = list(both("x"))
    for page, same in zip(both(HOSTILE), harmless, strict=True):
        assert page.problems == []
        assert shape(page) == shape(same)
        found = [each.text for each in page.elements if HOSTILE in each.text]
        assert len(found) > 10
        assert "49" not in "".join(each.text for each in page.all("h1"))


@settings(max_examples=50)
@given(st.text(min_size=1, max_size=30))
def test_no_text_changes_the_form_of_a_page(word: str) -> None:
    harmless = list(both("x"))
    for page, same in zip(both(word), harmless, strict=True):
        assert page.problems == []
        assert shape(page) == shape(same)


@pytest.mark.parametrize("name", ["../../etc/passwd", "javascript:alert(1)", "a\\b", ""])
def test_a_name_that_is_no_path_stops_the_page(name: str) -> None:
    one = build("debian-13", NOW)
    image = one.images[0].model_copy(update={"name": name})
    manifest = Digest.model_construct(name=name, size=1, sha256="0" * 64)
    for odd in (
        one.model_copy(update={"images": (image,)}),
        one.model_copy(update={"manifest": manifest, "state": "removed"}),
        one.model_copy(update={"serial": f"20261121/{name}/.."}),
    ):
        with pytest.raises(UsageError):
            finder.render_series(entry("debian-13", [odd]), StoreFacts())


def test_a_log_that_is_no_path_stops_the_page() -> None:
    one = build("debian-13", NOW)
    boot = Verdict.model_construct(name="uefi", verdict="passed", detail="", log="../x")
    known = StoreFacts(builds={folder("debian-13", one): BuildFacts(boots=(boot,))})
    with pytest.raises(UsageError):
        finder.render_series(entry("debian-13", [one]), known)


def test_an_index_of_ten_thousand_builds_is_rendered_in_a_second() -> None:
    template = next(each for each in INDEX.series if each.name == "debian-13-cloud")
    builds = tuple(
        build("debian-13-cloud", NOW - timedelta(days=number)) for number in range(100, 0, -1)
    )
    series = tuple(
        template.model_copy(
            update={
                "name": f"debian-13-r{number}",
                "roles": (f"r{number}",),
                "builds": builds,
            }
        )
        for number in range(100)
    )
    index = INDEX.model_copy(update={"series": series})
    start = time.process_time()
    content = finder.render_index(index, StoreFacts(), NOW)
    seconds = time.process_time() - start
    assert content.count(b"<article") == 100
    # It takes some hundredths; this is what a slow machine may take.
    assert seconds < 1.0


def test_the_style_has_nothing_from_elsewhere() -> None:
    style = FILES["finder.css"].decode()
    assert "url(" not in style
    assert "@import" not in style
    assert "@font-face" not in style
    script = FILES["finder.js"].decode()
    words = ("http", "innerHTML", "eval", "import", "fetch", "document.write")
    assert not [word for word in words if word in script]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), PAIRS)
def test_colours_have_enough_contrast(scheme: str, text: str, ground: str) -> None:
    light, dark = FILES["finder.css"].decode().split("prefers-color-scheme: dark")
    colours = dict(
        re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", light if scheme == "light" else dark)
    )
    one, other = sorted((luminance(colours[text]), luminance(colours[ground])))
    assert (other + 0.05) / (one + 0.05) >= 4.5


def luminance(colour: str) -> float:
    """The relative luminance of WCAG 2."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(part * weight for part, weight in zip(linear, (0.2126, 0.7152, 0.0722), strict=True))
