# SPDX-License-Identifier: GPL-2.0-or-later
"""What targets share, and a plain folder as one."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from builder.errors import InfrastructureError, UsageError
from builder.facility.config import Facility
from builder.facility.kinds import FolderTarget, PythonTarget, TargetEntry
from builder.facility.site import Site
from builder.facility.targets import items
from builder.facility.targets.folder import RECORD, Folder
from builder.facility.targets.open import FACTORIES, open_target
from builder.facility.targets.target import Held, Item
from builder.progress import NoProgress
from tests.published import manifest

QUIET = NoProgress()


def item(folder: Path, serial: str, content: bytes = b"", form: str = "qcow2") -> Item:
    """An image of debian-13 in a store's folder."""
    folder.mkdir(exist_ok=True)
    path = folder / f"debian-13-{serial}.{form}"
    path.write_bytes(content or f"{form} {serial}".encode() * 1000)
    found = path.read_bytes()
    sha256 = hashlib.sha256(found).hexdigest()
    return Item(path, form, len(found), sha256, manifest(serial), "release")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    (tmp_path / "images").mkdir()
    entry = FolderTarget(kind="folder", path="images", keep=1)
    return Folder("plain", entry, tmp_path / "images", tmp_path / "state")


def names(folder: Folder) -> set[str]:
    return {each.name for each in folder.root.iterdir()} - {RECORD}


def held(name: str, serial: str, *, current: bool = False, in_use: bool = False) -> Held:
    return Held(name, serial, f"{name}-{serial}", current, in_use)


@pytest.mark.parametrize(
    ("keep", "rows", "go"),
    [
        (1, [held("a", "20261121", current=True)], []),
        (
            1,
            [held("a", "20261121.10"), held("a", "20261121.9"),
             held("a", "20261122", current=True)],
            ["20261121.9"],
        ),
        (0, [held("a", "20261120"), held("a", "20261121", current=True)], ["20261120"]),
        (0, [held("a", "20261120", in_use=True), held("a", "20261121", current=True)], []),
        (0, [held("b", "20261120"), held("a", "20261121", current=True)], []),
        # What went back to an older build keeps that one, and the newer ones count.
        (1, [held("a", "20261120", current=True), held("a", "20261122"), held("a", "20261121")],
         ["20261121"]),
        (2, [held("a", "20261118"), held("a", "20261119", in_use=True), held("a", "20261120"),
             held("a", "20261121"), held("a", "20261122", current=True)], ["20261118"]),
    ],
)  # fmt: skip
def test_which_older_images_may_go(keep: int, rows: list[Held], go: list[str]) -> None:
    assert [each.serial for each in items.superseded(rows, "a", keep)] == go


@pytest.mark.parametrize(
    ("file", "form", "name"),
    [
        ("debian-13-20261121.qcow2", "qcow2", "debian-13-20261121.qcow2"),
        ("debian-13-20261121.zlib.qcow2", "qcow2-zlib", "debian-13-20261121.zlib.qcow2"),
        ("mine.img", "raw", "debian-13-20261121.raw"),
    ],
)
def test_the_name_of_a_file(tmp_path: Path, file: str, form: str, name: str) -> None:
    given = Item(tmp_path / file, form, 0, "0" * 64, manifest(), "release")
    assert items.file_name(given) == name


def test_a_format_does_not_become_a_path(tmp_path: Path) -> None:
    given = Item(tmp_path / "a.img", "../../etc/x", 0, "0" * 64, manifest(), "release")
    with pytest.raises(UsageError):
        items.file_name(given)


def test_the_size_of_a_disk(tmp_path: Path) -> None:
    qcow2 = tmp_path / "a.qcow2"
    qcow2.write_bytes(
        b"QFI\xfb" + (3).to_bytes(4, "big") + bytes(16) + (3 << 30).to_bytes(8, "big")
    )
    raw = tmp_path / "a.raw"
    raw.write_bytes(bytes(4096))
    assert items.virtual_size(qcow2, "qcow2") == 3 << 30
    assert items.virtual_size(raw, "raw") == 4096
    assert items.virtual_size(raw, "rootfs.tar.xz") is None


def test_a_changed_file_goes_nowhere(tmp_path: Path, folder: Folder) -> None:
    changed = item(tmp_path / "store", "20261121")
    changed.path.write_bytes(changed.path.read_bytes()[:-1] + b"?")
    with pytest.raises(InfrastructureError, match="not the file"):
        folder.put(changed, QUIET)
    assert not any(name.startswith("debian") for name in names(folder))


def test_the_name_points_at_the_newest(tmp_path: Path, folder: Folder) -> None:
    for serial in ("20261120", "20261121", "20261122"):
        assert folder.put(item(tmp_path / "store", serial), QUIET).answer == "placed"
    assert names(folder) == {
        "debian-13.qcow2",
        "debian-13-20261121.qcow2",
        "debian-13-20261122.qcow2",
    }
    # Relative: the folder may be mounted elsewhere under another name.
    assert (folder.root / "debian-13.qcow2").readlink() == Path("debian-13-20261122.qcow2")
    assert [(each.serial, each.current) for each in folder.held()] == [
        ("20261121", False),
        ("20261122", True),
    ]
    assert folder.put(item(tmp_path / "store", "20261122"), QUIET).answer == "unchanged"


def test_formats_have_names_of_their_own(tmp_path: Path, folder: Folder) -> None:
    for form in folder.formats:
        for serial in ("20261121", "20261122"):
            folder.put(item(tmp_path / "store", serial, form=form), QUIET)
    assert len(folder.held()) == 4
    assert (folder.root / "debian-13.raw").readlink() == Path("debian-13-20261122.raw")


def test_holes_stay_holes(tmp_path: Path, folder: Folder) -> None:
    content = b"x" * 4096 + bytes(8 << 20) + b"y" + bytes(3 << 20)
    placed = folder.put(item(tmp_path / "store", "20261121", content, "raw"), QUIET)
    copy = Path(placed.reference)
    assert copy.read_bytes() == content
    assert copy.stat().st_blocks * 512 < 4 << 20


@pytest.mark.parametrize("name", ["debian-13-20261121.qcow2", "debian-13.qcow2"])
@pytest.mark.parametrize("kind", ["file", "link"])
def test_foreign_files_are_not_touched(
    tmp_path: Path, folder: Folder, name: str, kind: str
) -> None:
    foreign = folder.root / name
    if kind == "file":
        foreign.write_text("mine")
    else:
        foreign.symlink_to("elsewhere")
    with pytest.raises(UsageError, match="not ours"):
        folder.put(item(tmp_path / "store", "20261121"), QUIET)
    assert names(folder) == {name}
    assert foreign.is_symlink() == (kind == "link")


def test_a_file_that_was_replaced_is_not_removed(tmp_path: Path, folder: Folder) -> None:
    for serial in ("20261121", "20261122"):
        folder.put(item(tmp_path / "store", serial), QUIET)
    older = folder.root / "debian-13-20261121.qcow2"
    older.write_text("somebody's own work")
    folder.remove(folder.held()[0])
    assert older.read_text() == "somebody's own work"
    assert [each.serial for each in folder.held()] == ["20261122"]


def test_what_the_link_points_at_stays(tmp_path: Path, folder: Folder) -> None:
    folder.put(item(tmp_path / "store", "20261121"), QUIET)
    with pytest.raises(UsageError, match="points at"):
        folder.remove(folder.held()[0])
    assert (folder.root / "debian-13.qcow2").is_file()


def test_what_arrives_otherwise_is_not_shown(
    tmp_path: Path, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.put(item(tmp_path / "store", "20261120"), QUIET)
    monkeypatch.setattr("builder.facility.targets.folder._digest", lambda _file: "0" * 64)
    with pytest.raises(InfrastructureError, match="not what was copied"):
        folder.put(item(tmp_path / "store", "20261121"), QUIET)
    assert names(folder) == {"debian-13.qcow2", "debian-13-20261120.qcow2"}
    assert [each.current for each in folder.held()] == [True]


@pytest.mark.parametrize("step", range(1, 6))
def test_killed_anywhere_it_goes_on(
    tmp_path: Path, folder: Folder, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Each rename and each link is a step; before one of them the process ends."""
    folder.put(item(tmp_path / "store", "20261120"), QUIET)
    left = step
    true_rename, true_link = Path.rename, Path.symlink_to

    def counted() -> None:
        nonlocal left
        left -= 1
        if not left:
            raise KeyboardInterrupt

    def rename(path: Path, target: Path) -> Path:
        counted()
        return true_rename(path, target)

    def link(path: Path, target: str) -> None:
        counted()
        true_link(path, target)

    new = item(tmp_path / "store", "20261121")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", rename)
        patch.setattr(Path, "symlink_to", link)
        if step < 5:
            with pytest.raises(KeyboardInterrupt):
                folder.put(new, QUIET)
        else:
            folder.put(new, QUIET)
            assert left == 1, "there are more steps than are tried"
    good = {items_sha(tmp_path, serial) for serial in ("20261120", "20261121")}
    link_now = (folder.root / "debian-13.qcow2").read_bytes()
    assert hashlib.sha256(link_now).hexdigest() in good
    folder.put(new, QUIET)
    assert (folder.root / "debian-13.qcow2").read_bytes() == new.path.read_bytes()
    assert names(folder) == {
        "debian-13.qcow2",
        "debian-13-20261120.qcow2",
        "debian-13-20261121.qcow2",
    }


def items_sha(tmp_path: Path, serial: str) -> str:
    path = tmp_path / "store" / f"debian-13-{serial}.qcow2"
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_two_builds_of_one_serial_are_not_mixed(tmp_path: Path, folder: Folder) -> None:
    first = item(tmp_path / "store", "20261121")
    folder.put(first, QUIET)
    with pytest.raises(UsageError, match="same serial"):
        folder.put(item(tmp_path / "other", "20261121", b"another build"), QUIET)
    assert (folder.root / "debian-13.qcow2").read_bytes() == first.path.read_bytes()


def test_a_format_that_is_not_taken(tmp_path: Path, folder: Folder) -> None:
    with pytest.raises(UsageError, match="takes no vmdk"):
        folder.put(item(tmp_path / "store", "20261121", form="vmdk"), QUIET)


def test_a_folder_that_is_not_mounted(tmp_path: Path, folder: Folder) -> None:
    gone = replace(folder, root=tmp_path / "gone")
    assert [each.ok for each in gone.check()] == [False]
    with pytest.raises(InfrastructureError) as caught:
        gone.put(item(tmp_path / "store", "20261121"), QUIET)
    assert caught.value.hint
    assert not gone.root.exists()


def test_check_leaves_nothing(folder: Folder) -> None:
    assert [each.ok for each in folder.check()] == [True]
    assert names(folder) == set()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    store = {"path": "images", "key": "0" * 40}
    return Site(Facility.model_validate({"name": "north", "store": store}), tmp_path)


def test_every_kind_has_its_row() -> None:
    models = get_args(get_args(TargetEntry)[0])
    kinds = {get_args(model.model_fields["kind"].annotation)[0] for model in models}
    assert kinds == set(FACTORIES)


def test_a_relative_folder_is_beside_the_file(tmp_path: Path, site: Site) -> None:
    target = open_target("plain", FolderTarget(kind="folder", path="here"), site)
    assert isinstance(target, Folder)
    assert target.root == tmp_path / "here"


def test_an_entry_point_that_nobody_has(site: Site) -> None:
    with pytest.raises(UsageError, match="no installed package") as caught:
        open_target("own", PythonTarget(kind="python", entry_point="nobody"), site)
    assert "install it" in caught.value.hint
