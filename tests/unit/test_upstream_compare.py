# SPDX-License-Identifier: GPL-2.0-or-later
"""Images that others built, compared by the package lists that they publish."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from builder.builds import Builds, Built
from builder.errors import UsageError
from builder.facility.status import security_updates
from builder.images import Images
from builder.manifest import document
from builder.manifest.changelog_text import text
from builder.manifest.changes import Side, changelog
from builder.manifest.decision import Advisory
from builder.manifest.diff import SourceChange, told
from builder.manifest.imported import Document, Imported, Origin
from builder.manifest.model import File, Manifest
from builder.manifest.model import Package as Listed
from builder.models import Package
from builder.planning import sides
from builder.planning.explain import Explainer
from builder.planning.since import since
from builder.store import reading
from tests.unit import worlds
from tests.unit.stores import NOW, build, publisher, put

OLD, NEW = "20260701", "20260725"
PACKAGES = {
    OLD: ["openssl 3.5.1-1", "libssl3t64 3.5.1-1", "tzdata 2025a-1", "gone 1"],
    NEW: ["openssl 3.5.1-1+deb13u1", "libssl3t64 3.5.1-1+deb13u1", "tzdata 2025a-1", "come 1"],
}
DSA = Advisory(id="DSA-6001-1", cves=("CVE-2026-1000",), urgency="high")


def advised(change: SourceChange) -> tuple[Advisory, ...]:
    return (DSA,) if change.name == "openssl" and change.kind == "upgraded" else ()


def _words(text: str) -> tuple[str, str]:
    name, version = text.split()
    return name, version


def imported(serial: str, packages: Iterable[str] | None = None) -> Imported:
    texts = PACKAGES[serial] if packages is None else packages
    name = "debian-13"
    return Imported(
        name=name,
        serial=serial,
        title="Debian 13 (trixie)",
        distro="debian",
        release="13",
        codename="trixie",
        arch="amd64",
        origin=Origin(
            url="https://images.invalid/debian-13.qcow2",
            retrieved=NOW,
            date=datetime(2026, 7, 1, tzinfo=UTC),
            vouched="nobody",
        ),
        packages=tuple(Listed.listed(*_words(each), "amd64") for each in texts),
        files=(
            File(
                name=f"{name}-{serial}.qcow2",
                format="qcow2",
                size=3,
                sha256="0" * 64,
                sha512="0" * 128,
                reproducible=False,
            ),
        ),
    )


def compared(old: Document, new: Document, *, knows: bool = True) -> list[str]:
    known = advised if knows else (lambda _: ())
    found = changelog(Side.of(old), Side.of(new), impact=lambda _: None, fixes=known)
    return list(text(found, 200))


def test_packages_stand_for_themselves_and_the_page_says_so() -> None:
    found = changelog(
        Side.of(imported(OLD)), Side.of(imported(NEW)), impact=lambda _: None, fixes=advised
    )
    assert not found.sources_known
    assert [each.name for each in found.packages] == ["come", "gone", "libssl3t64", "openssl"]
    assert {each.name for each in found.packages if each.security} == {"openssl"}
    assert (found.config_space, found.tool, found.suites) == (None, None, ())
    assert "4 packages changed" in "\n".join(text(found, 200))


def test_an_advisory_tells_of_security_and_nobody_says_that_there_is_none() -> None:
    assert any(
        "1 of them for security by advisories, which archive they are from is not known" in line
        for line in compared(imported(OLD), imported(NEW))
    )
    lines = "\n".join(compared(imported(OLD), imported(NEW), knows=False))
    assert "which archive they are from is not known" in lines
    assert "none for security" not in lines


def ours(*texts: str) -> Manifest:
    return worlds.manifest(worlds._by_name(texts).values(), NOW, ())


def source(text: str, of: str, version: str) -> Package:
    name, own = text.split()
    return Package(name, own, "amd64", of, version)


def test_sources_are_learned_from_who_knows_them() -> None:
    known = [
        source("libssl3t64 3.5.1-1", "openssl", "3.5.1-1"),
        source("perl-base 5.40.1-6+b1", "perl", "5.40.1-6"),
        source("grub-efi-amd64-signed 1+2.12+9", "grub-efi-amd64-signed", "2"),
    ]
    listed = [
        Package(*_words(text), "all", "", "")
        for text in (
            "libssl3t64 3.5.1-1+deb13u1",
            "perl-base 5.40.1-7+b2",
            "grub-efi-amd64-signed 1+2.12+10",
            "unknown 1",
        )
    ]
    assert [(each.name, each.source, each.source_version) for each in told(listed, known)] == [
        ("libssl3t64", "openssl", "3.5.1-1+deb13u1"),
        ("perl-base", "perl", "5.40.1-7"),
        ("grub-efi-amd64-signed", "", ""),
        ("unknown", "", ""),
    ]


def test_a_build_of_ours_tells_the_sources_of_what_others_list() -> None:
    one = ours("openssl 3.5.1-1", "tzdata 2025a-1")
    found = changelog(
        Side.of(one),
        Side.of(imported(NEW, ["openssl 3.5.1-1+deb13u1", "tzdata 2025a-1"])),
        impact=lambda _: None,
    )
    assert [(each.name, each.kind) for each in found.packages] == [("openssl", "upgraded")]
    assert not found.sources_known


def test_an_image_without_a_list_is_not_compared() -> None:
    with pytest.raises(UsageError, match="nobody lists the packages"):
        Side.of(imported(OLD, []))


def test_missing_updates_of_a_site_are_counted_or_unknown_but_never_none() -> None:
    old, new = imported(OLD), imported(NEW)

    def known(change: SourceChange, codename: str) -> bool:
        return codename == "trixie" and bool(advised(change))

    assert security_updates(old, new, known) == 1
    assert security_updates(old, new) is None
    assert security_updates(old, new, lambda *_: False) is None
    assert security_updates(old, imported(NEW, PACKAGES[OLD])) == 0
    assert security_updates(old, imported(NEW, [])) is None


def test_a_build_must_know_its_sources() -> None:
    one = ours("openssl 3.5.1-1").model_dump()
    one["packages"][0]["source"] = ""
    with pytest.raises(ValueError, match="a package without its source"):
        Manifest.model_validate(one)


def test_diff_finds_them_in_their_folders(tmp_path: Path) -> None:
    for serial in (OLD, NEW):
        place = tmp_path / "debian-13" / serial
        place.mkdir(parents=True)
        (place / f"debian-13-{serial}.manifest.json").write_text(document.dump(imported(serial)))
    old, new = sides.manifests(str(tmp_path / "debian-13" / OLD), NEW, Builds(tmp_path))
    assert (old, new) == (imported(OLD), imported(NEW))


def test_what_changed_since_the_one_in_the_store(tmp_path: Path) -> None:
    shop = publisher(tmp_path)
    for serial in (OLD, NEW):
        made = build(tmp_path / "out", serial, image=serial.encode())
        there = document.load(made.manifest)
        content = document.dump(imported(serial).model_copy(update={"files": there.files}))
        made.manifest.write_text(content)
        put(shop, Built("debian-13", serial, made.folder), unverified=True)
    index = shop.current()
    rows = Images()
    explainer = Explainer(rows.advisories, tmp_path, tmp_path)
    found = since(shop.place, index, imported(NEW), rows, explainer)
    assert found is not None
    assert (found.from_image.serial, found.to_image.serial) == (OLD, NEW)
    assert since(shop.place, index, imported(OLD), rows, explainer) is None
    assert since(shop.place, index, imported(NEW, []), rows, explainer) is None
    entry = reading.series(index, "debian-13") if index else None
    assert entry is not None
    # A plan is about what is built here.
    assert reading.newest_built(shop.place, entry) is None
