# SPDX-License-Identifier: GPL-2.0-or-later
"""The finder's pages of images that others made: who vouches for them, and nothing about builds."""

from __future__ import annotations

import pytest

from builder.manifest.imported import Origin
from builder.store.finder import pages as finder
from builder.store.finder.facts import BuildFacts, StoreFacts
from builder.store.finder.overview import overview
from builder.store.index import NO_BOOT, StoreIndex, folder
from tests.unit.finderworld import NOW, build, entry
from tests.unit.pagecheck import Page

SERIES = "alma-10"
ORIGIN = Origin(
    url="https://images.example.org/10/Alma.qcow2",
    retrieved=NOW,
    version="10.2-20260526.0",
    vouched="CHECKSUM, signed by <somebody>",
)


def pages(origin: Origin | None, *doubts: str) -> tuple[str, str]:
    """The first page of a store with one image, and the image's own page."""
    one = build(SERIES, NOW, ("qcow2",), channel="upstream", unverified=doubts)
    index = StoreIndex(
        serial=1, date=NOW, valid_until=NOW, series=(entry(SERIES, [one], "AlmaLinux 10"),)
    )
    facts = StoreFacts(builds={folder(SERIES, one): BuildFacts(origin=origin)})
    files = dict(finder.pages(index, facts, NOW))
    return files["index.html"].decode(), files[f"{SERIES}/index.html"].decode()


def test_who_vouches_is_on_both_pages() -> None:
    first, own = pages(ORIGIN, NO_BOOT)
    for text in (first, own):
        assert "CHECKSUM, signed by &lt;somebody&gt;" in text
        assert "10.2-20260526.0" in text
        assert "Decision" not in text
        assert Page(text).problems == []
    assert ORIGIN.url in own


def test_nobody_is_told_to_rebuild_what_was_not_built() -> None:
    assert "fai-forge rebuild" not in pages(ORIGIN, NO_BOOT)[1]
    assert "fai-forge rebuild" in pages(None, NO_BOOT)[1]


@pytest.mark.parametrize(
    ("origin", "doubts", "warned"),
    [
        # Its makers vouch for it; that nobody booted it here is a badge.
        (ORIGIN, (NO_BOOT,), False),
        (ORIGIN, (NO_BOOT, "check qemu-img: failed"), True),
        (None, (NO_BOOT,), True),
    ],
)
def test_what_is_a_warning(origin: Origin | None, doubts: tuple[str, ...], warned: bool) -> None:
    for text in pages(origin, *doubts):
        assert ("Not verified." in text) is warned
        assert ('class="card unverified"' in text) is warned
        assert "no boots known" in text


def test_releases_that_nobody_knows_come_by_their_numbers() -> None:
    names = ("rocky-8", "rocky-10", "rocky-9", "opensuse-15.6", "opensuse-16.0")
    series = tuple(
        entry(name, [build(name, NOW, ("qcow2",))], name.replace("-", " ")) for name in names
    )
    index = StoreIndex(serial=1, date=NOW, valid_until=NOW, series=series)
    found = [each.series[0].entry.name for each in overview(index, StoreFacts(), NOW).groups]
    assert [each for each in found if each.startswith("rocky")] == [
        "rocky-10",
        "rocky-9",
        "rocky-8",
    ]
    assert found.index("opensuse-16.0") < found.index("opensuse-15.6")
