# SPDX-License-Identifier: GPL-2.0-or-later
"""Incus' real daemon, out of Debian 12's backports, in namespaces of its own that end with it.

It is taken out of its packages into a folder of the test: nothing is installed, and what it mounts
is gone with its mount namespace.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from builder.run import run
from tests.integration.extracted import extract

BACKPORTS = "bookworm-backports"
# The daemon, its client and its database; what the daemon calls is of Debian 12 itself.
PACKAGES = ("incus-base", "incus-client", "libcowsql0", "libraft0")
TOOLS = ("attr", "libuv1", "squashfs-tools")
PATIENCE = 60.0
# It would write to these, which are the machine's.
SCRIPT = """
mount -t tmpfs none /var/log && mount -t tmpfs none /run && exec "$0" --logfile="$1"
"""


def programs(folder: Path) -> Path:
    """The folder that the packages are unpacked into."""
    extract(folder, PACKAGES, BACKPORTS)
    return extract(folder, TOOLS)


@contextmanager
def running(root: Path, folder: Path) -> Iterator[dict[str, str]]:
    """Run the daemon with its data in a folder; the environment that its client needs."""
    data = folder / "data"
    data.mkdir(parents=True)
    path = f"{root}/usr/bin:{root}/usr/libexec/incus:{os.environ['PATH']}:/usr/sbin:/sbin"
    namespaces = ["--mount", "--pid", "--fork", "--mount-proc", "--kill-child", "--uts", "--ipc"]
    if os.geteuid() != 0:
        namespaces += ["--map-auto", "--map-root-user"]
    log = folder / "log"
    with (folder / "out").open("wb") as out:
        process = subprocess.Popen(
            ["unshare", *namespaces, "sh", "-c", SCRIPT, root / "usr/libexec/incus/incusd", log],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env={
                "PATH": path,
                "HOME": str(folder),
                "INCUS_DIR": str(data),
                "LD_LIBRARY_PATH": str(next((root / "usr/lib").glob("*-linux-gnu"))),
                # It looks for news of the world, which it need not find.
                "https_proxy": "http://127.0.0.1:9",
            },
        )
    try:
        environment = {"PATH": path, "INCUS_DIR": str(data), "INCUS_CONF": str(folder / "conf")}
        deadline = time.monotonic() + PATIENCE
        while run(["incus", "query", "/1.0"], env=environment, check=False).returncode:
            said = (folder / "out").read_text()
            assert process.poll() is None, said
            assert time.monotonic() < deadline, said
            time.sleep(0.1)
        yield environment
    finally:
        process.kill()
        process.wait(PATIENCE)
