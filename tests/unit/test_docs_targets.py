# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/targets.md: its files are read as they stand there, and its own target is used."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import pytest

from builder.errors import UsageError
from builder.facility import config
from builder.facility.site import Site
from builder.facility.targets.glanceproperties import NUMBERS, PREFIX, ROWS
from builder.facility.targets.open import FACTORIES, GROUP, open_target
from builder.facility.targets.target import Target
from builder.progress import NoProgress
from tests.unit.test_targets import item

PAGE = (Path(__file__).parents[2] / "docs/targets.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(yaml|toml|python)\n(.*?)^```$", re.M | re.S)
ROW = re.compile(r"^\| (`[^|]*) \|", re.M)
QUIET = NoProgress()


def blocks(language: str) -> list[str]:
    return [text for found, text in BLOCK.findall(PAGE) if found == language]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """The second site of the page, with the page's package installed as pip would install it."""
    (packaging,) = blocks("toml")
    (module,) = blocks("python")
    about = tomllib.loads(packaging)["project"]
    installed = tmp_path / "installed"
    info = installed / "north_targets-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {about['name']}\nVersion: 1\n")
    points = about["entry-points"][GROUP]
    lines = "".join(f"{name} = {value}\n" for name, value in points.items())
    (info / "entry_points.txt").write_text(f"[{GROUP}]\n{lines}")
    (installed / "north_targets.py").write_text(module)
    monkeypatch.syspath_prepend(installed)
    monkeypatch.delitem(sys.modules, "north_targets", raising=False)
    path = tmp_path / "facility.yaml"
    path.write_text(blocks("yaml")[1].replace("/srv/tftp", "tftp"))
    (tmp_path / "tftp").mkdir()
    return Site(config.read(path), tmp_path)


@pytest.fixture
def target(site: Site) -> Target:
    return open_target("net", site.facility.targets["net"], site)


def test_the_page_shows_every_kind(tmp_path: Path) -> None:
    shown = set()
    for text in blocks("yaml"):
        path = tmp_path / "facility.yaml"
        path.write_text(text)
        shown |= {entry.kind for entry in config.read(path).targets.values()}
    assert shown == set(FACTORIES)


def test_the_page_tells_every_property() -> None:
    told = {name for row in ROW.findall(PAGE) for name in re.findall(r"`([a-z_*]+)`", row)}
    assert {*ROWS, *NUMBERS, "uuid_validity", f"{PREFIX}*"} <= told


def test_the_target_of_the_page_works(tmp_path: Path, target: Target) -> None:
    assert [each.ok for each in target.check()] == [True]
    for serial in ("20261119", "20261120", "20261121"):
        new = item(tmp_path / "store", serial, form="raw")
        assert target.put(new, QUIET).answer == "placed"
    assert target.put(new, QUIET).answer == "unchanged"
    assert [(each.serial, each.current) for each in target.held()] == [
        ("20261120", False),
        ("20261121", True),
    ]
    assert "debian-13-20261121.raw" in (tmp_path / "tftp/debian-13.ipxe").read_text()
    target.remove(target.held()[0])
    assert {path.name for path in (tmp_path / "tftp").iterdir()} == {
        "debian-13.ipxe",
        "debian-13-20261121.raw",
    }


def test_the_target_of_the_page_refuses_what_it_does_not_take(
    tmp_path: Path, target: Target
) -> None:
    with pytest.raises(UsageError, match="takes no qcow2"):
        target.put(item(tmp_path / "store", "20261121"), QUIET)


def test_a_package_that_cannot_be_loaded(tmp_path: Path, site: Site) -> None:
    (tmp_path / "installed/north_targets.py").write_text("import not_there\n")
    with pytest.raises(UsageError, match="cannot be loaded") as caught:
        open_target("net", site.facility.targets["net"], site)
    assert caught.value.hint
