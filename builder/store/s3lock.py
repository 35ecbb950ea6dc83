# SPDX-License-Identifier: GPL-2.0-or-later
"""The lock object of a store in S3.

On servers with conditional writes (AWS since 2024; others by their version), to make, renew and
take over are one step each, which only one publisher can win. On a server without them, the object
is written, and read again after a moment in which another publisher that had looked before must
have written too; the last one wins. Whether a server has them is tried each time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any, Final

from builder.store import lease
from builder.store.lease import Seen
from builder.store.s3client import error_code, told

LOCK: Final = ".lock"
# Seconds in which a publisher that saw no lock has written its own.
SETTLE: Final = 3.0
# What a condition that does not hold is called; the second where two writes meet.
REFUSED: Final = frozenset({"412", "PreconditionFailed", "409", "ConditionalRequestConflict"})
UNKNOWN: Final = frozenset({"501", "NotImplemented"})


class S3Lock:
    """The lock object at a key, with a client of its own."""

    def __init__(self, connect: Callable[[], Any], bucket: str, key: str) -> None:
        self._client = connect()
        self._where = {"Bucket": bucket, "Key": key}
        self._url = f"s3://{bucket}/{key}"
        # boto3 of Debian 12 has no words for conditions, so they are added to the request.
        self._condition: dict[str, str] = {}
        self._client.meta.events.register("before-call.s3.PutObject", self._add)

    def look(self) -> Seen | None:
        """The object and its age by the server's clock; None if there is none."""
        try:
            with told(self._url):
                found = self._client.get_object(**self._where)
                with found["Body"] as body:
                    content = body.read(lease.LONGEST)
        except FileNotFoundError:
            return None
        now = parsedate_to_datetime(found["ResponseMetadata"]["HTTPHeaders"]["date"])
        age = (now - found["LastModified"]).total_seconds()
        return Seen(content, age, found["ETag"])

    def create(self, content: bytes) -> bool:
        """Make the object; False if there is one already."""
        return self._put(content, {"If-None-Match": "*"})

    def renew(self, content: bytes) -> bool:
        """Write our own object anew; False if it is not ours any more."""
        seen = self.look()
        if seen is None or not lease.same(seen.content, content):
            return False
        return self._put(content, {"If-Match": seen.version}, sure=True)

    def take_over(self, seen: Seen, content: bytes) -> bool:
        """Put ours in place of a dead one; False if another one was there by then."""
        return self._put(content, {"If-Match": seen.version})

    def drop(self, content: bytes) -> None:
        """Remove the object, if it is ours."""
        seen = self.look()
        if seen is not None and lease.same(seen.content, content):
            with told(self._url):
                self._client.delete_object(**self._where)

    def _put(self, content: bytes, condition: dict[str, str], *, sure: bool = False) -> bool:
        """Write if a condition holds; without `sure`, a server that ignored it is found out."""
        if not self._try(content, condition):
            # A request that is sent again after a broken answer meets what it did the first time.
            seen = self.look()
            return seen is not None and seen.content == content
        if sure or not self._try(content, {"If-None-Match": "*"}):
            return True
        time.sleep(SETTLE)
        seen = self.look()
        return seen is not None and lease.same(seen.content, content)

    def _try(self, content: bytes, condition: dict[str, str]) -> bool:
        from botocore.exceptions import ClientError

        with told(self._url):
            self._condition = condition
            try:
                self._client.put_object(**self._where, Body=content)
            except ClientError as error:
                if error_code(error) in UNKNOWN:
                    self._condition = {}
                    self._client.put_object(**self._where, Body=content)
                    return True
                if error_code(error) in REFUSED:
                    return False
                raise
        return True

    def _add(self, params: dict[str, Any], **_: Any) -> None:
        params["headers"].update(self._condition)
