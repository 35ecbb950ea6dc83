# SPDX-License-Identifier: GPL-2.0-or-later
"""SSH into a guest: a key for this run only, host keys that the console vouched for, commands."""

from __future__ import annotations

import base64
import binascii
import io
import re
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import paramiko
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from builder.errors import CheckError

HOST = "127.0.0.1"
USER = "root"
# What cloud-init's keys-to-console module writes on the first boot of an instance.
KEYS_BEGIN = "-----BEGIN SSH HOST KEY KEYS-----"
KEYS_END = "-----END SSH HOST KEY KEYS-----"
KEY_LINE = re.compile(r"\b(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp\d+) (AAAA[A-Za-z0-9+/]+=*)(?:\s|$)")


class Answer(NamedTuple):
    """What a command in the guest ended with."""

    returncode: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class HostKey:
    """One public host key of a guest; `blob` is its base64 text."""

    kind: str
    blob: str


@dataclass(frozen=True)
class ClientKey:
    """The key of one run: `private` in OpenSSH's PEM form, `public` as in authorized_keys."""

    private: str
    public: str

    @classmethod
    def fresh(cls) -> ClientKey:
        """A new ed25519 key, which is nowhere but in our memory."""
        pem = Ed25519PrivateKey.generate().private_bytes(
            Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()
        )
        key = paramiko.Ed25519Key.from_private_key(io.StringIO(pem.decode()))
        return cls(pem.decode(), f"{key.get_name()} {key.get_base64()} fai-forge-run")


def host_keys(console: str) -> tuple[HostKey, ...] | None:
    """The host keys that a guest printed on its console, or None while the block is not complete.

    Kernel messages may be written across a line; a key that this damaged is left out.
    """
    if KEYS_BEGIN not in console:
        return None
    block, end, _ = console.split(KEYS_BEGIN, 1)[1].partition(KEYS_END)
    if not end:
        return None
    return tuple(
        HostKey(kind, blob) for kind, blob in KEY_LINE.findall(block) if _well_formed(kind, blob)
    )


def _well_formed(kind: str, blob: str) -> bool:
    """Whether the blob is base64 that names the same kind inside (RFC 4253, section 6.6)."""
    try:
        raw = base64.b64decode(blob, validate=True)
    except binascii.Error:
        return False
    length = int.from_bytes(raw[:4], "big")
    return raw[4 : 4 + length] == kind.encode()


def known_hosts(port: int, keys: Sequence[HostKey]) -> str:
    """A known_hosts file that holds exactly these keys."""
    return "".join(f"[{HOST}]:{port} {key.kind} {key.blob}\n" for key in keys)


def banner(port: int, timeout: float = 5.0) -> bool:
    """Whether an SSH server answers; QEMU accepts connections long before the guest listens."""
    try:
        with socket.create_connection((HOST, port), timeout=timeout) as connection:
            connection.settimeout(timeout)
            return connection.recv(8).startswith(b"SSH-")
    except OSError:
        return False


def connect(
    port: int, key: ClientKey, keys: Sequence[HostKey], timeout: float, user: str = USER
) -> paramiko.SSHClient:
    """Log in with the run's key; any host key but the pinned ones is refused.

    Raises CheckError where the guest shows another host key, and paramiko's own errors and OSError
    for what may pass while a guest starts.
    """
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    for known in keys:
        entry = paramiko.hostkeys.HostKeyEntry.from_line(f"{HOST} {known.kind} {known.blob}")
        assert entry is not None
        client.get_host_keys().add(f"[{HOST}]:{port}", known.kind, entry.key)
    try:
        client.connect(
            HOST,
            port,
            user,
            pkey=paramiko.Ed25519Key.from_private_key(io.StringIO(key.private)),
            timeout=timeout,
            banner_timeout=timeout,
            auth_timeout=timeout,
            allow_agent=False,
            look_for_keys=False,
        )
    except paramiko.BadHostKeyException as error:
        client.close()
        raise CheckError(
            "the guest shows another SSH host key than it printed on its console",
            hint="its host keys must be made once, on the first boot; look for what replaces them",
        ) from error
    except BaseException:
        client.close()
        raise
    return client


def execute(client: paramiko.SSHClient, command: str, timeout: float) -> Answer:
    """Run a command in the guest's shell; CheckError when it has not ended in `timeout` seconds."""
    transport = client.get_transport()
    if transport is None:
        raise paramiko.SSHException("the connection to the guest is closed")
    out, err = bytearray(), bytearray()
    deadline = time.monotonic() + timeout
    with transport.open_session(timeout=timeout) as channel:
        channel.exec_command(command)
        channel.shutdown_write()
        while True:
            # Asked before reading: what came before the end is then read in this round.
            ended = channel.closed or (channel.exit_status_ready() and channel.eof_received)
            moved = False
            while channel.recv_ready():
                out += channel.recv(65536)
                moved = True
            while channel.recv_stderr_ready():
                err += channel.recv_stderr(65536)
                moved = True
            if ended and not moved:
                break
            if time.monotonic() > deadline:
                raise CheckError(
                    f"a command in the guest did not end within {timeout:.0f} s: {command}",
                    hint="look at the console log; --timeout-factor gives it more time",
                )
            if not moved:
                time.sleep(0.05)
        status = channel.recv_exit_status() if channel.exit_status_ready() else -1
    return Answer(status, out.decode(errors="replace"), err.decode(errors="replace"))
