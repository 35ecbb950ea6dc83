# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs of another architecture run in the sandbox, and nobody outside sees how."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from builder.archive.aptroot import native_arch, open_root
from builder.archive.pool import DebCache
from builder.archive.predict import predict
from builder.archive.sources import default_sources, host_mirrors, on_mirrors
from builder.install import binfmt, emulation, native, sandbox
from builder.install.binfmt import FORMATS, MACHINES_OWN, Way
from builder.install.tools import DISTRO, SUITE
from builder.run import run
from tests.integration.harness import IN_CI, ROOT, Account, Forge, write_classes

ANSWER = 42
# exit(42) in each architecture's machine code: the number, the system call, and the call.
CODE = {
    "amd64": bytes.fromhex("bf2a000000 b83c000000 0f05"),
    "arm64": struct.pack("<3I", 0xD2800540, 0xD2800BA8, 0xD4000001),
    "ppc64el": struct.pack("<3I", 0x3860002A, 0x38000001, 0x44000002),
    "riscv64": struct.pack("<3I", 0x02A00513, 0x05D00893, 0x00000073),
}
FOREIGN = tuple(arch for arch in FORMATS if arch != native_arch())
# Inside the sandbox: `register` as a build does it, then a program in a tree that has only that.
REGISTER = """\
import subprocess, sys
from pathlib import Path
from builder.install import emulation, sandbox
arch, emulator, *command = sys.argv[1:]
sandbox.furnish()
emulation.register(arch, Path(emulator))
sys.exit(subprocess.run(command).returncode)
"""


def program(arch: str) -> bytes:
    """A static ELF program that says 42 and needs no file but itself (elf(5))."""
    base, size = 0x10000, 64 + 56 + len(CODE[arch])
    flags = 2 if arch == "ppc64el" else 0  # the second ABI, little endian's
    header = struct.pack(
        "<HHIQQQIHHHHHH", 2, FORMATS[arch].machine, 1, base + 120, 64, 0, flags, 64, 56, 1, 0, 0, 0
    )
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 0x10000)
    return b"\x7fELF\x02\x01\x01" + bytes(9) + header + segment + CODE[arch]


@pytest.fixture(scope="module")
def emulators(home: Path) -> Path:
    """The emulators of the tools' release, unpacked."""
    if not sandbox._private_binfmt() and not IN_CI:
        pytest.skip("a binfmt_misc of one's own needs Linux 6.7")
    mirrored = on_mirrors(default_sources(DISTRO, SUITE), host_mirrors())
    root = open_root(home / "foreign-apt", mirrored, native_arch())
    root.refresh()
    wanted = predict(root, (emulation.PACKAGE,), base=())
    pool = home / "foreign-pool"
    DebCache(home / "foreign-debs").fetch(root, wanted, pool, lambda _done, _all: None)
    (deb,) = pool.rglob(f"{emulation.PACKAGE}_*.deb")
    tree = home / "emulators"
    run(["dpkg-deb", "--extract", deb, tree])
    return tree


def in_sandbox(arch: str, emulators: Path, *command: str, account: Account | None = None) -> int:
    """Run a command where programs of `arch` run; its exit code."""
    # What `_unshare` gives hangs on who asks.
    start = (
        "import os, sys; from builder.install import sandbox; from builder.install.binfmt import"
        " Way; words = [*sandbox._unshare(Way.PRIVATE), '--', *sys.argv[1:]];"
        " os.execvp(words[0], words)"
    )
    prefix = account.prefix if account else ()
    inner = (sys.executable, "-c", REGISTER, arch, str(emulators), *command)
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    words = [*prefix, sys.executable, "-c", start, *inner]
    return subprocess.run(words, check=False, cwd="/", env=env).returncode


def tree_with(folder: Path, arch: str, *names: str) -> Path:
    """A root file system that holds nothing but programs which say 42."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(program(arch))
        path.chmod(0o755)
    return folder


@pytest.mark.parametrize("arch", FOREIGN)
def test_foreign_programs_run(arch: str, emulators: Path, tmp_path: Path) -> None:
    before = [path.name for path in MACHINES_OWN.glob("*")]
    tree = tree_with(tmp_path, arch, "answer")
    assert in_sandbox(arch, emulators, "chroot", str(tree), "/answer") == ANSWER
    assert [path.name for path in MACHINES_OWN.glob("*")] == before


def test_as_a_plain_user(account: Account, emulators: Path, home: Path) -> None:
    tree = tree_with(home / "foreign-tree", FOREIGN[0], "answer")
    words = ("chroot", str(tree), "/answer")
    assert in_sandbox(FOREIGN[0], emulators, *words, account=account) == ANSWER


def test_the_other_architectures_are_not_taken(emulators: Path, tmp_path: Path) -> None:
    tree = tree_with(tmp_path, FOREIGN[1], "answer")
    assert in_sandbox(FOREIGN[0], emulators, "chroot", str(tree), "/answer") != ANSWER


def test_root_keeps_all_ids(tmp_path: Path) -> None:
    """What a build as root makes belongs to whom it would without the user namespace."""
    if os.geteuid() != 0 and not IN_CI:
        pytest.skip("only root has ids to keep")
    file = tmp_path / "file"
    file.touch()
    run([*sandbox._unshare(Way.PRIVATE), "--", "chown", "1234:40000", file])
    assert (file.stat().st_uid, file.stat().st_gid) == (1234, 40000)


def test_native_programs_take_the_place_of_slow_ones(emulators: Path, tmp_path: Path) -> None:
    """Only for one command, only those of the list; the tree is as it was."""
    arch = FOREIGN[0]
    tree = tree_with(tmp_path / "tree", arch, "usr/bin/dash", "usr/bin/uname")
    (tree / "usr/lib/apt/methods").mkdir(parents=True)
    helpers = tmp_path / "native"
    helpers.mkdir()
    native.furnish(helpers, arch)
    # This machine's own programs are as native as any.
    (helpers / "usr").symlink_to("/usr")
    before = sorted(tree.rglob("*"))
    command = native.rootcmd(helpers, native_arch(), tree).split()
    native_dash = (*command, "/usr/bin/dash", "-c", f"test -e {helpers}/dpkg && exit 7")
    assert in_sandbox(arch, emulators, *native_dash) == 7
    assert in_sandbox(arch, emulators, *command, "/usr/bin/uname") == ANSWER
    assert in_sandbox(arch, emulators, "chroot", str(tree), "/usr/bin/dash", "-c", "") == ANSWER
    # Where the helpers are mounted stays, which in a build is below /run.
    own = tree / helpers.relative_to("/")
    new = [path for path in sorted(tree.rglob("*")) if path not in (*before, own, *own.parents)]
    assert new == []


def test_neither_an_own_nor_the_machines_emulation(
    tiny: Path, home: Path, account: Account
) -> None:
    """As under an old kernel: no new user namespace, and nobody has registered an emulator."""
    project = home / "foreign-project"
    shutil.copytree(tiny, project, symlinks=True)
    write_classes(project, {f"{FOREIGN[0].upper()}/class.yaml": class_of(FOREIGN[0])})
    empty = f"mount -t tmpfs tmpfs {MACHINES_OWN};" if MACHINES_OWN.exists() else ""
    forbid = f'{empty} echo 0 > /proc/sys/user/max_user_namespaces; exec "$@"'
    nested = ("unshare", "--map-auto", "--map-root-user", "--mount", "sh", "-ec", forbid, "sh")
    forge = Forge(project, home / "none", home / "none-out", (*account.prefix, *nested))
    running = forge.build(name=f"debian-13-{FOREIGN[0]}")
    assert running.process.returncode == 4, running.text
    assert running.said[0] == (
        f"fai-forge: this machine cannot run the programs of {FOREIGN[0]},"
        " which building for it needs\n"
    )
    assert "apt-get install qemu-user-static" in running.text
    assert not forge.out.exists()


def class_of(arch: str) -> str:
    """A class.yaml of an architecture."""
    return f"class: {arch.upper()}\nkind: arch\ntoken: {arch}\nsummary: Another one\norder: 300\n"


def test_the_table_knows_this_machine() -> None:
    """Its own programs have the header that the table says."""
    header = Path(sys.executable).resolve().read_bytes()[:20]
    form = FORMATS[native_arch()]
    entry = binfmt.Registration(True, "", "", form.magic, form.mask)
    assert entry.takes(header)
