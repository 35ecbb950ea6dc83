# SPDX-License-Identifier: GPL-2.0-or-later
"""Places of all kinds with what a test needs to spoil them: a folder, an SFTP server, a bucket."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import pwd
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paramiko
import pytest

from builder.store import s3client
from builder.store.open import open_place
from builder.store.place import Place
from builder.store.s3 import S3Place
from tests.integration.servers import Sshd, own

MIB = 1 << 20
NOBODY = pwd.getpwnam("nobody")


@dataclass
class World:
    """A place, and what a test needs to spoil it."""

    url: str
    again: Callable[[], Place]
    """The place, as another one sees it."""
    nowhere: str
    """A store that is not there, by its URL."""
    deny: Callable[[str], AbstractContextManager[object]]
    """Forbid a folder, for a while."""
    sent: Callable[[], int]
    """How many bytes of content were sent to the place so far."""
    root: Path | None = None
    """Where the files are, if that is a folder here."""

    @functools.cached_property
    def place(self) -> Place:
        return self.again()


def folder_world(request: pytest.FixtureRequest) -> World:
    root = request.getfixturevalue("home") / f"store-{uuid.uuid4().hex[:8]}"
    root.mkdir()

    @contextlib.contextmanager
    def deny(path: str) -> Iterator[None]:
        (root / path).chmod(0)
        # Nothing is forbidden to root.
        before = os.geteuid()
        os.seteuid(NOBODY.pw_uid if before == 0 else before)
        try:
            yield
        finally:
            os.seteuid(before)
            (root / path).chmod(0o755)

    def sent() -> int:
        return int(Path("/proc/self/io").read_text().split()[3])

    again = functools.partial(open_place, str(root))
    return World(str(root), again, f"{root}-none/none", deny, sent, root)


def sftp_world(request: pytest.FixtureRequest) -> World:
    sshd: Sshd = request.getfixturevalue("client")
    monkeypatch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
    root = sshd.served / f"store-{uuid.uuid4().hex[:8]}"
    root.mkdir()
    own(root)
    counted = [0]
    write: Any = paramiko.SFTPFile.write

    def counting(self: Any, data: bytes) -> None:
        counted[0] += len(data)
        write(self, data)

    monkeypatch.setattr(paramiko.SFTPFile, "write", counting)

    @contextlib.contextmanager
    def deny(path: str) -> Iterator[None]:
        (root / path).chmod(0)
        try:
            yield
        finally:
            (root / path).chmod(0o755)

    url = f"sftp://store{root}"
    again = functools.partial(open_place, url)
    return World(url, again, f"{url}-none/none", deny, lambda: counted[0], root)


def s3_world(request: pytest.FixtureRequest) -> World:
    # Here: tests of other things do without them.
    from botocore.client import BaseClient
    from moto.s3.exceptions import S3AccessDeniedError
    from moto.s3.responses import S3Response

    bucket: str = request.getfixturevalue("bucket")
    monkeypatch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
    client, counted = s3client.connect(), [0]
    call: Any = BaseClient._make_api_call

    def counting(self: Any, operation: str, words: dict[str, Any]) -> Any:
        counted[0] += len(words.get("Body", b""))
        return call(self, operation, words)

    monkeypatch.setattr(BaseClient, "_make_api_call", counting)

    @contextlib.contextmanager
    def deny(path: str) -> Iterator[None]:
        resources = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/store/{path}/*"]
        rule = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": resources}
        policy = {"Version": "2012-10-17", "Statement": [rule]}
        client.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
        # moto does not ask the policy when it lists.
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(S3Response, "list_objects_v2", refuse)
            yield
        client.delete_bucket_policy(Bucket=bucket)

    def refuse(_response: object) -> None:
        raise S3AccessDeniedError

    def again() -> Place:
        # The smallest parts that S3 takes.
        return S3Place(bucket, "store", part_bytes=5 * MIB)

    return World(f"s3://{bucket}/store", again, "s3://none/store", deny, lambda: counted[0])


WORLDS = {"folder": folder_world, "sftp": sftp_world, "s3": s3_world}
