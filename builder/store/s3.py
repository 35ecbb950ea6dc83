# SPDX-License-Identifier: GPL-2.0-or-later
"""A store in an S3 bucket, of AWS or of any server that speaks its protocol.

Who we are and where the server is, boto3 takes from AWS's own variables and files, such as
AWS_PROFILE and AWS_ENDPOINT_URL. An object is at its key whole or not at all. What S3 lacks:

- folders: their names come from the keys that begin with them;
- renaming: `move` copies object by object on the server, and removes the old ones after the last
  copy, so it is not done at once, and may be broken off with both names there;
- a word for "absent" to all who ask: who may not list a bucket is told "forbidden" of what is not
  there, and so do we.

What arrived is verified by its ETag; see `builder.store.s3upload`.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import urlsplit

from builder.errors import InfrastructureError, UsageError
from builder.store import lease, paths, s3client, s3upload
from builder.store.place import OnBytes
from builder.store.s3client import told
from builder.store.s3lock import LOCK, S3Lock

# What one request may remove.
AT_ONCE: Final = 1000
AHEAD: Final = 1 << 20


class S3Place:
    """The objects of a bucket whose keys begin with a prefix; the bucket is there already."""

    def __init__(
        self,
        bucket: str,
        prefix: str,
        lock_seconds: float = lease.SECONDS,
        part_bytes: int = s3upload.PART,
    ) -> None:
        self._bucket, self._prefix = bucket, f"{prefix}/" if prefix else ""
        self._lock_seconds, self._part_bytes = lock_seconds, part_bytes
        self._client: Any = None
        self._bucket_is_there = False
        self._lease: lease.Lease | None = None

    @classmethod
    def at(cls, url: str) -> S3Place:
        """The place of s3://BUCKET[/PREFIX]; UsageError for what is no such URL."""
        parts = urlsplit(url)
        prefix = parts.path.strip("/")
        if "@" in parts.netloc or ":" in parts.netloc:
            raise UsageError(
                f"the URL of the store in {parts.hostname} has more than a bucket's name",
                hint="keys and servers are not in it: use AWS_PROFILE and AWS_ENDPOINT_URL",
            )
        if not parts.netloc or parts.query or parts.fragment:
            raise UsageError(f"{url} names no bucket", hint="write s3://BUCKET[/PREFIX]")
        paths.parts(prefix)
        return cls(parts.netloc, prefix)

    @property
    def url(self) -> str:
        """The URL; it never has secrets."""
        return f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    def size(self, path: str) -> int | None:
        """The size of a file in bytes; None where there is none."""
        try:
            with told(self._where(path)):
                found = self._s3().head_object(Bucket=self._bucket, Key=self._key(path))
        except FileNotFoundError:
            self._need_bucket()
            return None
        return int(found["ContentLength"])

    @contextmanager
    def open(self, path: str, offset: int = 0) -> Iterator[IO[bytes]]:
        """The content of a file from an offset on; FileNotFoundError where there is none."""
        key, where = self._key(path), self._where(path)
        with told(where):
            body, size = s3client.get(self._s3(), self._bucket, key, offset)
        with body:
            yield io.BufferedReader(s3client.Content(body, size, where), AHEAD)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other publishers out with a lock object; see `builder.store.lease`."""
        self._need_bucket()
        file = S3Lock(s3client.connect, self._bucket, f"{self._prefix}{LOCK}")
        with lease.hold(self.url, file, self._lock_seconds) as held:
            self._lease = held
            try:
                yield
            finally:
                self._lease = None

    def names(self, folder: str) -> tuple[str, ...]:
        """The files and folders in a folder, without hidden ones; none if it does not exist."""
        paths.parts(folder)
        prefix = f"{self._prefix}{folder}/" if folder else self._prefix
        found = set()
        with told(self._where(folder)):
            for page in self._pages("list_objects_v2", Prefix=prefix, Delimiter="/"):
                keys = [each["Key"] for each in page.get("Contents", ())]
                keys += [each["Prefix"] for each in page.get("CommonPrefixes", ())]
                found |= {key.removeprefix(prefix).rstrip("/") for key in keys}
        # Some tools make an empty object for the folder itself.
        return tuple(sorted(name for name in found if name and not name.startswith(".")))

    def upload(self, local: Path, path: str, on_bytes: OnBytes) -> None:
        """Put a file at a path; parts that an upload that was broken off left are not sent again.

        `on_bytes` is told of those bytes, too.
        """
        self._check()
        with local.open("rb") as source, told(self._where(path)):
            s3upload.upload(
                self._s3(),
                s3upload.Target(self._bucket, self._key(path), self._part_bytes),
                source,
                on_bytes,
            )

    def write(self, path: str, content: bytes) -> None:
        """Put a small file at a path at once, in place of another one if there is one."""
        self._check()
        with told(self._where(path)):
            s3upload.put(
                self._s3(),
                s3upload.Target(self._bucket, self._key(path), self._part_bytes),
                content,
            )

    def move(self, folder: str, to: str) -> None:
        """Copy all that is in a folder, then remove the old objects; `to` must have none."""
        self._check()
        source, target = f"{self._key(folder)}/", f"{self._key(to)}/"
        with told(self._where(to)):
            if next(self._objects(target), None) is not None:
                raise InfrastructureError(
                    f"there is something at {self._where(to)} already",
                    hint="was a move broken off? what no index names may be removed",
                )
            found = dict(self._objects(source))
            if not found:
                raise FileNotFoundError(folder)
            for key, size in found.items():
                name = target + key.removeprefix(source)
                # Of boto3, since it copies in parts what S3 does not copy at once (5 GiB).
                self._s3().copy({"Bucket": self._bucket, "Key": key}, self._bucket, name)
                copied = self._s3().head_object(Bucket=self._bucket, Key=name)
                if copied["ContentLength"] != size:
                    raise InfrastructureError(
                        f"the server copied only a part of s3://{self._bucket}/{key}",
                        hint="call this again",
                    )
            self._check()
            self._delete(found)

    def remove(self, path: str) -> None:
        """Remove a file, or all that is in a folder, unfinished uploads too."""
        self._check()
        key = self._key(path)
        with told(self._where(path)):
            s3upload.forget(self._s3(), self._bucket, key)
            self._delete([key, *dict(self._objects(f"{key}/"))])

    def _delete(self, keys: Iterator[str] | list[str] | dict[str, int]) -> None:
        wanted = list(keys)
        for at in range(0, len(wanted), AT_ONCE):
            some = [{"Key": key} for key in wanted[at : at + AT_ONCE]]
            done = self._s3().delete_objects(
                Bucket=self._bucket, Delete={"Objects": some, "Quiet": True}
            )
            for error in done.get("Errors", ()):
                raise InfrastructureError(
                    f"s3://{self._bucket}/{error.get('Key')} is not removed: {error.get('Code')}",
                    hint="is it yours to remove?",
                )

    def _objects(self, prefix: str) -> Iterator[tuple[str, int]]:
        """The keys that begin with a prefix, and their sizes in bytes."""
        for page in self._pages("list_objects_v2", Prefix=prefix):
            for each in page.get("Contents", ()):
                yield each["Key"], int(each["Size"])

    def _pages(self, operation: str, **words: str) -> Any:
        return self._s3().get_paginator(operation).paginate(Bucket=self._bucket, **words)

    def _need_bucket(self) -> None:
        """InfrastructureError where there is no bucket: that is no empty store."""
        if not self._bucket_is_there:
            try:
                with told(self.url):
                    self._s3().head_bucket(Bucket=self._bucket)
            except FileNotFoundError as error:
                raise s3client.no_bucket(self.url) from error
            self._bucket_is_there = True

    def _check(self) -> None:
        if self._lease is not None:
            self._lease.check()

    def _s3(self) -> Any:
        """The client, which threads may share."""
        if self._client is None:
            self._client = s3client.connect()
        return self._client

    def _key(self, path: str) -> str:
        return self._prefix + paths.checked(path)

    def _where(self, path: str) -> str:
        return f"{self.url}/{path}"
