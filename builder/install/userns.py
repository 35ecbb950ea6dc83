# SPDX-License-Identifier: GPL-2.0-or-later
"""Run a program as root in a new user namespace in which everybody keeps the same id.

    python -m builder.install.userns [--ids COUNT] PROGRAM ARGUMENT...

A binfmt_misc of one's own belongs to a user namespace, so root needs one for it, too. unshare(1) of
Debian 12 cannot map all ids without a range in /etc/subuid, which root has not. With --ids, the
namespace has only the first COUNT ids, and systemd sees that it is in one.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

CLONE_NEWUSER = 0x10000000
MAPS = ("uid_map", "gid_map")
# Ids are numbers of 32 bits.
ALL = 1 << 32


def enter(count: int = ALL) -> None:
    """Move this process into a new user namespace that maps each id of the old one to itself.

    Only ids below `count` are mapped.
    """
    process = os.getpid()
    own = {name: Path("/proc/self", name).read_text(encoding="ascii") for name in MAPS}
    maps = {name: same(text, count) for name, text in own.items()}
    done, start = os.pipe()
    # Only who stays outside may write the maps.
    writer = os.fork()
    if writer == 0:
        code = 1
        try:
            os.close(start)
            os.read(done, 1)
            for name, text in maps.items():
                Path(f"/proc/{process}/{name}").write_text(text, encoding="ascii")
            code = 0
        finally:
            os._exit(code)
    libc = ctypes.CDLL(None, use_errno=True)
    failed = libc.unshare(CLONE_NEWUSER)
    os.close(start)
    _, status = os.waitpid(writer, 0)
    if failed:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    if status:
        raise OSError("the ids could not be mapped")


def same(parents: str, count: int = ALL) -> str:
    """The map of a child namespace that leaves the ids of its parent below `count` as they are."""
    rows = ((int(word) for word in line.split()) for line in parents.splitlines())
    return "".join(
        f"{inside} {inside} {min(number, count - inside)}\n"
        for inside, _, number in rows
        if inside < count
    )


def main(argv: list[str]) -> None:
    """Become the program, in the namespace."""
    if argv[0] == "--ids":
        enter(int(argv[1]))
        argv = argv[2:]
    else:
        enter()
    os.execvp(argv[0], argv)  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1:])
