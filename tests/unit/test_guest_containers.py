# SPDX-License-Identifier: GPL-2.0-or-later
"""Containers: who starts them and how, which process is the first, and what is their kernel."""

from __future__ import annotations

import platform
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from builder.errors import InfrastructureError
from builder.guest.containers import cgroup, choice, container, entering, keeper, tools
from builder.guest.containers.choice import MISSING, Finding
from builder.guest.containers.entering import Leader
from builder.guest.containers.tools import TOOLS, Instance, Tool
from builder.install import userns

HERE = Path("/work/run-1")
INSTANCE = Instance("fai-forge-run-1", HERE / "tree", HERE, HERE / "console")
PROBE = Instance(
    "probe", HERE / "tree", HERE, HERE / "console", ("/bin/sh", "/probe"), (Path("/usr"),)
)


def test_nspawn_starts_the_tree_with_its_own_init() -> None:
    words = TOOLS[0].command(INSTANCE)
    assert words[-1] == "--boot"
    assert f"--directory={HERE}/tree" in words
    # It would look for the system's bus, which is not there.
    assert {"--register=no", "--keep-unit"} <= set(words)


def test_nspawn_starts_another_program() -> None:
    words = TOOLS[0].command(PROBE)
    assert words[-3:] == ["--bind-ro=/usr", "/bin/sh", "/probe"]
    assert "--boot" not in words


@pytest.mark.parametrize(
    ("instance", "rows"),
    [
        (INSTANCE, {"lxc.init.cmd = /sbin/init", f"lxc.rootfs.path = dir:{HERE}/tree"}),
        (
            PROBE,
            {
                "lxc.init.cmd = /bin/sh /probe",
                "lxc.mount.entry = /usr usr none bind,ro,create=dir 0 0",
            },
        ),
    ],
)
def test_lxc_is_configured(instance: Instance, rows: set[str]) -> None:
    assert rows <= set(tools.lxc_config(instance).splitlines())


def process(proc: Path, pid: int, group: str, nspid: str, begin: int = 7) -> None:
    """One process, as /proc shows it."""
    folder = proc / str(pid)
    folder.mkdir()
    (folder / "cgroup").write_text(f"4:memory:/x\n0::/{group}\n")
    (folder / "status").write_text(f"Name:\tsystemd\nNSpid:\t{nspid}\nThreads:\t1\n")
    fields = " ".join(str(number) for number in range(4, 22))
    (folder / "stat").write_text(f"{pid} (a) b) S {fields} {begin} 0\n")


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ([], None),
        # Of another container, the namespaces' own first process, and one that came later.
        ([(5, "run-2/payload", "5 9 1"), (6, "run-1", "6 1"), (7, "run-1/payload", "7 9 2")], None),
        ([(6, "run-1", "6 1"), (8, "user/run-1/payload/init.scope", "8 9 1")], Leader(8, 7)),
    ],
)
def test_the_first_process_is_found(
    tmp_path: Path, rows: list[tuple[int, str, str]], found: Leader | None
) -> None:
    (tmp_path / "self").mkdir()
    for row in rows:
        process(tmp_path, *row)
    assert entering.leader("run-1", tmp_path) == found


def test_a_process_that_ends_meanwhile_is_no_leader(tmp_path: Path) -> None:
    (tmp_path / "9").mkdir()
    assert entering.leader("run-1", tmp_path) is None


@pytest.mark.parametrize(
    ("mounts", "point"),
    [
        ("cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n", Path("/sys/fs/cgroup")),
        (
            "cgroup /sys/fs/cgroup/cpu cgroup rw 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw\n",
            Path("/sys/fs/cgroup/unified"),
        ),
        ("cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n", None),
    ],
)
def test_where_control_groups_are(mounts: str, point: Path | None) -> None:
    assert cgroup.mount_point(mounts) == point


@pytest.mark.parametrize(
    ("table", "path"),
    [
        ("9:name=systemd:/\n0::/user.slice/run-1.scope\n", "user.slice/run-1.scope"),
        ("0::/\n", ""),
        ("9:name=systemd:/x\n", ""),
    ],
)
def test_our_own_control_group(table: str, path: str) -> None:
    assert cgroup.own_path(table) == path


def test_a_group_is_removed_with_those_below(tmp_path: Path) -> None:
    (tmp_path / "run-1/payload/init.scope").mkdir(parents=True)
    assert cgroup.remove(tmp_path / "run-1")
    assert list(tmp_path.iterdir()) == []


def test_a_plan_survives_its_way() -> None:
    plan = keeper.Plan("lock", "name", "folder", [["tar", "x"]], ["start"], ["clean"], "eth0")
    assert keeper.read(plan.text()) == plan


@pytest.mark.parametrize(
    ("parents", "count", "ids"),
    [
        ("0 0 4294967295\n", 65536, "0 0 65536\n"),
        ("0 1000 1\n1 100000 65536\n", 65536, "0 0 1\n1 1 65535\n"),
        ("0 100000 1000\n", 65536, "0 0 1000\n"),
        ("0 1000 1\n70000 1 5\n", 65536, "0 0 1\n"),
    ],
)
def test_a_namespace_with_the_first_ids(parents: str, count: int, ids: str) -> None:
    assert userns.same(parents, count) == ids


def there(name: str) -> Tool:
    return Tool(name, f"package-of-{name}", lambda _: [], -1, True)


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Say what each program would answer."""

    def say(**why_not: str) -> None:
        monkeypatch.setattr(choice, "look", lambda tool, _parent: Finding(tool, why_not[tool.name]))

    return say


def test_the_first_that_works_is_used(answers: Callable[..., None]) -> None:
    answers(one="it said no", two="", three="")
    rows = [there(name) for name in ("one", "two", "three")]
    assert choice.choose(HERE, rows) == rows[1]
    assert [each.why_not for each in choice.looks(HERE, rows)] == ["it said no", ""]


def test_none_works_and_each_says_why(answers: Callable[..., None]) -> None:
    answers(one="it said no", two=MISSING)
    with pytest.raises(InfrastructureError, match="no container can be started") as caught:
        choice.choose(HERE, [there("one"), there("two")])
    assert caught.value.hint.splitlines()[:2] == ["one: it said no", "two: it is not installed"]
    assert "systemd-run --user --scope" in caught.value.hint


def test_a_container_of_another_architecture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    container.check_arch("amd64")
    with pytest.raises(InfrastructureError, match="arm64 does not start on x86_64"):
        container.check_arch("arm64")


def test_a_keeper_that_nobody_owns_starts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the thread that follows the owner comes late."""
    (tmp_path / "owner").touch()
    monkeypatch.setattr(threading.Thread, "start", lambda _: None)
    with pytest.raises(SystemExit) as caught:
        keeper.Owner(tmp_path / "owner").start(["true"])
    assert caught.value.code == keeper.UNABLE
