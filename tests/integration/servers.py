# SPDX-License-Identifier: GPL-2.0-or-later
"""Servers of stores on loopback: OpenSSH's sshd, and the S3 server of moto."""

from __future__ import annotations

import contextlib
import logging
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SSHD = "/usr/sbin/sshd"
# sshd runs as a plain user, who may let in only himself: permissions then mean something.
USER = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name


@dataclass(frozen=True)
class Sshd:
    """A running sshd; `folder` has its keys, the client's HOME, and `served`, where stores are."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]

    @property
    def served(self) -> Path:
        return self.folder / "served"

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"

    def sessions(self) -> list[int]:
        """The processes of open connections."""
        return _children(self.process.pid)

    def cut(self) -> None:
        """End all connections, as a broken line does."""
        for pid in self.sessions():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def own(path: Path) -> None:
    """Give a file or folder to the user that the server runs as."""
    if os.geteuid() == 0:
        shutil.chown(path, USER, pwd.getpwnam(USER).pw_gid)


def _children(pid: int) -> list[int]:
    try:
        direct = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        # It ended since it was listed.
        return []
    return [each for child in map(int, direct) for each in (*_children(child), child)]


def keygen(path: Path, kind: str = "ed25519") -> str:
    """Make a key; its public half is returned, as in known_hosts."""
    command = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "", "-f", str(path)]
    subprocess.run(command, check=True)
    return Path(f"{path}.pub").read_text().strip()


def start_sshd(folder: Path) -> Sshd:
    """Start an sshd, and write what its clients need; the caller ends `process`."""
    user = pwd.getpwnam(USER)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for name in ("served", "server", "home", "home/.ssh"):
        (folder / name).mkdir()
    host_key = keygen(folder / "server/key")
    keygen(folder / "server/rsa_key", "rsa")
    client_key = keygen(folder / "home/.ssh/key_of_store")
    (folder / "server/authorized_keys").write_text(client_key + "\n")
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {host_key}\n")
    (folder / "home/.ssh/config").write_text(
        f"Host store\n HostName 127.0.0.1\n Port {port}\n User {USER}\n IdentitiesOnly yes\n"
        f" IdentityFile {folder}/home/.ssh/key_of_store\n"
    )
    config = folder / "server/sshd_config"
    # Without PAM, sshd takes accounts for locked whose password it may not read.
    config.write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/server/key\n"
        f"HostKey {folder}/server/rsa_key\n"
        f"AuthorizedKeysFile {folder}/server/authorized_keys\nStrictModes no\nUsePAM yes\n"
        f"PasswordAuthentication no\nPidFile none\nSubsystem sftp internal-sftp\n"
    )
    for path in (folder / "served", folder / "server", *(folder / "server").iterdir()):
        own(path)
    root = os.geteuid() == 0
    process = subprocess.Popen(
        [SSHD, "-D", "-f", str(config), "-E", str(folder / "server/log")],
        stdin=subprocess.DEVNULL,
        # PAM's modules may complain that they are not root.
        stderr=subprocess.DEVNULL,
        user=user.pw_uid if root else None,
        group=user.pw_gid if root else None,
        extra_groups=[] if root else None,
    )
    return Sshd(folder, port, process)


def answers(sshd: Sshd) -> bool:
    """Whether the server listens, within some seconds."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and sshd.process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", sshd.port), 1):
            return True
        time.sleep(0.02)
    return False


@contextlib.contextmanager
def running_sshd(folder: Path) -> Iterator[Sshd]:
    """An sshd that listens; it and its connections end with this context."""
    folder.mkdir()
    sshd = start_sshd(folder)
    try:
        assert answers(sshd), (folder / "server/log").read_text()
        yield sshd
    finally:
        sshd.cut()
        sshd.process.terminate()
        sshd.process.wait(10)


@contextlib.contextmanager
def running_s3() -> Iterator[str]:
    """The URL of an S3 server that keeps its objects in our memory."""
    # Here: all other tests with servers do without it.
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()
