# SPDX-License-Identifier: GPL-2.0-or-later
"""A real nginx over TLS on this machine, as the user who runs the tests, and a throwaway CA."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

NGINX = "/usr/sbin/nginx"
PATIENCE = 60.0
# All that nginx would otherwise write to places of the system.
MAIN = """\
{user}daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
worker_processes 1;
events {{ worker_connections 64; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
{servers}
}}
"""


@dataclass(frozen=True)
class Authority:
    """A CA of the test's own, and a certificate of it for 127.0.0.1."""

    folder: Path

    @property
    def ca(self) -> Path:
        return self.folder / "ca.pem"

    @property
    def certificate(self) -> Path:
        return self.folder / "server.pem"

    @property
    def key(self) -> Path:
        return self.folder / "server.key"


def authority(folder: Path) -> Authority:
    """Make both in a folder."""
    folder.mkdir()
    made = Authority(folder)
    new = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    days = ["-days", "2"]
    openssl(*new, *days, "-keyout", folder / "ca.key", "-out", made.ca, "-subj", "/CN=Test CA")
    openssl(
        *new,
        *days,
        *("-keyout", made.key, "-out", made.certificate, "-subj", "/CN=127.0.0.1"),
        *("-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=CA:FALSE"),
        *("-CA", made.ca, "-CAkey", folder / "ca.key"),
    )
    return made


def openssl(*words: str | Path) -> None:
    argv = ["openssl", *map(str, words)]
    subprocess.run(argv, check=True, capture_output=True, stdin=subprocess.DEVNULL)


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens to, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()


@contextmanager
def nginx(folder: Path, servers: str, ports: Sequence[int]) -> Iterator[None]:
    """Serve these `server` blocks, which listen to these ports, until the end of the block."""
    folder.mkdir()
    config = folder / "nginx.conf"
    user = "user root;\n" if os.geteuid() == 0 else ""
    config.write_text(MAIN.format(user=user, folder=folder, servers=servers))
    # -e: what it says before it has read where its errors go.
    argv = [NGINX, "-p", str(folder), "-c", str(config), "-e", str(folder / "error.log")]
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        for port in ports:
            _wait(process, port)
        yield
    finally:
        process.terminate()
        process.wait(PATIENCE)
        assert process.stderr is not None
        process.stderr.close()


def _wait(process: subprocess.Popen[str], port: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), PATIENCE).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                assert process.stderr is not None
                raise AssertionError(f"nginx did not start: {process.stderr.read()}") from None
            time.sleep(0.02)
