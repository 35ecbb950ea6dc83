# SPDX-License-Identifier: GPL-2.0-or-later
"""Overlays from outside: what they may bring, what they may replace, and how they are refused."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from builder import pipeline
from builder.classes import Catalogue, resolve
from builder.classes.overlays import outside_overlays
from builder.classes.schema import schema_text as class_schema_text
from builder.configspace import ConfigSpace, merge
from builder.errors import UsageError
from builder.install import sandbox
from builder.names import parse
from builder.sites import git
from builder.sites.model import FILE, VARIABLE, find, read
from builder.sites.outside import Outside, gather
from builder.sites.schema import schema_text

ROOT = Path(__file__).parents[2]
COMMIT = "0123456789abcdef0123456789abcdef01234567"

PROJECT = {
    "fai-config/scripts/LAST/90-clean": "#!/bin/sh\n",
    "classes/DEBIAN/class.yaml": "class: DEBIAN\nkind: distro\ntoken: debian\nsummary: x\n"
    "order: 1\ndisk_size: 1GiB\n",
    "classes/DEBIAN/files/etc/motd/DEBIAN": "the project's\n",
    "classes/TRIXIE/class.yaml": 'class: TRIXIE\nkind: release\ntoken: "13"\nsummary: x\norder: 2\n'
    "requires: [DEBIAN]\n",
    "classes/AMD64/class.yaml": "class: AMD64\nkind: arch\ntoken: amd64\nsummary: x\norder: 3\n",
    "classes/WEB/class.yaml": "class: WEB\nkind: role\ntoken: web\nsummary: x\norder: 7\n",
    "classes/WEB/scripts/LAST/50-web": "#!/bin/sh\necho ours\n",
}
OURS = "class: OURS\nkind: role\ntoken: ours\nsummary: x\norder: 8\n"


def write(root: Path, files: Mapping[str, str]) -> Path:
    """Write files below a folder; "-> x" as content makes a symlink, scripts are executable."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if text.startswith("-> "):
            path.symlink_to(text[3:])
            continue
        path.write_text(text)
        path.chmod(0o755 if "/scripts/" in name or "/hooks/" in name else 0o644)
    return root


class Site:
    """A project, and folders beside it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.project = write(root / "project", PROJECT)

    def overlay(self, files: Mapping[str, str], name: str = "site") -> Outside:
        """One overlay from outside."""
        folder = write(self.root / name, {f"classes/{path}": text for path, text in files.items()})
        (found,) = gather([str(folder)], None, self.root / "cache")
        return found

    def load(self, *overlays: Outside) -> Catalogue:
        """The catalogue of all."""
        return pipeline.catalogue(self.project, overlays)

    def merge(self, name: str, *overlays: Outside, to: str = "space") -> ConfigSpace:
        """The config space of an image."""
        known = self.load(*overlays)
        spec = resolve(known, parse(name))
        return merge(
            self.project / "fai-config",
            known.overlays(spec.classes),
            self.root / to,
            settings=spec.settings,
        )


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No site.yaml of the machine has a say."""
    monkeypatch.delenv(VARIABLE, raising=False)
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")


def test_an_overlay_brings_a_class_and_says_so(site: Site) -> None:
    ours = site.overlay({"OURS/class.yaml": OURS, "OURS/files/etc/x/OURS": "x"})
    known = site.load(ours)
    assert known.classes["OURS"].overlay.name == "site/OURS"
    assert resolve(known, parse("debian-13-ours")).classes[-2] == "OURS"
    origins = {origin.path: origin.overlay for origin in site.merge("debian-13-ours", ours).origins}
    assert origins["files/etc/x/OURS"] == "site/OURS"
    assert origins["files/etc/motd/DEBIAN"] == "DEBIAN"


def test_a_folder_without_class_yaml_adds_files_to_a_class(site: Site) -> None:
    ours = site.overlay(
        {"DEBIAN/files/etc/issue/DEBIAN": "x", "LAST/scripts/LAST/20-site": "#!/bin/sh\n"}
    )
    origins = {origin.path: origin.overlay for origin in site.merge("debian-13", ours).origins}
    assert origins["files/etc/issue/DEBIAN"] == "site/DEBIAN"
    assert origins["scripts/LAST/20-site"] == "site/LAST"
    assert site.load(ours).classes["DEBIAN"].overlay.name == "DEBIAN"


def test_files_for_a_class_that_is_not_in_the_image_stay_out(site: Site) -> None:
    ours = site.overlay({"WEB/files/etc/x/WEB": "x"})
    paths = [origin.path for origin in site.merge("debian-13", ours).origins]
    assert "files/etc/x/WEB" not in paths


def test_a_file_is_replaced_where_the_overlay_says_so(site: Site) -> None:
    ours = site.overlay(
        {
            "DEBIAN/overlay.yaml": "replaces: [files/etc/motd/DEBIAN]\n",
            "DEBIAN/files/etc/motd/DEBIAN": "the site's\n",
        }
    )
    space = site.merge("debian-13", ours)
    assert (space.root / "files/etc/motd/DEBIAN").read_text() == "the site's\n"
    (origin,) = (each for each in space.origins if each.path == "files/etc/motd/DEBIAN")
    assert origin.overlay == "site/DEBIAN"
    assert not (space.root / "overlay.yaml").exists()
    assert space.digest != site.merge("debian-13", to="plain").digest


def test_a_class_replaces_a_file_only_where_it_is_in_the_image(site: Site) -> None:
    ours = site.overlay(
        {
            "OURS/class.yaml": OURS + "replaces: [files/etc/motd/DEBIAN]\n",
            "OURS/files/etc/motd/DEBIAN": "the site's\n",
        }
    )
    plain = site.merge("debian-13", ours)
    assert (plain.root / "files/etc/motd/DEBIAN").read_text() == "the project's\n"
    role = site.merge("debian-13-ours", ours, to="role")
    assert (role.root / "files/etc/motd/DEBIAN").read_text() == "the site's\n"


def test_what_replaces_a_file_that_is_not_in_the_image_is_left_out(site: Site) -> None:
    ours = site.overlay(
        {
            "LAST/overlay.yaml": "replaces: [scripts/LAST/50-web]\n",
            "LAST/scripts/LAST/50-web": "#!/bin/sh\necho theirs\n",
        }
    )
    assert not (site.merge("debian-13", ours).root / "scripts/LAST/50-web").exists()
    web = site.merge("debian-13-web", ours, to="web")
    assert "theirs" in (web.root / "scripts/LAST/50-web").read_text()


def test_the_same_file_in_two_overlays_names_both(site: Site) -> None:
    one = site.overlay({"DEBIAN/files/etc/issue/DEBIAN": "1"}, "one")
    two = site.overlay({"DEBIAN/files/etc/issue/DEBIAN": "2"}, "two")
    message = "the overlays one/DEBIAN and two/DEBIAN both bring files/etc/issue/DEBIAN"
    with pytest.raises(UsageError, match=message) as caught:
        site.merge("debian-13", one, two)
    assert "replaces:" in caught.value.hint


def test_a_file_of_the_project_is_not_replaced_in_silence(site: Site) -> None:
    ours = site.overlay({"DEBIAN/files/etc/motd/DEBIAN": "the site's\n"})
    with pytest.raises(UsageError, match="DEBIAN and site/DEBIAN both bring files/etc/motd/DEBIAN"):
        site.merge("debian-13", ours)


def test_two_overlays_cannot_replace_the_same_file(site: Site) -> None:
    files = {
        "DEBIAN/overlay.yaml": "replaces: [files/etc/motd/DEBIAN]\n",
        "DEBIAN/files/etc/motd/DEBIAN": "x",
    }
    both = site.overlay(files, "one"), site.overlay(files, "two")
    message = "the overlays one/DEBIAN and two/DEBIAN both replace files/etc/motd/DEBIAN"
    with pytest.raises(UsageError, match=message):
        site.merge("debian-13", *both)


BAD: list[tuple[dict[str, str], str]] = [
    (
        {
            "DEBIAN/overlay.yaml": "replaces: [files/etc/mot/DEBIAN]",
            "DEBIAN/files/etc/mot/DEBIAN": "",
        },
        "classes/DEBIAN: it replaces files/etc/mot/DEBIAN, which nobody has",
    ),
    (
        {"DEBIAN/overlay.yaml": "replaces: [files/etc/motd/DEBIAN]"},
        "classes/DEBIAN: it replaces files/etc/motd/DEBIAN, but has no such file itself",
    ),
    ({"DEBIAN/overlay.yaml": "replace: []"}, "there is no field replace; did you mean replaces?"),
    (
        {"DEBIAN/overlay.yaml": "replaces: [../../etc/passwd]"},
        "the field replaces.0: the path of a file in the config space is expected",
    ),
    ({"DEBIAN/overlay.yaml": "replaces: [files/../../x]"}, "the field replaces.0: the path"),
    ({"DEBIAN/overlay.yaml": "replaces: [disk_config/X]"}, "the field replaces.0: the path"),
    ({"DEBIAN/overlay.yaml": "replaces: files/x"}, "the field replaces: a list is expected"),
    (
        {"OURS/class.yaml": OURS, "OURS/overlay.yaml": "replaces: []"},
        "OURS/overlay.yaml: beside a class.yaml this file is not read",
    ),
    (
        {"DEBAIN/files/etc/x/DEBIAN": ""},
        "there is no class DEBAIN that this could add files to; did you mean DEBIAN?",
    ),
    ({"ours/class.yaml": OURS}, "classes/ours: this is no name of a class"),
    ({"WEB/class.yaml": PROJECT["classes/WEB/class.yaml"]}, "the class WEB is also in"),
    ({"OURS": "-> ../../project/classes/WEB"}, "leads out of the overlay site"),
    ({"OURS/class.yaml": "-> /etc/hostname"}, "OURS/class.yaml: the symlink leads out of the"),
    ({"DEBIAN/overlay.yaml": "-> ../../../project/x"}, "leads out of the overlay site"),
    ({"DEBIAN/tests/test_x.py": "-> /etc/passwd"}, "test_x.py: the symlink leads out"),
    ({"DEBIAN/files": "-> /etc"}, "DEBIAN/files: the symlink leads out of the overlay site"),
    ({"DEBIAN/files/x/DEBIAN": "-> /etc/passwd"}, "leads out of the config space"),
    ({"DEBIAN/files/x/DEBIAN": "-> ../../../../../x"}, "leads out of the config space"),
    ({"DEBIAN/disk_config/DEBIAN": "x"}, "the overlay site/DEBIAN has something that FAI does not"),
]


@pytest.mark.parametrize(("files", "message"), BAD)
def test_an_overlay_that_cannot_be(site: Site, files: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)) as caught:
        site.merge("debian-13", site.overlay(files))
    assert caught.value.hint
    assert "\n" not in caught.value.message


def test_the_project_is_no_overlay_of_itself(site: Site) -> None:
    (same,) = gather([str(site.project)], None, site.root / "cache")
    with pytest.raises(UsageError, match="is the project itself"):
        site.load(same)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("gone", "gone: there is no such folder"),
        ("empty", "empty has no folder classes/"),
        ("site/classes", "has no folder classes/; name the folder above it"),
        ("linked", "linked has no folder classes/"),
        ("http://host/x", "http://host/x is no address of an overlay"),
        ("ext::sh -c x://y", "is no address of an overlay"),
        ("https://host/x.git", "the overlay https://host/x.git is not pinned to a commit"),
        ("https://u:secret@host/x.git#main", "the overlay https://host/x.git is not pinned"),
        (f"https://host/x?token=1#{COMMIT}", "is no address of an overlay"),
    ],
)
def test_an_overlay_that_is_not_there(site: Site, given: str, message: str) -> None:
    site.overlay({"OURS/class.yaml": OURS})
    (site.root / "linked").mkdir()
    (site.root / "linked/classes").symlink_to(site.project / "classes")
    where = given if "://" in given else str(site.root / given)
    with pytest.raises(UsageError, match=re.escape(message)) as caught:
        gather([where], None, site.root / "cache")
    assert "secret" not in caught.value.message + caught.value.hint


def test_labels_are_short_and_differ(site: Site) -> None:
    names = ("a/our classes", "b/our classes", "c/base", "d/.hidden")
    folders = [str(write(site.root / name, {"classes/x": ""})) for name in names]
    labels = [each.label for each in gather(folders, None, site.root)]
    assert labels == ["our-classes", "our-classes-2", "base-2", "hidden"]


def test_an_overlay_that_is_named_twice_counts_once(site: Site) -> None:
    folder = write(site.root / "one", {"classes/x": ""})
    (site.root / "link").symlink_to(folder)
    found = gather([str(folder), str(site.root / "link")], None, site.root)
    assert [each.label for each in found] == ["one"]
    assert found[0].origin == str(folder)


def test_a_site_names_overlays_beside_its_file(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(site.root / "etc/ours", {"classes/x": ""})
    file = write(site.root / "etc", {FILE: "overlays:\n  - folder: ours\n"}) / FILE
    assert gather([], None, site.root) == ()
    assert [each.path for each in gather([], file, site.root)] == [folder]
    monkeypatch.setenv(VARIABLE, str(file))
    assert [each.path for each in gather([], None, site.root)] == [folder]
    monkeypatch.delenv(VARIABLE)
    monkeypatch.chdir(file.parent)
    assert find(None) == Path(FILE)
    other = write(site.root / "two", {"classes/x": ""})
    assert [each.path for each in gather([str(other)], None, site.root)] == [folder, other]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("overlay: []", "there is no field overlay; did you mean overlays?"),
        ("overlays: ours", "the field overlays: a list is expected"),
        ("overlays: [ours]", "the field overlays.0: fields and their values are expected"),
        ("overlays: [{path: ours}]", "there is no field overlays.0.path"),
        ("overlays: [{}]", "overlays.0: an overlay needs a folder, or a url with a commit"),
        ("overlays: [{url: 'https://host/x'}]", "overlays.0: the url needs a commit"),
        (
            f"overlays: [{{url: 'https://h/x', commit: {COMMIT[:7]}}}]",
            "the field overlays.0.commit",
        ),
        (f"overlays: [{{url: 'ext::sh', commit: {COMMIT}}}]", "the field overlays.0.url"),
        (f"overlays: [{{folder: x, commit: {COMMIT}}}]", "is a folder, or a url with a commit"),
        ("overlays: [", "this is not YAML"),
    ],
)
def test_a_site_that_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / FILE
    file.write_text(text)
    with pytest.raises(UsageError, match=re.escape(message)) as caught:
        read(file)
    assert str(file) in caught.value.message
    assert caught.value.hint


def test_a_site_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        gather([], tmp_path / "site.yaml", tmp_path)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://host/x.git", "https://host/x.git"),
        ("https://user:secret@host/x", "https://host/x"),
        ("https://token@host/x", "https://host/x"),
        ("ssh://git@host/x", "ssh://git@host/x"),
        ("ssh://git:secret@host:22/x", "ssh://git@host:22/x"),
        ("fatal: unable to access 'https://a:b@host/x/': no", "fatal: unable to access"
         " 'https://host/x/': no"),
    ],
)  # fmt: skip
def test_secrets_are_not_shown(url: str, shown: str) -> None:
    assert git.without_secrets(url) == shown


def test_a_pinned_overlay_is_found_again_by_its_argument() -> None:
    assert Outside("x", Path("/x"), "https://h/x", COMMIT).argument == f"https://h/x#{COMMIT}"
    assert Outside("x", Path("/x"), "/x").argument == "/x"


def test_a_build_cannot_see_what_its_sandbox_hides(tmp_path: Path) -> None:
    sandbox.check_visible([tmp_path])
    with pytest.raises(UsageError, match="/run/user/1/x cannot be seen by a build"):
        sandbox.check_visible([Path("/run/user/1/x")])


def test_debris_is_no_class(site: Site) -> None:
    ours = site.overlay({"OURS/class.yaml": OURS, ".git/x": "", "__pycache__/x": "", "README": ""})
    assert [each.name for each in outside_overlays(ours)] == ["site/OURS"]


def test_the_disk_size_is_in_the_digest(site: Site) -> None:
    before = site.merge("debian-13")
    file = site.project / "classes/DEBIAN/class.yaml"
    file.write_text(file.read_text().replace("1GiB", "2GiB"))
    assert site.merge("debian-13", to="after").digest != before.digest


def test_the_committed_schemas_are_those_of_the_models() -> None:
    for name, text in (("site", schema_text()), ("overlay", class_schema_text("overlay"))):
        assert (ROOT / f"schema/{name}.schema.json").read_text() == text


def test_a_symlink_within_the_overlay_is_fine(site: Site) -> None:
    ours = site.overlay({"OURS/class.yaml": OURS, "OURS/tests/a": "x", "OURS/tests/b": "-> a"})
    assert "OURS" in site.load(ours).classes
    assert os.path.lexists(ours.path / "classes/OURS/tests/b")
