# SPDX-License-Identifier: GPL-2.0-or-later
"""Validation: every kind of thing that may be wrong with a class's files, and what is fine."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder import pipeline
from builder.classes import Catalogue, Overlay, own_overlays, resolve
from builder.errors import ForgeError, InfrastructureError, UsageError
from builder.install.supplies import Archive
from builder.names import parse
from builder.paths import Cache
from builder.progress import NoProgress
from builder.sites.outside import Outside
from builder.validate import classes, layout, packages
from builder.validate.finding import Finding
from builder.validate.validate import _chosen
from tests.unit.test_overlays import PROJECT, write

ROOT = Path(__file__).parents[2]
OURS = "class: OURS\nkind: role\ntoken: ours\nsummary: x\norder: 8\n"
SCRIPT = "#!/bin/sh\n"


class House:
    """A project with a class OURS, whose files a test chooses."""

    def __init__(self, root: Path) -> None:
        self.root = write(root / "project", {**PROJECT, "classes/OURS/class.yaml": OURS})

    def write(self, files: dict[str, str]) -> None:
        """Add files to OURS."""
        write(self.root, {f"classes/OURS/{name}": text for name, text in files.items()})

    @property
    def overlay(self) -> Overlay:
        """The folder of OURS."""
        return next(each for each in own_overlays(self.root) if each.name == "OURS")

    @property
    def known(self) -> Catalogue:
        """All classes."""
        return pipeline.catalogue(self.root)

    def findings(self) -> list[Finding]:
        """What is wrong with the layout of OURS."""
        overlay = self.known.classes["OURS"].overlay
        return list(layout.check(overlay, self.known))


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


GOOD = (
    *("class/OURS.var", "class/10-ours", "class/10-ours.sh", "debconf/OURS", "debconf/OURS/x"),
    *("files/etc/motd/OURS", "files/etc/motd/TRIXIE", "files/etc/motd/postinst"),
    *("files/etc/x/file-modes", "files/etc/x/OURS.tar.gz", "hooks/instsoft.OURS"),
    *("hooks/updatebase.OURS.sh", "hooks/finish.LAST", "package_config/OURS"),
    *("package_config/OURS.asc", "scripts/OURS", "scripts/LAST/50-x", "scripts/AMD64/10-x"),
)


@pytest.mark.parametrize("name", GOOD)
def test_what_fai_reads(house: House, name: str) -> None:
    house.write({name: SCRIPT})
    (house.overlay.path / name).chmod(0o755)
    assert house.findings() == []


BAD = [
    ("class/OURS", "FAI never reads this file", "class/OURS.var sets variables"),
    ("debconf/ours", "FAI never reads this file", "debconf/OURS"),
    ("files/etc/motd", "FAI never reads this file", "files/etc/motd/OURS"),
    ("files/etc/motd/ours", "FAI never reads this file", "files/etc/motd/OURS"),
    ("files/etc/motd/OUR", "there is no class OUR; did you mean OURS?", "files/etc/motd/OURS"),
    ("files/etc/motd/WEB", "a file of the class WEB, in the folder of OURS", "classes/WEB"),
    ("hooks/instsof.OURS", "never reads this file; did you mean instsoft?", "hooks/instsoft.OURS"),
    ("hooks/OURS", "FAI never reads this file", "hooks/instsoft.OURS"),
    ("hooks/instsoft.OURZ", "there is no class OURZ; did you mean OURS?", "hooks/"),
    ("package_config/ours", "FAI never reads this file", "package_config/OURS"),
    ("package_config/OURS.list", "FAI never reads this file", "package_config/OURS"),
    ("scripts/OURS/motd", "FAI never reads this file", "with two digits in front"),
    ("scripts/OURS/1-motd", "FAI never reads this file", "with two digits in front"),
    ("scripts/10-motd", "FAI never reads this file", "scripts/OURS/NN-name"),
    ("disk_config/OURS", "FAI does not know disk_config", "its folders are class, debconf"),
    ("hook/x", "FAI does not know hook; did you mean hooks?", "its folders are"),
    ("Makefile", "FAI does not know Makefile", "its folders are"),
]


@pytest.mark.parametrize(("name", "sentence", "hint"), BAD)
def test_what_fai_never_reads(house: House, name: str, sentence: str, hint: str) -> None:
    house.write({name: SCRIPT})
    (found,) = house.findings()
    assert sentence in found.sentence
    assert hint in found.hint
    assert found.path.is_relative_to(house.overlay.path)


def test_a_file_that_replaces_is_for_another_class(house: House) -> None:
    house.write({"class.yaml": OURS + "replaces: [files/etc/motd/WEB]\n"})
    write(house.root, {"classes/WEB/files/etc/motd/WEB": "x"})
    house.write({"files/etc/motd/WEB": "y"})
    assert house.findings() == []


def test_a_script_says_what_runs_it_and_may_be_run(house: House) -> None:
    house.write({"scripts/OURS/10-x": "echo\n", "hooks/instsoft.OURS.sh": "echo\n"})
    (found,) = house.findings()
    assert (found.sentence, found.line) == ("nothing says what runs this", 1)
    (house.overlay.path / "scripts/OURS/10-x").write_text(SCRIPT)
    assert house.findings() == []
    (house.overlay.path / "hooks/instsoft.OURS.sh").chmod(0o644)
    (found,) = house.findings()
    assert found.sentence.startswith("this is not executable")
    assert found.hint == f"chmod +x {house.overlay.path}/hooks/instsoft.OURS.sh"


def test_all_class_files_are_read_whatever_one_of_them_holds(house: House, tmp_path: Path) -> None:
    write(house.root, {"classes/WEB/class.yaml": "class: WEB\nkindd: role\n"})
    house.write({"class.yaml": "class: OURS\nkind: [\n"})
    write(tmp_path / "two/classes/DEBIAN", {"class.yaml": PROJECT["classes/DEBIAN/class.yaml"]})
    known, found = classes.read(
        [*own_overlays(house.root), Overlay("two/DEBIAN", tmp_path / "two/classes/DEBIAN")]
    )
    assert set(known.classes) == {"DEBIAN", "TRIXIE", "AMD64"}
    said = [(each.path.parent.name, each.line, each.sentence) for each in found]
    assert said[0][:2] == ("OURS", 3)
    assert said[1] == ("WEB", 0, "the field kind is missing")
    assert "the class DEBIAN is also in" in said[2][2]


def test_a_wrong_field_has_its_line(house: House) -> None:
    house.write({"class.yaml": OURS + "requires:\n  - WEB\n  - web\n"})
    _, (found,) = classes.read(own_overlays(house.root))
    assert found.place == f"{house.overlay.path}/class.yaml:8"


def fitting(house: House) -> list[str]:
    known, found = classes.read(own_overlays(house.root))
    assert found == []
    return [
        each.sentence for each in classes.fit(house.root / "fai-config", known, lambda *_: None)
    ]


def test_classes_that_fit(house: House) -> None:
    assert fitting(house) == []


def test_everything_that_does_not_fit_is_said_at_once(house: House) -> None:
    house.write({"class.yaml": OURS + "requires: [WBE]\nreplaces: [files/x/Y]\n"})
    write(
        house.root,
        {"classes/WEB/class.yaml": PROJECT["classes/WEB/class.yaml"] + "defaults: [Q]\n"},
    )
    said = fitting(house)
    assert len(said) == 4
    assert "names the class WBE, which nobody has; did you mean WEB?" in said[1]
    assert "names the class Q" in said[0]
    assert "it replaces files/x/Y, which nobody has" in said[2]
    assert "has no such file itself" in said[3]


def test_a_collision_is_found_without_a_build(house: House) -> None:
    house.write({"class.yaml": OURS + "requires: [WEB]\n", "scripts/LAST/50-web": SCRIPT})
    assert fitting(house) == ["the overlays WEB and OURS both bring scripts/LAST/50-web"]


@pytest.mark.parametrize(
    ("name", "text", "sentence", "line"),
    [
        ("tests/offline.yaml", "present:\n  - [\n", "this is not YAML", 3),
        ("tests/journal.yaml", "rows:\n  - pattern: too many\n", "rows.0.reason is missing", 2),
        ("tests/test_x.py", "def x(:\n", "this is not Python", 1),
        (
            "tests/known-issues.yaml",
            "issues:\n  - test: x\n",
            "the field issues.0.images is missing",
            2,
        ),
    ],
)
def test_tests_that_cannot_be_read(
    house: House, name: str, text: str, sentence: str, line: int
) -> None:
    house.write({"README.md": "x", name: text})
    (found,) = classes.tests(house.overlay)
    assert sentence in found.sentence
    assert found.line == line


def test_a_class_says_what_it_is(house: House) -> None:
    (found,) = classes.tests(house.overlay)
    assert found.sentence == "there is no README.md"
    addition = Overlay("site/OURS", house.root / "classes/DEBIAN/files")
    assert list(classes.tests(addition)) == []


def test_only_classes_that_there_are_can_be_chosen(house: House) -> None:
    overlays = own_overlays(house.root)
    assert [each.name for each in _chosen(overlays, ["OURS"])] == ["OURS"]
    with pytest.raises(UsageError, match="there is no class OUR; did you mean OURS"):
        _chosen(overlays, ["OUR"])


def test_additions_are_checked_as_their_class(tmp_path: Path, house: House) -> None:
    site = write(tmp_path / "site", {"classes/OURS/files/etc/x/OURS": "x", "classes/OURS/x": ""})
    known = pipeline.catalogue(house.root, [Outside("site", site, str(site))])
    (overlay,) = known.additions["OURS"]
    (found,) = layout.check(overlay, known)
    assert found.sentence.startswith("FAI does not know x")


def test_the_projects_own_classes_are_right() -> None:
    known = pipeline.catalogue(ROOT)
    found = [
        each
        for one in known.classes.values()
        for each in (*layout.check(one.overlay, known), *classes.tests(one.overlay))
    ]
    assert found == []


class Root:
    """An apt root that answers as a test wants."""

    def __init__(self, error: ForgeError | None) -> None:
        self.error = error

    def refresh(self) -> None:
        if self.error is not None:
            raise self.error


@pytest.mark.parametrize(
    ("error", "silent", "found"),
    [
        (
            InfrastructureError("not fetched", hint="apt said:\nE: no route\nE: more"),
            {"debian-13": "not fetched: no route"},
            [],
        ),
        (
            UsageError("trixie has nothing for amd64", hint="it has m68k"),
            {},
            ["debian-13 can be named, but trixie has nothing for amd64"],
        ),
        (None, {}, ["the archive of debian-13 does not have the package b, which the class asks"]),
    ],
)
def test_what_an_archive_says(
    house: House,
    monkeypatch: pytest.MonkeyPatch,
    error: ForgeError | None,
    silent: dict[str, str],
    found: list[str],
) -> None:
    file = house.overlay.path / "package_config/OURS"
    house.write({"package_config/OURS": "PACKAGES install\na\n# b\nb\n"})
    spec = resolve(house.known, parse("debian-13"))
    plan = packages.Plan(
        spec,
        (packages.Wish("a", file), packages.Wish("b", file)),
        house.root / "classes/TRIXIE/class.yaml",
    )
    monkeypatch.setattr("builder.archive.sources.image_sources", lambda *_: ())
    monkeypatch.setattr(Archive, "open", lambda *_: Root(error))
    monkeypatch.setattr(packages, "unknown", lambda *_: frozenset({"b"}))
    answer = packages.ask([plan], Archive(Cache(house.root)), NoProgress())
    assert answer.silent == silent
    assert len(answer.findings) == len(found)
    for each, start in zip(answer.findings, found, strict=True):
        assert each.sentence.startswith(start)
    lines = {each.line for each in answer.findings if each.path == file}
    assert lines <= {4}
