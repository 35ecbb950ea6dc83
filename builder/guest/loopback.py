# SPDX-License-Identifier: GPL-2.0-or-later
"""Servers on the host's loopback, which a guest reaches through QEMU's user network.

Nobody else does: they listen on 127.0.0.1, on ports that the kernel chooses.
Source: QEMU's documentation, "Using the user mode network stack"
"""

from __future__ import annotations

import contextlib
import functools
import socketserver
import struct
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

LOOPBACK = "127.0.0.1"
# The host's loopback, as a guest in QEMU's user network calls it.
GATEWAY = "10.0.2.2"

# The name that our name server knows, and its addresses, which are set aside for documentation
# (RFC 5737, RFC 3849).
NAME = "probe.fai-forge.example"
ADDRESSES = ("192.0.2.53", "2001:db8::53")
# DNS: types of records, and the flags of an answer with authority (RFC 1035, RFC 3596).
RECORD_TYPES = {IPv4Address: 1, IPv6Address: 28}
ANSWER, NO_SUCH_NAME, INTERNET = 0x8500, 0x8503, 1


@contextlib.contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[None]:
    """Let a server answer in a thread of its own."""
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Files(SimpleHTTPRequestHandler):
    """The files of a folder, over connections that stay open as apt likes it, without a log."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class _Web(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_request: object) -> None:
        """Keep quiet: a guest that leaves early is no error."""


@contextlib.contextmanager
def serve_folder(folder: Path) -> Iterator[int]:
    """Serve the files below a folder over HTTP; yields the port."""
    server = _Web((LOOPBACK, 0), functools.partial(_Files, directory=str(folder)))
    with _serving(server):
        yield server.server_port


class _Names(socketserver.BaseRequestHandler):
    """Answers one DNS query over UDP."""

    def handle(self) -> None:
        """Send the answer back."""
        query, line = self.request
        with contextlib.suppress(struct.error, IndexError, UnicodeDecodeError):
            line.sendto(dns_answer(query), self.client_address)


@contextlib.contextmanager
def serve_names() -> Iterator[int]:
    """Serve NAME over DNS; yields the UDP port."""
    with socketserver.UDPServer((LOOPBACK, 0), _Names) as server, _serving(server):
        yield int(server.server_address[1])


def dns_answer(query: bytes) -> bytes:
    """The answer to a DNS query of one question: NAME's addresses, or that there is no such name.

    Source: RFC 1035, section 4
    """
    labels, at = [], 12
    while length := query[at]:
        labels.append(query[at + 1 : at + 1 + length].decode("ascii").lower())
        at += 1 + length
    end = at + 5
    wanted = struct.unpack("!HH", query[at + 1 : end])[0]
    known = ".".join(labels) == NAME
    records = [
        # 0xc00c points to the question's name; the time to live is a minute.
        struct.pack("!HHHIH", 0xC00C, kind, INTERNET, 60, len(address.packed)) + address.packed
        for address in map(ip_address, ADDRESSES)
        if known and (kind := RECORD_TYPES[type(address)]) == wanted
    ]
    flags = ANSWER if known else NO_SUCH_NAME
    header = query[:2] + struct.pack("!HHHHH", flags, 1, len(records), 0, 0)
    return header + query[12:end] + b"".join(records)
