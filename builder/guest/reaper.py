# SPDX-License-Identifier: GPL-2.0-or-later
"""Run libvirt's daemons in the background and reap all that they leave: a program, not a library.

libvirt starts QEMU detached, and ends it by signals until its process is gone; a zombie counts as
alive. Where the first process of a container reaps late, every end of a QEMU then takes up to
40 s, and the first domain minutes. So the daemons get a parent that reaps (prctl(2),
PR_SET_CHILD_SUBREAPER). The main one ends by itself when nobody uses it; its companions end then
too, since virtlogd's own --timeout ends it under running guests (seen with libvirt 9.0).
It stands alone, outside of `builder.run`, since it outlives its caller.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_CHILD_SUBREAPER = 36


def main(argv: list[str]) -> int:
    """Detach, start `COMPANION... -- MAIN ARGUMENT...`, and reap until all have ended."""
    at = argv.index("--")
    companions, daemon = argv[:at], argv[at + 1 :]
    if os.fork():
        return 0
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    os.chdir("/")
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    helpers = [os.posix_spawnp(name, [name], os.environ) for name in companions]
    main_pid = os.posix_spawnp(daemon[0], daemon, os.environ)
    while True:
        try:
            pid, _ = os.wait()
        except ChildProcessError:
            return 0
        if pid in helpers:
            helpers.remove(pid)
        if pid == main_pid:
            for helper in helpers:
                os.kill(helper, signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
