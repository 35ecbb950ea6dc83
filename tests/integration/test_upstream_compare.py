# SPDX-License-Identifier: GPL-2.0-or-later
"""Two versions of an upstream's image, pulled with their package lists and compared."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from builder import cli
from builder.images import AdvisoryPlaces, Images
from builder.manifest.changelog import ImageChangelog
from builder.manifest.imported import Document
from builder.planning.explain import Explainer
from builder.planning.since import since
from builder.store.beside import changes
from builder.store.index import StoreIndex
from builder.upstream.finding import CHANNEL
from tests.integration.apiserver import serve
from tests.integration.signing import KeyHome
from tests.integration.upstreamworld import World, made

OLD = "bash\t5.2.37-2\nopenssl\t3.5.1-1\nlibssl3t64:amd64\t3.5.1-1\n"
NEW = "bash\t5.2.37-2\nopenssl\t3.5.1-1+deb13u1\nlibssl3t64:amd64\t3.5.1-1+deb13u1\n"
DSA = """\
[01 Nov 2026] DSA-6001-1 openssl - security update
\t{CVE-2026-1000}
\t[trixie] - openssl 3.5.1-1+deb13u1
"""
LIST = {"file": "{stem}.packages", "form": "dpkg"}


@pytest.fixture
def world(tmp_path: Path, gpg_home: KeyHome, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with made(tmp_path, gpg_home, monkeypatch) as world:
        world.ours.distro, world.ours.release = "debian", "13"
        yield world


def version(world: World, number: str, day: str, packages: str) -> str:
    """Publish a version with a list of its packages, pull it as the verb does; its warning."""
    ours = world.ours
    ours.put(number, day)
    stem = ours.file(number, day).removesuffix(".qcow2")
    world.server.routes[f"{ours.base}{stem}.packages"] = serve(packages.encode(), "text/plain")
    codename = [{"release": "13", "codename": "trixie"}]
    ours.write(world.upstreams, packages=LIST, releases=codename)
    file = world.folder / "dsa"
    file.write_text(DSA)
    rows = Images(advisories=AdvisoryPlaces(dsa=str(file)))
    explainer = Explainer(rows.advisories, world.folder, world.folder)

    def beside(index: StoreIndex | None, new: Document) -> Sequence[tuple[str, bytes]]:
        found = since(world.store.place, index, new, rows, explainer, CHANNEL)
        return changes(f"{new.name}-{new.serial}", found) if found else ()

    outcome = world.one(beside=beside)
    assert outcome.answer == "pulled"
    return outcome.warning


def changelog(world: World) -> ImageChangelog | None:
    """What stands beside the newest build."""
    build = world.builds("debian-13")[-1]
    folder = world.folder / "store" / "debian-13" / CHANNEL / build.serial
    path = folder / f"debian-13-{build.serial}.changelog.json"
    return ImageChangelog.model_validate_json(path.read_bytes()) if path.exists() else None


def test_a_pulled_image_has_its_packages_and_what_changed(world: World) -> None:
    version(world, "1", "20261101", OLD)
    assert [each.name for each in world.manifest("debian-13").packages] == [
        "bash",
        "libssl3t64",
        "openssl",
    ]
    assert changelog(world) is None
    version(world, "2", "20261108", NEW)
    found = changelog(world)
    assert found is not None
    assert (found.from_image.serial, found.to_image.serial) == ("20261101", "20261108")
    assert [each.name for each in found.packages] == ["libssl3t64", "openssl"]
    # An advisory names the source; of a package of another name nobody knows.
    assert [each.name for each in found.packages if each.security] == ["openssl"]
    assert not found.sources_known
    sums = next((world.folder / "store/debian-13/upstream/20261108").glob("SHA256SUMS"))
    assert ".changelog.md" in sums.read_text()


def test_diff_compares_them_by_their_folders(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    version(world, "1", "20261101", OLD)
    version(world, "2", "20261108", NEW)
    folder = world.folder / "store/debian-13/upstream"
    capsys.readouterr()
    sides = [str(folder / "20261101"), str(folder / "20261108")]
    assert cli.main(["diff", *sides, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["summary"]["counts"]["upgraded"] == 2
    assert answer["sourcesKnown"] is False
    assert cli.main(["diff", *sides]) == 0
    assert "which archive they are from is not known" in capsys.readouterr().out
    assert cli.main(["diff", sides[0], sides[0], "--exit-code"]) == 5


def test_a_list_that_is_none_is_told_and_the_image_comes(world: World) -> None:
    version(world, "1", "20261101", OLD)
    warning = version(world, "2", "20261108", "<html>Sign in</html>")
    assert "it comes without its list of packages" in warning
    assert world.manifest("debian-13").packages == ()
    assert changelog(world) is None


def test_a_fault_of_the_comparison_stops_no_image(world: World) -> None:
    version(world, "1", "20261101", OLD)
    # No version that could be compared.
    warning = version(world, "2", "20261108", NEW.replace("5.2.37-2", "a:b:c"))
    assert world.serials("debian-13")[-1] == "20261108"
    assert "it comes without its changelog" in warning
