# SPDX-License-Identifier: GPL-2.0-or-later
"""`make bench`: a build against the floor, cold and warm, as ratios of one run on one machine.

The floor is what nobody can avoid who makes a disk of these packages: mmdebstrap installs the same
package list, mke2fs makes a file system of it, qemu-img compresses that. It has no boot loader, no
config space, no manifest, and is not reproducible. Times of a single run say little on a busy
machine; ratios of runs that took turns say more.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.archive.sources import default_sources, host_mirrors, on_mirrors, render
from builder.install.workspace import available_memory
from builder.run import run

FORGE = (sys.executable, "-m", "builder")
MIB = 1 << 20
# What DESIGN aims at, as a ratio to the floor.
AIMS = {"cold": 0.75, "warm": 0.45}


@dataclass(frozen=True)
class Measured:
    """One run: seconds, bytes received by the machine, and bytes of memory taken at the peak."""

    seconds: float
    received: int
    memory: int


def main() -> int:
    """Take turns: floor, cold, warm; print each as a ratio to the floor of its turn."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--name", default="debian-13")
    parser.add_argument("--turns", type=int, default=1, help="how often to take turns")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    turns = [_turn(arguments.name) for _ in range(arguments.turns)]
    if arguments.json:
        print(json.dumps([{k: vars(v) for k, v in turn.items()} for turn in turns], indent=2))
    else:
        _print(turns)
    return 0


def _turn(name: str) -> dict[str, Measured]:
    """One turn, in a folder of its own that is removed afterwards."""
    shown = json.loads(run([*FORGE, "show", name, "--json"], capture=True).output)
    # Not /tmp: where that is in memory, the floor would not be on a disk.
    with tempfile.TemporaryDirectory(prefix="fai-forge-bench-", dir="/var/tmp") as folder:
        top = Path(folder)
        env = {"FAI_FORGE_CACHE": str(top / "cache")}
        build: list[str | Path] = [*FORGE, "build", name, "--out", top / "out"]
        return {
            "floor": _measure("floor", lambda: _floor(top, shown)),
            "cold": _measure("cold", lambda: run(build, env=env)),
            "warm": _measure("warm", lambda: run(build, env=env)),
        }


def _floor(top: Path, shown: dict[str, Any]) -> None:
    """The same packages by plain tools of the host, on disk."""
    sources = on_mirrors(default_sources("debian", str(shown["codename"])), host_mirrors())
    list_file = top / "floor.sources"
    list_file.write_text(render(sources), encoding="utf-8")
    # A plain user cannot own the files of a tree, so all of it runs in a namespace then.
    user = [] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--map-auto"]
    tree, disk = top / "floor", top / "floor.ext4"
    run(
        [
            *(*user, "mmdebstrap", "--mode=root", "--variant=minbase", "--format=directory"),
            *("--skip=output/dev,output/mknod", f"--include={','.join(shown['packages'])}"),
            *(str(shown["codename"]), tree, list_file),
        ],
        env={"TMPDIR": str(top)},
    )
    run([*user, "mke2fs", "-q", "-t", "ext4", "-d", tree, disk, "3G"])
    options = "compression_type=zstd"
    run(["qemu-img", "convert", "-c", "-O", "qcow2", "-o", options, disk, top / "floor.qcow2"])
    run([*user, "rm", "-rf", tree, disk])


def _measure(what: str, call: Callable[[], object]) -> Measured:
    print(f"measuring: {what} ...", file=sys.stderr, flush=True)
    received, start = _received(), time.monotonic()
    with _watch_memory() as peak:
        call()
    return Measured(time.monotonic() - start, _received() - received, peak[0])


@contextmanager
def _watch_memory() -> Iterator[list[int]]:
    """How much less memory is available than at the start, at most: programs and tmpfs."""
    before, peak, done = available_memory(), [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.1):
            peak[0] = max(peak[0], before - available_memory())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()


def _received() -> int:
    """Bytes that all interfaces but the loopback have received."""
    lines = Path("/proc/net/dev").read_text(encoding="ascii").splitlines()[2:]
    rows = [line.replace(":", " ").split() for line in lines]
    return sum(int(row[1]) for row in rows if row[0] != "lo")


def _print(turns: list[dict[str, Measured]]) -> None:
    print(f"{platform.machine()}, {os.cpu_count()} processors, {len(turns)} turn(s); medians")
    print(f"{'':8}{'seconds':>9}{'ratio':>8}{'aim':>7}{'received':>12}{'peak memory':>14}")
    for what in turns[0]:
        ratio = statistics.median(turn[what].seconds / turn["floor"].seconds for turn in turns)
        seconds = statistics.median(turn[what].seconds for turn in turns)
        received = statistics.median(turn[what].received for turn in turns) / MIB
        memory = statistics.median(turn[what].memory for turn in turns) / MIB
        aim = f"{AIMS[what]:.2f}" if what in AIMS else ""
        print(f"{what:8}{seconds:9.1f}{ratio:8.2f}{aim:>7}{received:8.0f} MiB{memory:10.0f} MiB")
    largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"largest single process: {largest:.0f} MiB")


if __name__ == "__main__":
    sys.exit(main())
