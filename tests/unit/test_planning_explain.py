# SPDX-License-Identifier: GPL-2.0-or-later
"""Advisories explain changes where they are at hand, and are missed with one warning."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from builder.images import AdvisoryPlaces
from builder.manifest.decision import Advisory
from builder.manifest.diff import SourceChange
from builder.planning.explain import Explainer

DSA = """\
[18 Nov 2026] DSA-6011-1 openssl - security update
\t{CVE-2026-0001 CVE-2026-0002}
\t[trixie] - openssl 3.5.4-1~deb13u1
"""
DLA = """\
[19 Nov 2026] DLA-5001-1 openssl - security update
\t{CVE-2026-0001}
\t[bookworm] - openssl 3.0.17-1~deb12u4
"""


def change(old: str | None, new: str | None) -> SourceChange:
    return SourceChange("openssl", "upgraded", old, new, (), security=True)


def test_lists_for_each_release(tmp_path: Path) -> None:
    (tmp_path / "dsa").write_text(DSA)
    (tmp_path / "dla").write_text(DLA)
    explainer = Explainer(AdvisoryPlaces(dsa="dsa", dla="dla"), tmp_path, tmp_path / "kept")
    trixie = explainer.fixes("trixie")
    assert trixie(change("3.5.1-1", "3.5.4-1~deb13u1")) == (
        Advisory(id="DSA-6011-1", cves=("CVE-2026-0001", "CVE-2026-0002")),
    )
    assert trixie(change("3.5.4-1~deb13u1", "3.5.4-1~deb13u2")) == ()
    assert trixie(change("3.5.1-1", None)) == ()
    (found,) = explainer.fixes("bookworm")(change("3.0.17-1~deb12u3", "3.0.17-1~deb12u4"))
    assert found.id == "DLA-5001-1"


def test_nothing_configured_is_nothing_known(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert Explainer(AdvisoryPlaces(), tmp_path, tmp_path).fixes("trixie")(change("1", "9")) == ()
    assert caplog.records == []


@pytest.mark.parametrize(
    ("places", "known"),
    [
        (AdvisoryPlaces(dsa="missing"), 0),
        # The tracker's data is read later than the list, which stays.
        (AdvisoryPlaces(dsa="dsa", tracker="missing"), 1),
    ],
)
def test_what_cannot_be_read_is_missed_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, places: AdvisoryPlaces, known: int
) -> None:
    (tmp_path / "dsa").write_text(DSA)
    fixes = Explainer(places, tmp_path, tmp_path / "kept").fixes("trixie")
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert len(fixes(change("3.5.1-1", "3.5.4-1~deb13u1"))) == known
    (warning,) = caplog.records
    assert "missing" in warning.getMessage()
