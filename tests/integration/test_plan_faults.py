# SPDX-License-Identifier: GPL-2.0-or-later
"""An archive whose state cannot be known: its indexes are refused, and older ones never used."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from builder import paths
from builder.archive.aptroot import AptRoot
from builder.archive.predict import predict
from builder.errors import ArchiveError
from builder.manifest.decision import Decision
from tests.integration.aptarchive import SMALL, Debian
from tests.integration.aptfaults import FAULTS, Fault, mid_sync, spoilt
from tests.integration.planstory import Story
from tests.integration.webserver import missing

OLDER = next(deb for deb in SMALL if deb.name == "less")
NEWER = replace(OLDER, version=f"{OLDER.version}+deb13u1")


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_what_cannot_be_verified_is_unknown(story: Story, debian: Debian, fault: Fault) -> None:
    """With all at hand that it takes to answer "skip"; when the fault is gone, so is the doubt."""
    story.publish_image()
    debian.put("trixie-security", NEWER)
    with fault.start(debian):
        with pytest.raises(ArchiveError, match=fault.words) as caught:
            story.root.refresh()
        assert "--mirror" in caught.value.hint
        decided = story.decide("--exit-code", code=6)
    assert is_unknown(decided)
    assert fault.words in decided.reasons[0].text
    debian.publish()
    assert story.decide().answer == "publish"


@pytest.mark.parametrize("name", ["no signed release file", "no security archive", "mid-sync"])
def test_nobody_knows_from_the_start(story: Story, debian: Debian, name: str) -> None:
    """Where apt has no indexes of before, an archive that is not there has other words."""
    story.publish_image()
    shutil.rmtree(paths.cache().root)
    debian.put("trixie-security", NEWER)
    with FAULTS[name].start(debian):
        assert is_unknown(story.decide("--force", code=6))


def test_a_mirror_that_is_older_than_the_image(story: Story, debian: Debian) -> None:
    """It is signed, valid and whole; what it lacks would read as downgrades."""
    debian.put("trixie-updates", NEWER)
    debian.publish()
    story.publish_image()
    shutil.rmtree(paths.cache().root)
    debian.lagging = "dists/"
    decided = story.decide(code=6)
    assert decided.answer == "unknown"
    assert {(each.kind, each.effect) for each in decided.reasons} == {("archive", "unknown")}


def test_without_the_refusal_old_indexes_would_answer(story: Story, debian: Debian) -> None:
    """apt keeps them: nobody may ask it after a refresh that failed."""
    root = story.root
    root.refresh()
    debian.put("trixie-security", NEWER)
    with mid_sync(debian), pytest.raises(ArchiveError):
        root.refresh()
    assert version(root) == OLDER.version


def test_indexes_have_two_names(story: Story, debian: Debian) -> None:
    """A mirror without those by digest is whole, and no fault."""
    root = story.root
    debian.put("trixie-security", NEWER)
    with spoilt("/by-hash/", missing, debian):
        root.refresh()
    assert version(root) == NEWER.version


def test_a_mirror_that_is_behind(story: Story, debian: Debian) -> None:
    """What another mirror has signed later, and was seen, is not forgotten."""
    root = story.root
    debian.put("trixie-security", NEWER)
    debian.publish()
    newest = root.refresh()
    debian.lagging = "dists/"
    assert root.refresh() == newest
    assert version(root) == NEWER.version


def version(root: AptRoot) -> str:
    """Which version of the package apt would install."""
    found = {each.package.name: each.package.version for each in predict(root, (OLDER.name,))}
    return found[OLDER.name]


def is_unknown(decided: Decision) -> bool:
    """Whether the archive alone leaves it open."""
    (reason,) = decided.reasons
    told = (decided.answer, reason.kind, reason.effect)
    return told == ("unknown", "archive", "unknown") and decided.published is not None
