# SPDX-License-Identifier: GPL-2.0-or-later
"""SSH connections to the server of a store: it must be known before, and our keys say who we are.

Host keys come from known_hosts files; a server that is in none of them is not even called. Our own
keys come from the agent, from ~/.ssh, and from what ~/.ssh/config says (HostName, Port, User,
IdentityFile, IdentitiesOnly, ProxyJump). There are no passwords and no passphrases.
"""

from __future__ import annotations

import base64
import getpass
import hashlib
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import paramiko

from builder.errors import InfrastructureError, UsageError

KNOWN_HOSTS_VARIABLE: Final = "FAI_FORGE_KNOWN_HOSTS"
SYSTEM_KNOWN_HOSTS: Final = Path("/etc/ssh/ssh_known_hosts")
# Seconds: to be connected and let in; for one answer of the server; between signs of life.
CONNECT, ANSWER, KEEPALIVE = 20.0, 60.0, 15

# The algorithms of host keys, and the kind of key in known_hosts that each one needs.
ALGORITHMS: Final = {
    "ssh-ed25519": "ssh-ed25519",
    "ecdsa-sha2-nistp256": "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384": "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521": "ecdsa-sha2-nistp521",
    "rsa-sha2-512": "ssh-rsa",
    "rsa-sha2-256": "ssh-rsa",
    "ssh-rsa": "ssh-rsa",
    "ssh-dss": "ssh-dss",
}


@dataclass(frozen=True)
class Server:
    """A server as a person names it; what is None is looked up in ~/.ssh/config."""

    host: str
    port: int | None = None
    user: str | None = None

    @classmethod
    def of(cls, url: str) -> Server:
        """The server of a URL such as sftp://user@host:port/path; UsageError if it names none."""
        parts = urlsplit(url)
        if parts.password is not None:
            raise UsageError(
                f"the URL of the store on {parts.hostname} has a password in it",
                hint="use a key: in ssh-agent, or as IdentityFile in ~/.ssh/config",
            )
        try:
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise UsageError(f"the port is no number: {url}") from error
        # What begins with a dash would be an option, once somebody pastes it.
        if not host or host.startswith("-"):
            raise UsageError(f"{url} names no server", hint="write sftp://[USER@]HOST[:PORT]/PATH")
        return cls(host, port, unquote(parts.username) if parts.username else None)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        user = f"{self.user}@" if self.user else ""
        return f"{user}{host}" + (f":{self.port}" if self.port else "")


@dataclass(frozen=True)
class Login:
    """A server with all that ~/.ssh/config says about it."""

    host: str
    port: int
    user: str
    keys: tuple[str, ...]
    """Files of private keys, to be tried first."""
    only_keys: bool
    jumps: tuple[Server, ...]

    @property
    def known_as(self) -> str:
        """Its name in known_hosts."""
        return self.host if self.port == paramiko.config.SSH_PORT else f"[{self.host}]:{self.port}"


def connect(server: Server, stack: ExitStack) -> paramiko.SFTPClient:
    """An SFTP session on a server, and all that must be closed after it on the stack.

    InfrastructureError where the server cannot be reached, is not known, or does not let us in.
    """
    login = _login(server)
    hops = [*map(_login, login.jumps), login]
    client = _open(hops[0], None, stack)
    for hop, target in pairwise(hops):
        client = _open(target, _channel(client, hop, target), stack)
    try:
        sftp = stack.enter_context(client.open_sftp())
    except (paramiko.SSHException, OSError, EOFError) as error:
        raise InfrastructureError(
            f"{server} lets us in, but has no SFTP: {error}",
            hint="its sshd_config needs: Subsystem sftp internal-sftp",
        ) from error
    sftp.get_channel().settimeout(ANSWER)
    return sftp


def known_hosts() -> tuple[Path, ...]:
    """The files that say which host keys are right; the first one is the person's own."""
    given = os.environ.get(KNOWN_HOSTS_VARIABLE)
    return (Path(given),) if given else (Path.home() / ".ssh/known_hosts", SYSTEM_KNOWN_HOSTS)


def host_keys() -> paramiko.HostKeys:
    """All known host keys; of two for the same name the first; a revoked key is not known."""
    entries, revoked = [], set()
    for words in _lines():
        marker = words.pop(0) if words[0].startswith("@") else ""
        try:
            entry = paramiko.hostkeys.HostKeyEntry.from_line(" ".join(words[:3]))
        except (paramiko.SSHException, paramiko.hostkeys.InvalidHostKey):
            continue
        if entry is None:
            continue
        if marker == "@revoked":
            revoked.add(entry.key.get_base64())
        elif not marker:
            entries.append(entry)
    found = paramiko.HostKeys()
    # A later one replaces an earlier one.
    for entry in reversed(entries):
        if entry.key.get_base64() not in revoked:
            for name in entry.hostnames:
                found.add(name, entry.key.get_name(), entry.key)
    return found


def _lines() -> Iterator[list[str]]:
    """The words of each line of known_hosts that says something."""
    for path in known_hosts():
        try:
            text = path.read_text(errors="replace")
        except FileNotFoundError:
            continue
        except OSError as error:
            raise InfrastructureError(
                f"{path} cannot be read: {error.strerror}",
                hint="it says which host keys are right; without it nothing is",
            ) from error
        for line in text.splitlines():
            words = line.split()
            if words and not words[0].startswith("#"):
                yield words


def _login(server: Server) -> Login:
    path = Path.home() / ".ssh/config"
    try:
        config = paramiko.SSHConfig.from_path(str(path)) if path.exists() else paramiko.SSHConfig()
        said: dict[str, Any] = config.lookup(server.host)
        port = server.port or int(said.get("port", paramiko.config.SSH_PORT))
    # ImportError: what a "Match exec" needs is not installed.
    except (paramiko.SSHException, OSError, ValueError, ImportError) as error:
        raise UsageError(f"{path} cannot be used: {error}") from error
    if said.get("proxycommand"):
        raise UsageError(
            f"{path} has a ProxyCommand for {server.host}, which fai-forge does not start",
            hint="use ProxyJump, or a Host of its own for the store",
        )
    jump = str(said.get("proxyjump") or "none")
    return Login(
        host=str(said.get("hostname", server.host)).lower(),
        port=port,
        user=server.user or said.get("user") or getpass.getuser(),
        keys=tuple(key for key in said.get("identityfile", ()) if Path(key).exists()),
        only_keys=said.get("identitiesonly", "no").lower() == "yes",
        jumps=()
        if jump.lower() == "none"
        else tuple(Server.of(hop if "://" in hop else f"ssh://{hop}") for hop in jump.split(",")),
    )


def _channel(client: paramiko.SSHClient, hop: Login, target: Login) -> paramiko.Channel:
    """A connection from one server to the next one."""
    try:
        return client.get_transport().open_channel(
            "direct-tcpip", (target.host, target.port), ("127.0.0.1", 0), timeout=CONNECT
        )
    except (paramiko.SSHException, OSError, EOFError) as error:
        raise InfrastructureError(
            f"{hop.host} does not reach {target.host}: {error}",
            hint="is ProxyJump in ~/.ssh/config right, and allowed there?",
        ) from error


def _socket(login: Login) -> socket.socket:
    """A connection that sends at once: SFTP's short questions would wait for the answers before."""
    connection = socket.create_connection((login.host, login.port), CONNECT)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _open(login: Login, sock: paramiko.Channel | None, stack: ExitStack) -> paramiko.SSHClient:
    known = host_keys()
    kinds = known.lookup(login.known_as)
    file = known_hosts()[0]
    if not kinds:
        raise InfrastructureError(
            f"the SSH host key of {login.known_as} is not known",
            hint=f"get it from {login.host}'s administrator, and put it into {file}",
        )
    client = stack.enter_context(paramiko.SSHClient())
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    client.get_host_keys().update({login.known_as: kinds})
    try:
        client.connect(
            login.host,
            login.port,
            login.user,
            key_filename=list(login.keys),
            allow_agent=not login.only_keys,
            look_for_keys=not login.only_keys,
            timeout=CONNECT,
            banner_timeout=CONNECT,
            auth_timeout=CONNECT,
            sock=sock or _socket(login),
            # Else paramiko takes another kind than the known one, and says that the key changed.
            disabled_algorithms={
                "keys": [name for name, kind in ALGORITHMS.items() if kind not in kinds]
            },
        )
    except paramiko.BadHostKeyException as error:
        raise _changed(login, file, f" ({_fingerprint(error.key)})") from error
    except paramiko.AuthenticationException as error:
        raise InfrastructureError(
            f"{login.host} does not let {login.user} in: {error}",
            hint="load your key with ssh-add, or name it as IdentityFile in ~/.ssh/config",
        ) from error
    except (paramiko.SSHException, OSError, EOFError) as error:
        if "no acceptable host key" in str(error):
            raise _changed(login, file, "") from error
        raise InfrastructureError(
            f"there is no SSH connection to {login.known_as}: {error or type(error).__name__}",
            hint=f"try: sftp -P {login.port} {login.user}@{login.host}",
        ) from error
    client.get_transport().set_keepalive(KEEPALIVE)
    return client


def _changed(login: Login, file: Path, shown: str) -> InfrastructureError:
    return InfrastructureError(
        f"{login.known_as} shows another SSH host key{shown} than the known one",
        hint="somebody may be in between; only if its administrator says that the key has changed,"
        f" change it in {file}",
    )


def _fingerprint(key: paramiko.PKey) -> str:
    """As ssh-keygen -l shows it."""
    digest = hashlib.sha256(key.asbytes()).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")
