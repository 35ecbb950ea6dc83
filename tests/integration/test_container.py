# SPDX-License-Identifier: GPL-2.0-or-later
"""Containers start here, as root and as a plain user, and nothing of them outlives their owner."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from builder.errors import InfrastructureError
from builder.guest.containers import cgroup, choice
from builder.guest.containers.tools import TOOLS, Tool
from tests.integration.harness import Account, in_private_mounts, only_root

BY_NAME = pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
# What a program finds out, as another user.
LOOK = """
import json, sys
from pathlib import Path
from builder.guest.containers.choice import looks
from builder.guest.containers.tools import TOOLS
tools = [tool for tool in TOOLS if tool.name in (sys.argv[2:] or [tool.name])]
print(json.dumps({each.tool.name: each.why_not for each in looks(Path(sys.argv[1]), tools)}))
"""
# An owner of a container that does nothing but run, with a network.
OWNER = """
import sys
from pathlib import Path
from builder.guest.containers import choice
from builder.guest.containers.keeper import Plan
from builder.guest.containers.running import INTERFACE, Container, as_root, start_words
from builder.guest.containers.tools import TOOLS, Instance
from builder.rundir import run_folder

tool = next(tool for tool in TOOLS if tool.name == sys.argv[1])
with run_folder(Path(sys.argv[2])) as folder:
    name, tree = f"fai-forge-{folder.name}", folder / "tree"
    choice._furnish(tree)
    (tree / "wait").write_text("while :; do sleep 1; done")
    shown, words = (choice.USR,), ("/bin/sh", "/wait")
    instance = Instance(name, tree, folder, folder / "console", words, shown)
    start = start_words(tool, instance, INTERFACE)
    clean = (*as_root(), "rm", "-rf", str(tree))
    plan = Plan(str(folder / "owner"), name, str(folder), (), start, clean, INTERFACE)
    container = Container(plan, folder / "told")
    print(name, flush=True)
    try:
        container.stopped.wait()
    finally:
        container.destroy()
"""


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> bool:
    """Poll, since other processes tell nobody when they end."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def processes(text: str) -> dict[int, str]:
    """The processes, but for us, that have `text` in their command line or control group."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            words = (entry / "cmdline").read_text().replace("\0", " ")
            if text in words or text in (entry / "cgroup").read_text():
                found[int(entry.name)] = words
        except OSError:
            continue
    return found


def groups(name: str) -> list[Path]:
    """The control groups of that name, wherever the host has mounted version 2."""
    point = cgroup.mount_point(Path("/proc/self/mounts").read_text())
    assert point is not None
    return list(point.rglob(name))


def begun(name: str) -> bool:
    """Whether the container's own program runs, and its network is connected."""
    running = processes(name).values()
    return any(words.startswith("/bin/sh /wait") for words in running) and any(
        words.startswith("slirp4netns ") and words.endswith("eth0 ") for words in running
    )


@pytest.fixture
def work(home: Path) -> Iterator[Path]:
    """A folder for runs, which must be empty in the end."""
    folder = home / uuid.uuid4().hex
    folder.mkdir()
    yield folder
    assert list(folder.iterdir()) == []
    folder.rmdir()


@BY_NAME
def test_a_program_starts_containers(tool: Tool, work: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("a plain user has no control group unless systemd gives one")
    assert choice.look(tool, work).why_not == ""


@pytest.mark.parametrize(
    "mounts",
    [
        pytest.param("mount -t cgroup2 cgroup2 /sys/fs/cgroup", id="version 2"),
        pytest.param("true", id="none"),
    ],
)
@BY_NAME
def test_a_program_starts_containers_with_other_mounts(tool: Tool, mounts: str, work: Path) -> None:
    """As most hosts have it, and as one where nobody has mounted control groups."""
    only_root("change what is mounted")
    apart = in_private_mounts(f"umount --recursive --lazy /sys/fs/cgroup; {mounts}")
    done = subprocess.run(
        [*apart, sys.executable, "-c", LOOK, str(work), tool.name],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == {tool.name: ""}


@BY_NAME
@pytest.mark.parametrize("victim", ["owner", "keeper"])
def test_nothing_outlives_its_owner(tool: Tool, victim: str, work: Path) -> None:
    only_root("make a control group")
    outlives([], tool, victim, work)


def outlives(prefix: Sequence[str], tool: Tool, victim: str, work: Path) -> None:
    """Kill the owner of a container, or its keeper, and look for what is left."""
    before = Path("/proc/self/mountinfo").read_text()
    links = sorted(Path("/sys/class/net").iterdir())
    words = [*prefix, sys.executable, "-c", OWNER, tool.name, str(work)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        try:
            name = owner.stdout.readline().strip()
            assert wait_for(lambda: begun(name)), processes(name)
            assert groups(name)
            keeper = [pid for pid, told in processes(name).items() if "containers.keeper" in told]
            os.kill(owner.pid if victim == "owner" else keeper[0], signal.SIGKILL)
            assert wait_for(lambda: not processes(name)), processes(name)
            assert wait_for(lambda: not groups(name)), groups(name)
        finally:
            owner.kill()
    assert Path("/proc/self/mountinfo").read_text() == before
    assert sorted(Path("/sys/class/net").iterdir()) == links


@pytest.fixture
def delegated(account: Account) -> Iterator[Path]:
    """A control group that the plain user may write to, as systemd would give one."""
    only_root("give a control group to somebody")
    group = cgroup.make(f"fai-forge-test-{uuid.uuid4().hex[:8]}")
    for name in ("", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"):
        os.chown(group / name, account.uid, account.gid)
    yield group
    assert cgroup.remove(group)


def join(group: Path) -> list[str]:
    """Words that run a command in a control group."""
    return ["sh", "-ec", f'echo 0 > {group}/cgroup.procs; exec "$@"', "sh"]


def test_a_plain_user_starts_containers(account: Account, delegated: Path, work: Path) -> None:
    os.chown(work, account.uid, account.gid)
    done = subprocess.run(
        [*join(delegated), *account.prefix, sys.executable, "-c", LOOK, str(work)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == {TOOLS[0].name: ""}


@pytest.mark.parametrize("victim", ["owner", "keeper"])
def test_nothing_outlives_a_plain_user(
    account: Account, delegated: Path, victim: str, work: Path
) -> None:
    os.chown(work, account.uid, account.gid)
    outlives([*join(delegated), *account.prefix], TOOLS[0], victim, work)


def test_a_plain_user_without_a_control_group(account: Account, work: Path) -> None:
    only_root("become somebody whose control group belongs to root")
    os.chown(work, account.uid, account.gid)
    done = subprocess.run(
        [*account.prefix, sys.executable, "-c", LOOK, str(work)],
        capture_output=True,
        text=True,
        check=True,
    )
    answers = json.loads(done.stdout)
    assert set(answers) == {tool.name for tool in TOOLS}
    for why_not in answers.values():
        assert "no control group of version 2 that we may write to" in why_not


def test_no_program_works(work: Path) -> None:
    absent = [Tool("no-such-program", "no-such-package", lambda _: [], -1, True)]
    with pytest.raises(InfrastructureError, match="no container can be started") as caught:
        choice.choose(work, absent)
    assert caught.value.hint == (
        "no-such-program: it is not installed\napt-get install no-such-package"
    )
