# SPDX-License-Identifier: GPL-2.0-or-later
"""One tree, made and assembled in different worlds, gives one disk, bit for bit.

Each world is a process with mounts of its own that runs this file as a program. It plants the tree
in an order of its own, so that inode numbers and readdir differ as well.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import random
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from builder.disk.assemble import assemble
from builder.disk.formats import Source, convert
from builder.disk.layout import MIB, layout
from builder.errors import ForgeError, InfrastructureError
from builder.models import BuildId, DiskIds
from builder.run import run
from tests.integration.test_disk_assemble import plant
from tests.integration.test_disk_toolbox import AS_ROOT, NAMESPACES, ToolTree, tool_tree

BUILD = BuildId("debian-13", "20261120", 1_700_000_000)
IDS = DiskIds.of(BUILD)
SIZE = 256 * MIB
# The tools tree has this folder, so that also who may not write there can share it.
SHARED = Path("/run/fai-forge")
# cap_net_raw=ep, revision 2: the form that names no user namespace.
CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")
# user::rwx, group::r-x, group:4:r-x, mask::r-x, other::---
ACL = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHi", *entry)
    for entry in [(1, 7, -1), (4, 5, -1), (8, 5, 4), (0x10, 5, -1), (0x20, 0, -1)]
)
CLONE_NEWUSER = 0x10000000
CLONE_NEWNS = 0x00020000


def grow(tree: Path, seed: int) -> None:
    """Plant what real trees have: hard links, owners, capabilities, holes, old and new files."""
    plant(tree)
    shuffle = random.Random(seed).shuffle  # noqa: S311 - only an order
    numbers = list(range(400))
    shuffle(numbers)
    (tree / "doc").mkdir()
    for number in numbers:
        file = tree / f"doc/{number:03}-é{'x' * (number % 150)}"
        file.write_text(f"{number}" * 99)
        if number % 2:
            os.utime(file, (seed, 1_000_000_000 + number))
    links = ["a-link", "etc/zz", "doc/link"]
    shuffle(links)
    for name in links:
        (tree / name).hardlink_to(tree / "etc/hostname")
    with (tree / "holes").open("wb") as holes:
        # The same bytes, with a hole or with zeros.
        if seed % 2:
            holes.write(bytes(MIB))
        holes.seek(MIB)
        holes.write(b"end")
    (tree / "fast").symlink_to("etc")
    (tree / "slow").symlink_to("x" * 100)
    (tree / "ping").write_text("program")
    os.chown(tree / "ping", 0, 4)
    (tree / "ping").chmod(0o4754)
    os.setxattr(tree / "ping", "security.capability", CAPABILITY)
    (tree / "journal").mkdir()
    os.chown(tree / "journal", 1000, 1000)
    kinds = ["access", "default"]
    shuffle(kinds)
    for kind in kinds:
        os.setxattr(tree / "journal", f"system.posix_acl_{kind}", ACL)


def on_disk(seed: int, here: Path) -> Path:
    run(["mount", "--bind", here, SHARED])
    grow(SHARED / "tree", seed)
    return SHARED / "tree"


def on_tmpfs(seed: int, _here: Path) -> Path:
    grow(SHARED / "tree", seed)
    return SHARED / "tree"


def on_overlay(seed: int, here: Path) -> Path:
    """Every file is in the lower layer: to change one of several hard links takes them apart."""
    options = ""
    if "4294967295" not in Path("/proc/self/uid_map").read_text():
        # In a user namespace an overlay notes what was removed in user.* attributes, which tmpfs
        # has since Linux 6.6 only.
        run(["mount", "--bind", here, SHARED])
        options = ",userxattr"
    lower, upper, work, tree = (SHARED / name for name in ("lower", "upper", "work", "tree"))
    grow(lower, seed)
    for folder in (upper, work, tree):
        folder.mkdir()
    layers = f"lowerdir={lower},upperdir={upper},workdir={work}{options}"
    run(["mount", "-t", "overlay", "-o", layers, "overlay", tree])
    return tree


def as_another_user() -> None:
    """Go on as root of a new user namespace, as the build of a plain user does.

    unshare asks /etc/subuid for a range, and root has none; but root needs none either.
    """
    me = os.getpid()
    unshared = os.pipe()
    helper = os.fork()
    if helper == 0:
        try:
            os.read(unshared[0], 1)
            for name in ("uid_map", "gid_map"):
                Path(f"/proc/{me}/{name}").write_text("0 100000 65536")
        finally:
            os._exit(0)
    _unshare(CLONE_NEWUSER | CLONE_NEWNS)
    os.write(unshared[1], b"x")
    os.waitpid(helper, 0)
    os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)


def _unshare(flags: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(flags) != 0:
        raise OSError(ctypes.get_errno(), "unshare")


WORLDS: dict[str, tuple[Callable[[int, Path], Path], bool]] = {
    "disk": (on_disk, False),
    "tmpfs": (on_tmpfs, False),
    "overlay": (on_overlay, False),
    "user": (on_tmpfs, True),
}
# Who is not root lives in a user namespace in all of them.
WORLDS_HERE = [name for name, (_, as_user) in WORLDS.items() if not (as_user and AS_ROOT)]


def main(world: str, seed: int, here: Path, tree_of_tools: Path, room: str) -> dict[str, str]:
    """Build in `world` with `room` for all files on its tmpfs; what came of it, for the test."""
    place, as_user = WORLDS[world]
    os.chdir("/")
    if as_user:
        as_another_user()
    run(["mount", "-t", "tmpfs", "-o", f"mode=755,size={room}", "tmpfs", "/run"])
    SHARED.mkdir()
    tools = ToolTree(tree_of_tools, SHARED)
    tree = place(seed, here)
    raw = SHARED / "raw"
    try:
        assemble(
            tree,
            raw,
            arch="amd64",
            size=SIZE,
            ids=IDS,
            epoch=BUILD.epoch,
            tools=tools,
            work=SHARED / "aside",
        )
        source = Source(raw, tree, IDS, BUILD.epoch, tools)
        rootfs = convert("rootfs.tar.xz", source, SHARED / "debian-13")
    except ForgeError as error:
        return {"error": type(error).__name__, "message": error.message}
    at = f"{raw}?offset={layout('amd64', SIZE).root.offset}"
    attributes = tools.run(["debugfs", "-R", "ea_list /ping", at], capture=True)
    links = tools.run(["debugfs", "-R", "stat /etc/zz", at], capture=True)
    return {
        "raw": hashlib.sha256(raw.read_bytes()).hexdigest(),
        "rootfs": hashlib.sha256(rootfs.read_bytes()).hexdigest(),
        "attributes": attributes.output,
        "links": links.output,
    }


def build(world: str, seed: int, here: Path, room: str = "1G") -> dict[str, str]:
    """Run `main` in a process of its own."""
    words: list[str | Path] = [world, str(seed), here, tool_tree(), room]
    argv: list[str | Path] = [
        *NAMESPACES,
        *AS_ROOT,
        sys.executable,
        "-m",
        "tests.integration.test_disk_bits",
    ]
    done = run([*argv, *words], cwd=Path(__file__).parents[2], capture=True)
    found: dict[str, str] = json.loads(done.output)
    return found


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return build("tmpfs", 1, tmp_path_factory.mktemp("first"))


@pytest.mark.parametrize("world", WORLDS_HERE)
def test_every_world_gives_the_same_bytes(
    world: str, first: dict[str, str], tmp_path: Path
) -> None:
    found = build(world, 2, tmp_path)
    assert "error" not in found
    assert found == first


def test_capabilities_and_hard_links_come_through(first: dict[str, str]) -> None:
    assert f"security.capability (20) = {CAPABILITY.hex(' ')}" in first["attributes"]
    assert "Links: 5" in first["links"]


def test_a_full_file_system_is_named(tmp_path: Path) -> None:
    found = build("tmpfs", 1, tmp_path, room="5M")
    assert found == {
        "error": InfrastructureError.__name__,
        "message": f"the file system of {SHARED} is full",
    }


if __name__ == "__main__":
    name, number, *paths, limit = sys.argv[1:]
    print(json.dumps(main(name, int(number), Path(paths[0]), Path(paths[1]), limit)))
