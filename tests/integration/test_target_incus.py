# SPDX-License-Identifier: GPL-2.0-or-later
"""Images in the real Incus: its daemon and its client, as Debian 12's backports have them."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from builder.errors import InfrastructureError, UsageError
from builder.facility.kinds import IncusTarget
from builder.facility.targets.incus import Incus
from builder.facility.targets.target import Item
from builder.manifest.imported import Imported, Origin
from builder.progress import NoProgress
from builder.run import run
from tests.integration import incusd
from tests.published import manifest

QUIET = NoProgress()


@pytest.fixture(scope="module")
def daemon(home: Path) -> Iterator[dict[str, str]]:
    root = incusd.programs(home / "incusd-root")
    with incusd.running(root, home / "incusd") as environment:
        yield environment
    # What it made belongs to it alone.
    if os.geteuid() == 0:
        shutil.rmtree(home / "incusd")


@pytest.fixture
def target(
    tmp_path: Path, daemon: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Incus]:
    """A target with a project of its own, which is removed with all that is in it."""
    for name, value in daemon.items():
        monkeypatch.setenv(name, value)
    client("project", "create", "site", "--config", "features.images=true")
    entry = IncusTarget(kind="incus", project="site", keep=1)
    yield Incus("incus", entry, "north", tmp_path / "state")
    for name in (each["name"] for each in asked("/1.0/instances?project=site&recursion=1")):
        client("delete", name, "--project", "site")
    for image in images():
        client("image", "delete", image["fingerprint"], "--project", "site")
    client("project", "delete", "site")


def client(*arguments: str) -> str:
    env = {name: os.environ[name] for name in ("INCUS_DIR", "INCUS_CONF")}
    return run(["incus", *arguments], env=env, capture=True, timeout=60).output


def asked(path: str) -> Any:
    return json.loads(client("query", path))


def images() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = asked("/1.0/images?project=site&recursion=1")
    return found


def alias(name: str = "debian-13") -> str:
    """The fingerprint that an alias means, or nothing."""
    found = [
        image["fingerprint"]
        for image in images()
        if any(each["name"] == name for each in image["aliases"])
    ]
    assert len(found) <= 1
    return "".join(found)


def made(folder: Path, serial: str, form: str) -> Path:
    """A disk or a tree, the same for the same serial."""
    folder.mkdir(exist_ok=True)
    path = folder / f"debian-13-{serial}.{form}"
    if path.exists():
        return path
    if form == "qcow2":
        raw = folder / "raw"
        raw.write_bytes(hashlib.sha256(serial.encode()).digest() * 32768)
        run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, path])
    else:
        tree = folder / f"tree-{serial}"
        (tree / "sbin").mkdir(parents=True)
        (tree / "sbin/init").write_text(serial)
        run(["tar", "-C", tree, "-cJf", path, "."])
    return path


def item(folder: Path, serial: str, form: str = "qcow2") -> Item:
    path = made(folder, serial, form)
    content = path.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    return Item(path, form, len(content), sha256, manifest(serial), "release")


def serials(target: Incus) -> list[tuple[str, bool, bool]]:
    return sorted((each.serial, each.current, each.in_use) for each in target.held())


@pytest.mark.parametrize(
    ("form", "kind", "name"),
    [
        ("qcow2", "virtual-machine", "debian-13"),
        ("rootfs.tar.xz", "container", "debian-13/container"),
    ],
)
def test_an_image_arrives(tmp_path: Path, target: Incus, form: str, kind: str, name: str) -> None:
    new = item(tmp_path / "store", "20261121", form)
    placed = target.put(new, QUIET)
    (found,) = images()
    assert placed.answer == "placed"
    assert found["type"] == kind
    assert found["fingerprint"] == placed.reference == alias(name)
    assert found["properties"]["os"] == "Debian"
    assert found["properties"]["fai-forge.sha256"] == new.sha256
    assert target.put(new, QUIET).answer == "unchanged"
    assert serials(target) == [("20261121", True, False)]


def test_the_alias_moves_and_older_ones_go(tmp_path: Path, target: Incus) -> None:
    placed = [
        target.put(item(tmp_path / "store", serial), QUIET).reference
        for serial in ("20261119", "20261120", "20261121")
    ]
    assert alias() == placed[-1]
    assert serials(target) == [("20261120", False, False), ("20261121", True, False)]
    back = target.put(item(tmp_path / "store", "20261120"), QUIET)
    assert back.answer == "placed"
    assert alias() == placed[1]


def test_disks_and_trees_have_names_of_their_own(tmp_path: Path, target: Incus) -> None:
    for serial in ("20261120", "20261121"):
        for form in target.formats:
            target.put(item(tmp_path / "store", serial, form), QUIET)
    assert len(images()) == 4
    assert alias() != alias("debian-13/container") != ""


def test_what_an_instance_was_made_from_stays(tmp_path: Path, target: Incus) -> None:
    """It is not started: the server notes what it came from."""
    old = target.put(item(tmp_path / "store", "20261119", "rootfs.tar.xz"), QUIET).reference
    pool = str(tmp_path / "pool")
    Path(pool).mkdir()
    client("storage", "create", "disks", "dir", f"source={pool}")
    root = ("root", "disk", "path=/", "pool=disks")
    client("profile", "device", "add", "default", *root, "--project", "site")
    try:
        client("init", old, "guest", "--project", "site", "--config", "security.privileged=true")
        for serial in ("20261120", "20261121"):
            target.put(item(tmp_path / "store", serial, "rootfs.tar.xz"), QUIET)
        assert ("20261119", False, True) in serials(target)
        (held,) = (each for each in target.held() if each.in_use)
        with pytest.raises(UsageError, match="in use"):
            target.remove(held)
        client("delete", "guest", "--project", "site")
        target.remove(held)
        target.remove(held)
        assert ("20261119", False, True) not in serials(target)
    finally:
        client("profile", "device", "remove", "default", "root", "--project", "site")
        client("storage", "delete", "disks")


def test_the_current_one_is_not_removed(tmp_path: Path, target: Incus) -> None:
    target.put(item(tmp_path / "store", "20261121"), QUIET)
    with pytest.raises(UsageError, match="shown by its name"):
        target.remove(target.held()[0])
    assert alias()


def test_an_alias_of_somebody_else_is_not_touched(tmp_path: Path, target: Incus) -> None:
    other = Incus("incus", target.entry, "south", target.state)
    theirs = other.put(item(tmp_path / "store", "20261120"), QUIET).reference
    with pytest.raises(UsageError, match="not ours"):
        target.put(item(tmp_path / "store", "20261121"), QUIET)
    assert alias() == theirs
    assert target.held() == ()


def test_the_same_image_of_somebody_else_is_not_touched(tmp_path: Path, target: Incus) -> None:
    other = Incus("incus", target.entry, "south", target.state)
    theirs = other.put(item(tmp_path / "store", "20261121"), QUIET).reference
    client("image", "alias", "delete", "debian-13", "--project", "site")
    with pytest.raises(UsageError, match="already, and not by us"):
        target.put(item(tmp_path / "store", "20261121"), QUIET)
    assert [each["fingerprint"] for each in images()] == [theirs]


def test_a_changed_file_is_not_imported(tmp_path: Path, target: Incus) -> None:
    target.put(item(tmp_path / "store", "20261120"), QUIET)
    before = alias()
    new = item(tmp_path / "store", "20261121")
    new.path.write_bytes(new.path.read_bytes()[:-1] + b"?")
    with pytest.raises(InfrastructureError, match="not the file"):
        target.put(new, QUIET)

    class Meddler(NoProgress):
        """Changes the file after it was read."""

        def stage(self, title: str) -> None:
            if "Importing" in title:
                later.path.write_bytes(later.path.read_bytes()[:-1] + b"?")

    later = item(tmp_path / "store", "20261122")
    with pytest.raises(InfrastructureError, match="does not list"):
        target.put(later, Meddler())
    assert alias() == before


def test_killed_before_the_alias_moves(tmp_path: Path, target: Incus) -> None:
    first = target.put(item(tmp_path / "store", "20261120"), QUIET).reference

    class Killed(NoProgress):
        def stage(self, title: str) -> None:
            if "Verifying" in title:
                raise KeyboardInterrupt

    new = item(tmp_path / "store", "20261121")
    with pytest.raises(KeyboardInterrupt):
        target.put(new, Killed())
    assert alias() == first
    assert len(images()) == 2
    second = target.put(new, QUIET)
    assert second.answer == "placed"
    assert alias() == second.reference


def test_an_image_of_others(tmp_path: Path, target: Incus) -> None:
    """There is no metadata tarball of it: one is made."""
    origin = Origin(
        url="https://example.org/a.qcow2",
        retrieved=datetime(2026, 11, 21, tzinfo=UTC),
        vouched="TLS",
    )
    document = Imported(
        name="alpine-322",
        serial="20261121",
        title="Alpine Linux 3.22",
        distro="alpine",
        release="3.22",
        arch="amd64",
        origin=origin,
        files=(),
    )
    path = made(tmp_path / "store", "20261121", "qcow2")
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    new = Item(path, "qcow2", path.stat().st_size, sha256, document, "release")
    target.put(new, QUIET)
    (found,) = images()
    assert found["properties"]["os"] == "Alpine Linux"
    assert alias("alpine-322") == found["fingerprint"]


def test_check(target: Incus, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert [each.ok for each in target.check()] == [True]
    with monkeypatch.context() as patch:
        patch.setenv("INCUS_DIR", str(tmp_path))
        (found,) = target.check()
    assert not found.ok
    assert found.hint


def test_a_client_that_is_not_there(target: Incus, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("builder.run.search_path", lambda: "/nowhere")
        with pytest.raises(InfrastructureError) as caught:
            target.held()
    assert "apt-get install incus-client" in caught.value.hint
