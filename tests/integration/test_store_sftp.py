# SPDX-License-Identifier: GPL-2.0-or-later
"""A store on an SFTP server: who the server is, broken lines, and its lock file."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import paramiko
import pytest

from builder.errors import InfrastructureError, UsageError
from builder.store.lease import Note, Seen
from builder.store.sftp import SftpPlace
from builder.store.sftplock import SftpLock
from builder.store.ssh import Server
from tests.integration.servers import USER, Sshd, keygen, own

MIB = 1 << 20
ELSEWHERE = replace(Note.ours(), owner="far.invalid, process 7", process="boot pid:[1] 7 99")


@pytest.fixture
def root(client: Sshd) -> Path:
    path = client.served / f"store-{uuid.uuid4().hex[:8]}"
    path.mkdir()
    own(path)
    return path


@pytest.fixture
def place(root: Path) -> SftpPlace:
    return SftpPlace.at(f"sftp://store{root}")


def nobody(_moved: int) -> None:
    """Watch no progress."""


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sftp://me:secret@host/srv", "password"),
        ("sftp://host", "no path"),
        ("sftp://host/", "no path"),
        ("sftp://host/srv/../etc", "no path"),
        ("sftp:///srv", "no server"),
        ("sftp://-oProxyCommand=x/srv", "no server"),
        ("sftp://host:port/srv", "port"),
    ],
)
def test_urls_that_are_refused(url: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        SftpPlace.at(url)
    assert "secret" not in str(caught.value) + caught.value.hint


def test_the_url_is_as_it_was_given() -> None:
    for url in ("sftp://host/srv", "sftp://me@host:2222/srv/x", "sftp://[::1]:22/srv"):
        assert SftpPlace.at(url).url == url


@pytest.mark.parametrize(
    ("kind", "line", "message"),
    [
        ("ed25519", "", "is not known"),
        ("ed25519", "other.invalid {real}", "is not known"),
        # The port is part of the name.
        ("ed25519", "127.0.0.1 {real}", "is not known"),
        ("ed25519", "{name} {key}\n", "another SSH host key .*SHA256:"),
        ("rsa", "{name} {key}\n", "another SSH host key"),
        ("ed25519", "{name} {key}\n{name} {real}", "another SSH host key"),
        ("ed25519", "{name} {real}@revoked * {real}", "is not known"),
        ("ed25519", "@cert-authority {name} {real}", "is not known"),
    ],
)
def test_a_server_that_is_not_the_known_one_is_refused(
    client: Sshd,
    place: SftpPlace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    line: str,
    message: str,
) -> None:
    monkeypatch.setenv("FAI_FORGE_KNOWN_HOSTS", str(tmp_path / "known"))
    key = keygen(tmp_path / "key", kind)
    real = client.known_hosts.read_text().split(" ", 1)[1]
    text = line.format(name=f"[127.0.0.1]:{client.port}", key=key, real=real)
    (tmp_path / "known").write_text(text)
    with pytest.raises(InfrastructureError, match=message):
        place.size("a")


def test_the_known_key_is_asked_for_among_several(
    client: Sshd, place: SftpPlace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Comments, broken lines, and keys of other hosts around it do no harm."""
    known = tmp_path / "known"
    monkeypatch.setenv("FAI_FORGE_KNOWN_HOSTS", str(known))
    real = client.known_hosts.read_text()
    known.write_text(f"# hosts\n\nx ssh-ed25519 !!!\nx y\nother {real.split(' ', 1)[1]}{real}")
    assert place.size("a") is None


def test_a_server_is_known_by_its_rsa_key_too(
    client: Sshd, place: SftpPlace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has an Ed25519 key as well, which paramiko would prefer, and take for a changed one."""
    monkeypatch.setenv("FAI_FORGE_KNOWN_HOSTS", str(tmp_path / "known"))
    key = (client.folder / "server/rsa_key.pub").read_text()
    (tmp_path / "known").write_text(f"[127.0.0.1]:{client.port} {key}")
    assert place.size("a") is None


def test_without_a_known_hosts_file_nothing_is_known(
    place: SftpPlace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAI_FORGE_KNOWN_HOSTS", str(tmp_path / "none"))
    with pytest.raises(InfrastructureError, match="is not known"):
        place.size("a")


def test_a_wrong_key_does_not_get_in(client: Sshd, root: Path) -> None:
    config = client.home / ".ssh/config"
    before = config.read_text()
    keygen(client.home / ".ssh/wrong")
    config.write_text(before.replace("key_of_store", "wrong"))
    try:
        with pytest.raises(InfrastructureError, match=f"does not let {USER} in") as caught:
            SftpPlace.at(f"sftp://store{root}").size("a")
    finally:
        config.write_text(before)
    assert "ssh-add" in caught.value.hint


def test_a_server_that_does_not_answer_is_no_empty_store(
    client: Sshd, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The port of "discard": nobody listens there.
    known = f"[127.0.0.1]:9 {client.known_hosts.read_text().split(' ', 1)[1]}"
    (tmp_path / "known").write_text(known)
    monkeypatch.setenv("FAI_FORGE_KNOWN_HOSTS", str(tmp_path / "known"))
    with pytest.raises(InfrastructureError, match="no SSH connection"):
        SftpPlace(Server("store", 9), str(root)).size("a")


def test_a_store_behind_another_server(client: Sshd, root: Path) -> None:
    config = client.home / ".ssh/config"
    before = config.read_text()
    behind = before.replace("Host store", "Host behind") + " ProxyJump store\n"
    config.write_text(before + behind)
    try:
        place = SftpPlace.at(f"sftp://behind{root}")
        place.write("a", b"through")
        assert (root / "a").read_bytes() == b"through"
        place.close()
        config.write_text(before + behind.replace("ProxyJump store", "ProxyCommand touch /x"))
        with pytest.raises(UsageError, match="ProxyCommand"):
            SftpPlace.at(f"sftp://behind{root}").size("a")
    finally:
        config.write_text(before)


def test_an_upload_goes_on_after_the_line_broke(
    client: Sshd, place: SftpPlace, root: Path, tmp_path: Path
) -> None:
    local, moved = tmp_path / "local", [0]
    local.write_bytes(os.urandom(12 * MIB))

    def cut(bytes_: int) -> None:
        moved[0] += bytes_
        if moved[0] == 8 * MIB:
            client.cut()

    with pytest.raises(InfrastructureError, match="s/image"):
        place.upload(local, "s/image", cut)
    (unfinished,) = (root / "s").iterdir()
    assert unfinished.name.startswith(".")
    there = unfinished.stat().st_size
    assert there > 4 * MIB

    # The same place: a new connection is made.
    before = unfinished.stat().st_ino
    place.upload(local, "s/image", nobody)
    assert (root / "s/image").read_bytes() == local.read_bytes()
    assert (root / "s/image").stat().st_ino == before


def test_a_connection_is_used_again_and_replaced_when_it_broke(
    client: Sshd, place: SftpPlace
) -> None:
    for _ in range(3):
        place.write("a", b"1")
    before = set(client.sessions())
    assert place.size("a") == 1
    assert set(client.sessions()) == before
    client.cut()
    deadline = time.monotonic() + 5
    while place._idle[0].alive() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert place.size("a") == 1
    assert set(client.sessions()).isdisjoint(before)


def test_what_came_out_different_gets_no_name(
    place: SftpPlace, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a full disk: nobody waits for the answers to writes."""
    local = tmp_path / "local"
    local.write_bytes(os.urandom(3 * MIB))
    write: Any = paramiko.SFTPFile.write
    place.write("index.json", b"old")
    monkeypatch.setattr(paramiko.SFTPFile, "write", lambda self, data: write(self, data[:-9]))
    with pytest.raises(InfrastructureError, match="came out different"):
        place.upload(local, "image", nobody)
    monkeypatch.setattr(
        paramiko.SFTPFile, "write", lambda self, data: write(self, b"?" * len(data))
    )
    with pytest.raises(InfrastructureError, match="came out different"):
        place.write("index.json", b"new")
    assert [path.name for path in root.iterdir()] == ["index.json"]
    assert (root / "index.json").read_bytes() == b"old"


@pytest.mark.parametrize("new", [b"n", b"longer than the old one"])
def test_a_file_that_is_replaced_while_it_is_opened_is_read_whole(
    place: SftpPlace, root: Path, monkeypatch: pytest.MonkeyPatch, new: bytes
) -> None:
    place.write("index.json", b"old one")
    real: Any = paramiko.SFTPClient.open

    def late(self: Any, *words: Any) -> Any:
        (root / "new").write_bytes(new)
        (root / "new").replace(root / "index.json")
        return real(self, *words)

    monkeypatch.setattr(paramiko.SFTPClient, "open", late)
    with place.open("index.json") as file:
        assert file.read() == new


def test_an_unfinished_file_that_is_a_link_is_not_written_through(
    place: SftpPlace, root: Path, tmp_path: Path
) -> None:
    local = tmp_path / "local"
    local.write_bytes(b"new")

    def break_off(_moved: int) -> None:
        raise KeyError

    with pytest.raises(KeyError):
        place.upload(local, "image", break_off)
    (unfinished,) = root.iterdir()
    unfinished.unlink()
    victim = root / "victim"
    victim.write_bytes(b"old")
    victim.chmod(0o666)
    acts: list[Callable[[], None]] = [
        lambda: place.upload(local, "image", nobody),
        lambda: place.write("image", b"new"),
    ]
    for act in acts:
        unfinished.symlink_to(victim)
        act()
        assert victim.read_bytes() == b"old"
        assert (root / "image").read_bytes() == b"new"


@pytest.mark.parametrize(("age", "free"), [(30, False), (119, False), (200, True)])
def test_a_lock_from_another_machine_ends_by_its_age(
    place: SftpPlace, root: Path, age: int, free: bool
) -> None:
    lock = root / ".lock"
    lock.write_bytes(ELSEWHERE.content())
    own(lock)
    then = time.time() - age
    os.utime(lock, (then, then))
    if free:
        with place.lock():
            assert Note.parse(lock.read_bytes()).owner == Note.ours().owner
    else:
        with pytest.raises(InfrastructureError, match=r"at work in .*far\.invalid"), place.lock():
            pass
        assert lock.read_bytes() == ELSEWHERE.content()
    assert [path.name for path in root.iterdir()] == ([] if free else [".lock"])


def test_a_lock_is_renewed_while_it_is_held(root: Path) -> None:
    """Longer than it lasts, and nobody else gets it."""
    place, other = (SftpPlace(Server("store"), str(root), lock_seconds=2) for _ in range(2))
    with place.lock():
        deadline = time.monotonic() + 3.5
        while time.monotonic() < deadline:
            with pytest.raises(InfrastructureError, match="at work"), other.lock():
                pass
            time.sleep(0.1)
        place.write("index.json", b"1")
        assert Note.parse((root / ".lock").read_bytes()).beat > 3
    assert [path.name for path in root.iterdir()] == ["index.json"]


def test_who_lost_the_lock_changes_nothing(root: Path) -> None:
    place = SftpPlace(Server("store"), str(root), lock_seconds=6)

    def publish() -> None:
        with place.lock():
            (root / ".lock").write_bytes(ELSEWHERE.content())
            deadline = time.monotonic() + 4
            while time.monotonic() < deadline:
                place.write("index.json", b"1")
                time.sleep(0.05)
        pytest.fail("it was not noticed")

    with pytest.raises(InfrastructureError, match="was lost"):
        publish()
    assert (root / ".lock").read_bytes() == ELSEWHERE.content()


def test_a_lock_that_lives_is_given_back(place: SftpPlace, root: Path) -> None:
    """Two took a lock for dead, and the first one has its own there by now."""
    lock = root / ".lock"
    lock.write_bytes(ELSEWHERE.content())
    own(lock)
    ours = SftpLock(place._session, str(lock))
    assert not ours.create(b"ours")
    assert not ours.take_over(Seen(b"dead", 200), Note.ours().content())
    assert lock.read_bytes() == ELSEWHERE.content()
    assert ours.take_over(Seen(ELSEWHERE.content(), 200), b"ours")
    assert lock.read_bytes() == b"ours"
    assert [path.name for path in root.iterdir()] == [".lock"]
