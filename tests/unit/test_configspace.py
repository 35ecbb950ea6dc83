# SPDX-License-Identifier: GPL-2.0-or-later
"""The merged config space: who brought what, what is refused, and what the digest depends on."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NoReturn

import pytest

from builder.classes import Overlay
from builder.configspace import ConfigSpace, FileOrigin, merge
from builder.errors import InfrastructureError, UsageError

BASE = {"class/DEFAULT.var": "A=1\n", "scripts/LAST/90-clean": "#!/bin/sh\n", "README.md": "about"}
TRIXIE = {
    "class.yaml": "class: TRIXIE\n",
    "README.md": "about",
    "tests/test_it.py": "",
    "package_config/TRIXIE": "PACKAGES install\nzsh\n",
    "hooks/instsoft.TRIXIE": "#!/bin/sh\n",
    "files/etc/motd/TRIXIE": "hello\n",
}


class Folders:
    """Overlays in a folder of their own; "-> x" as content makes a symlink to x."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, name: str, files: Mapping[str, str]) -> Overlay:
        """Write one overlay; hooks and scripts become executable."""
        for path, content in files.items():
            target = self.root / name / path
            target.parent.mkdir(parents=True, exist_ok=True)
            if content.startswith("-> "):
                target.symlink_to(content[3:])
                continue
            target.write_text(content)
            target.chmod(0o700 if path.startswith(("hooks/", "scripts/")) else 0o600)
        (self.root / name).mkdir(parents=True, exist_ok=True)
        return Overlay(name, self.root / name)

    def merge(self, **overlays: Mapping[str, str]) -> ConfigSpace:
        """Write the base and these overlays, and merge all."""
        base = self.write("base", BASE)
        written = [self.write(name, files) for name, files in overlays.items()]
        return merge(base.path, written, self.root / "space")


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path)


@pytest.fixture(params=[0o022, 0o077, 0o000])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def tree(root: Path) -> dict[str, str]:
    """All files below a folder, with their content."""
    return {
        path.relative_to(root).as_posix(): path.read_text()
        for path in root.rglob("*")
        if path.is_file()
    }


def test_base_and_overlays_become_one_space(folders: Folders) -> None:
    space = folders.merge(TRIXIE=TRIXIE)
    assert tree(space.root) == {
        "class/DEFAULT.var": "A=1\n",
        "scripts/LAST/90-clean": "#!/bin/sh\n",
        "package_config/TRIXIE": "PACKAGES install\nzsh\n",
        "hooks/instsoft.TRIXIE": "#!/bin/sh\n",
        "files/etc/motd/TRIXIE": "hello\n",
    }
    assert (space.root / "debconf").is_dir()


def test_each_file_has_an_origin(folders: Folders) -> None:
    space = folders.merge(TRIXIE=TRIXIE)
    paths = [origin.path for origin in space.origins]
    assert paths == sorted(paths)
    assert (
        FileOrigin("files/etc/motd/TRIXIE", "TRIXIE", hashlib.sha256(b"hello\n").hexdigest(), 0o644)
        in space.origins
    )
    assert {name: [o.path for o in found] for name, found in space.by_overlay().items()} == {
        "TRIXIE": ["files/etc/motd/TRIXIE", "hooks/instsoft.TRIXIE", "package_config/TRIXIE"],
        "base": ["class/DEFAULT.var", "scripts/LAST/90-clean"],
    }


def test_modes_and_times_do_not_depend_on_the_checkout(folders: Folders, umask: int) -> None:
    base = folders.write("base", BASE)
    overlay = folders.write("TRIXIE", {**TRIXIE, "files/x/y/LINK": "-> ../../etc/motd/TRIXIE"})
    space = merge(base.path, [overlay], folders.root / "space", mtime=1234567)
    found = [space.root, *space.root.rglob("*")]
    modes = {p.relative_to(space.root).as_posix(): stat.S_IMODE(p.lstat().st_mode) for p in found}
    assert {p.lstat().st_mtime for p in found} == {1234567}
    assert modes["hooks/instsoft.TRIXIE"] == modes["scripts/LAST/90-clean"] == 0o755
    assert modes["files/etc/motd/TRIXIE"] == modes["class/DEFAULT.var"] == 0o644
    assert {modes[folder] for folder in (".", "files", "files/etc", "debconf")} == {0o755}, umask


def test_the_digest_does_not_depend_on_place_time_mask_or_who_brought_a_file(
    tmp_path: Path, umask: int
) -> None:
    one = Folders(tmp_path / "one").merge(TRIXIE=TRIXIE)
    two = Folders(tmp_path / "elsewhere" / "two")
    base = two.write("base", {**BASE, **TRIXIE, "hooks/.git/x": "", "hooks/x~": "", "a.swp": ""})
    for path in base.path.rglob("*"):
        os.utime(path, (0, 0))
        path.chmod(path.stat().st_mode | 0o040 | umask)
    (base.path / "class.yaml").write_text("order: 1\n")
    assert merge(base.path, [], tmp_path / "space").digest == one.digest


@pytest.mark.parametrize(
    "change",
    [
        {"files/etc/motd/TRIXIE": "hello!\n"},
        {"files/etc/motd/DEBIAN": "hello\n"},
        {"files/etc/motd/LINK": "-> TRIXIE"},
    ],
)
def test_the_digest_depends_on_paths_and_contents(
    tmp_path: Path, change: Mapping[str, str]
) -> None:
    before = Folders(tmp_path / "one").merge(TRIXIE=TRIXIE)
    after = Folders(tmp_path / "two").merge(TRIXIE={**TRIXIE, **change})
    assert before.digest != after.digest


def test_the_digest_depends_on_the_name_of_a_file(tmp_path: Path) -> None:
    digests = {
        Folders(tmp_path / name).merge(X={f"files/etc/motd/{name}": "hello\n"}).digest
        for name in ("DEBIAN", "TRIXIE")
    }
    assert len(digests) == 2


def test_the_digest_depends_on_the_executable_bit(folders: Folders) -> None:
    before = folders.merge(TRIXIE=TRIXIE)
    overlay = folders.write("TRIXIE", {})
    (overlay.path / "files/etc/motd/TRIXIE").chmod(0o755)
    after = merge(folders.root / "base", [overlay], folders.root / "after")
    assert before.digest != after.digest


def test_the_digest_depends_on_where_a_symlink_leads(tmp_path: Path) -> None:
    other = {"files/etc/motd/DEBIAN": "hello\n"}
    digests = {
        Folders(tmp_path / to)
        .merge(TRIXIE={**TRIXIE, **other, "files/etc/motd/LINK": f"-> {to}"})
        .digest
        for to in ("TRIXIE", "DEBIAN")
    }
    assert len(digests) == 2


def test_what_editors_and_version_control_leave_is_not_merged(folders: Folders) -> None:
    debris = (".git/config", ".gitkeep", "hooks/x~", "hooks/.x.swp", "scripts/__pycache__/x.pyc")
    space = folders.merge(TRIXIE={**TRIXIE, **dict.fromkeys(debris, "junk")})
    assert "junk" not in tree(space.root).values()
    assert not (space.root / "scripts" / "__pycache__").exists()


def test_symlinks_inside_of_the_space_are_kept(folders: Folders) -> None:
    space = folders.merge(
        TRIXIE={**TRIXIE, "hooks/updatebase.TRIXIE": "-> instsoft.TRIXIE"},
        OTHER={"files/a": "-> etc/motd", "files/b": "-> a/../../../scripts/../files/a/TRIXIE"},
    )
    (link,) = (o for o in space.origins if o.path == "hooks/updatebase.TRIXIE")
    target = b"instsoft.TRIXIE"
    assert (link.link, link.mode) == (target.decode(), 0o777)
    assert link.sha256 == hashlib.sha256(target).hexdigest()
    assert (space.root / "hooks/updatebase.TRIXIE").readlink() == Path("instsoft.TRIXIE")
    assert (space.root / "files/a").is_symlink()


# The last one is inside by its letters alone: through the symlink d, ".." is another folder.
ESCAPES = [
    ({"files/x": "-> /etc/passwd"}, "leads out of the config space"),
    ({"files/x": "-> ../../TRIXIE/class.yaml"}, "leads out of the config space"),
    ({"files/x": "-> ../.."}, "leads out of the config space"),
    ({"files/x": "-> nowhere"}, "leads to nothing in the config space"),
    ({"files/x": "-> ../tests"}, "leads to nothing in the config space"),
    ({"files/x": "-> etc/motd/TRIXIE/../TRIXIE"}, "leads to nothing in the config space"),
    ({"files/x": "-> y", "files/y": "-> x"}, "leads in a circle"),
    (
        {"files/a/b/d": "-> ../../../files", "files/a/b/x": "-> d/../../files/etc/motd/TRIXIE"},
        "leads out of the config space",
    ),
]


@pytest.mark.parametrize(("files", "message"), ESCAPES)
def test_other_symlinks_are_refused(
    folders: Folders, files: Mapping[str, str], message: str
) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        folders.merge(TRIXIE={**TRIXIE, **files})
    assert "TRIXIE/files/" in caught.value.message
    assert not (folders.root / "space").exists()


def test_a_path_in_two_overlays_names_both_and_the_path(folders: Folders) -> None:
    message = "the overlays TRIXIE and OTHER both bring files/etc/motd/TRIXIE"
    with pytest.raises(UsageError, match=message) as caught:
        folders.merge(TRIXIE=TRIXIE, OTHER={"files/etc/motd/TRIXIE": "hello\n"})
    assert str(folders.root / "TRIXIE" / "files/etc/motd/TRIXIE") in caught.value.hint
    assert not (folders.root / "space").exists()


def test_a_path_of_the_base_is_taken_too(folders: Folders) -> None:
    with pytest.raises(UsageError, match=r"base and OTHER both bring class/DEFAULT\.var"):
        folders.merge(OTHER={"class/DEFAULT.var": ""})


def test_classes_of_one_file_do_not_collide(folders: Folders) -> None:
    space = folders.merge(TRIXIE=TRIXIE, OTHER={"files/etc/motd/OTHER": "hi\n"})
    assert len(tree(space.root / "files/etc/motd")) == 2


@pytest.mark.parametrize("content", ["a file", "-> ..", "-> ../../outside"])
@pytest.mark.parametrize(("one", "other"), [("A", "B"), ("B", "A")])
def test_no_file_or_symlink_stands_where_another_overlay_has_a_folder(
    folders: Folders, one: str, other: str, content: str
) -> None:
    (folders.root / "outside").mkdir()
    brought = {one: {"files/etc": content}, other: {"files/etc/motd/X": "x"}}
    with pytest.raises(UsageError, match=rf"the overlays {one} and {other} both bring files/etc$"):
        folders.merge(**brought)
    assert list((folders.root / "outside").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("package-config/X", "FAI does not know; did you mean package_config?"),
        ("hook/x", "did you mean hooks?"),
        ("notes.txt", "something that FAI does not know"),
        ("disk_config/X", "something that FAI does not know"),
        ("files", "something that FAI does not know"),
        (".config/x", "something that FAI does not know"),
    ],
)
def test_what_fai_does_not_know_is_refused(folders: Folders, name: str, message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)) as caught:
        folders.merge(X={name: "x"})
    assert str(folders.root / "X" / name.split("/")[0]) in caught.value.message
    assert "package_config" in caught.value.hint


def test_a_symlink_cannot_be_one_of_fais_folders(folders: Folders) -> None:
    with pytest.raises(UsageError, match="X/hooks: "):
        folders.merge(X={"hooks": "-> ../base/scripts"})


@pytest.mark.parametrize(
    "path", ["hooks/instsoft.X", "hooks/savelog.X.sh", "scripts/X", "scripts/X/10-a", "class/50-x"]
)
def test_what_fai_would_silently_skip_is_refused(folders: Folders, path: str) -> None:
    overlay = folders.write("X", {path: "#!/bin/sh\n"})
    (overlay.path / path).chmod(0o644)
    with pytest.raises(UsageError, match=rf"X/{path}: this is not executable") as caught:
        folders.merge(X={})
    assert caught.value.hint == f"chmod +x {overlay.path / path}"


def test_a_hook_cannot_be_a_symlink_to_something_not_executable(folders: Folders) -> None:
    with pytest.raises(UsageError, match=r"X/hooks/instsoft\.X: this is not executable"):
        folders.merge(X={"hooks/instsoft.X": "-> ../files/x/X", "files/x/X": "#!/bin/sh\n"})


def test_pipes_are_refused(folders: Folders) -> None:
    overlay = folders.write("X", {"files/a/X": "x"})
    os.mkfifo(overlay.path / "files/a/pipe")
    with pytest.raises(UsageError, match="neither a file, a folder nor a symlink"):
        folders.merge(X={})


@pytest.mark.parametrize("name", [b"a\nb", b"a\xff"])
def test_names_that_cannot_be_printed_are_refused(folders: Folders, name: bytes) -> None:
    overlay = folders.write("X", {"files/a/X": "x"})
    (overlay.path / "files" / os.fsdecode(name)).touch()
    with pytest.raises(UsageError, match="cannot be printed") as caught:
        folders.merge(X={})
    assert caught.value.message.isprintable()


def test_only_a_new_or_empty_folder_is_written_to(folders: Folders) -> None:
    base = folders.write("base", BASE)
    dest = folders.root / "space"
    dest.mkdir()
    merge(base.path, [], dest)
    with pytest.raises(UsageError, match="space: this folder is not empty"):
        merge(base.path, [], dest)


def test_a_missing_overlay_is_named(folders: Folders) -> None:
    base = folders.write("base", BASE)
    with pytest.raises(UsageError, match="gone: there is no such folder"):
        merge(base.path, [Overlay("X", folders.root / "gone")], folders.root / "space")


def test_a_full_disk_is_a_fault_of_the_machine(
    folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = folders.write("base", BASE)

    def full(*_: object) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InfrastructureError, match="No space left on device") as caught:
        merge(base.path, [], folders.root / "space")
    assert "disk full" in caught.value.hint
