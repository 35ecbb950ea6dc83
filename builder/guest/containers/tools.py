# SPDX-License-Identifier: GPL-2.0-or-later
"""The programs that can start a container, one row each, in the order in which they are tried."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from builder.run import search_path

# Where liblxc keeps its state, in the /run that the container's namespaces have.
LXC_STATE = "/run/lxc"
# What a container may not do to the host, besides what its user namespace forbids (as in LXC's own
# common.conf).
LXC_DROPPED = "mac_admin mac_override sys_module sys_rawio sys_time"


@dataclass(frozen=True)
class Instance:
    """One container to start: its root is `tree`; `folder` is for what the program needs.

    `init` is run as its first process, and empty for the init of the tree. `shown` are folders of
    the host that it sees, read only. The paths are absolute.
    """

    name: str
    tree: Path
    folder: Path
    console: Path
    init: tuple[str, ...] = ()
    shown: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Tool:
    """A program that starts containers; `command` gives its words, and writes its configuration.

    It runs in the foreground, as root of namespaces that hold nothing else, and in the network
    namespace that the container is to have. `again` is its exit code where the container wants to
    be started anew; a program that does so itself has none (-1). `speaks` means that the
    container's console is what the program prints.
    """

    name: str
    package: str
    command: Callable[[Instance], list[str]]
    again: int
    speaks: bool

    def there(self) -> bool:
        """Whether the program is installed."""
        return shutil.which(self.name, path=search_path()) is not None


def _nspawn(instance: Instance) -> list[str]:
    return [
        # It looks for systemd in the tree to guess which version of control groups it is to have.
        *("env", "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1"),
        *("systemd-nspawn", "--quiet", f"--directory={instance.tree}"),
        f"--machine={instance.name}",
        # Nobody to register with: the namespaces have no system bus.
        *("--register=no", "--keep-unit"),
        # That of the program: what is connected to it stays when the container reboots.
        *("--network-namespace-path=/proc/self/ns/net", "--capability=CAP_NET_ADMIN"),
        # The image's own, as they are.
        *("--resolv-conf=off", "--timezone=off", "--link-journal=no"),
        "--console=read-only",
        *(f"--bind-ro={path}" for path in instance.shown),
        *(instance.init or ("--boot",)),
    ]


def lxc_config(instance: Instance) -> str:
    """liblxc's configuration of a container; see lxc.container.conf(5)."""
    rows = [
        ("lxc.rootfs.path", f"dir:{instance.tree}"),
        ("lxc.uts.name", instance.name),
        ("lxc.net.0.type", "none"),
        ("lxc.mount.auto", "proc:mixed sys:mixed cgroup:rw"),
        ("lxc.cap.drop", LXC_DROPPED),
        ("lxc.apparmor.profile", "unconfined"),
        ("lxc.tty.max", "0"),
        ("lxc.pty.max", "1024"),
        ("lxc.console.logfile", str(instance.console)),
        ("lxc.init.cmd", " ".join(instance.init) or "/sbin/init"),
        *(
            ("lxc.mount.entry", f"{path} {path.relative_to('/')} none bind,ro,create=dir 0 0")
            for path in instance.shown
        ),
    ]
    return "".join(f"{key} = {value}\n" for key, value in rows)


def _lxc(instance: Instance) -> list[str]:
    config = instance.folder / "lxc.conf"
    config.write_text(lxc_config(instance), encoding="utf-8")
    return [
        *("lxc-start", "--foreground", f"--name={instance.name}"),
        *(f"--rcfile={config}", f"--lxcpath={LXC_STATE}", "--close-all-fds"),
        f"--logfile={instance.folder / 'lxc.log'}",
    ]


# systemd-nspawn first: it is what FAI's own kind of machine has already, and it starts any tree.
TOOLS: Sequence[Tool] = (
    Tool("systemd-nspawn", "systemd-container", _nspawn, again=133, speaks=True),
    Tool("lxc-start", "lxc", _lxc, again=-1, speaks=False),
)
