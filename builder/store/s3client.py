# SPDX-License-Identifier: GPL-2.0-or-later
"""Talking to an S3 server with boto3, of Debian 12 (1.26) or newer, and its errors in words."""

from __future__ import annotations

import functools
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any, Final

from builder.errors import InfrastructureError, UsageError

# Seconds: to be connected; without any answer.
CONNECT, ANSWER = 20, 60
ATTEMPTS: Final = 4
# boto3 looks at them itself, and into AWS's files, since 1.28 only; the first one that is set.
ENDPOINT_VARIABLES: Final = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
ABSENT: Final = frozenset({"404", "NoSuchKey", "NotFound"})
# An offset that is not in the object.
BEYOND: Final = frozenset({"416", "InvalidRange"})
FORBIDDEN: Final = frozenset({"403", "AccessDenied", "Forbidden", "AllAccessDisabled"})

# Making a client reads files and changes the session: one at a time (boto3's documentation).
_MAKING = Lock()


def connect() -> Any:
    """A new S3 client; InfrastructureError where boto3 is missing."""
    try:
        # Late: it takes a while to load, and only who uses S3 needs it.
        import boto3
        import botocore.session
        from botocore.config import Config
    except ImportError as error:
        raise InfrastructureError(
            f"the Python module boto3, which stores in S3 need, cannot be used: {error}",
            hint="apt-get install python3-boto3",
        ) from error
    wanted = {
        "connect_timeout": CONNECT,
        "read_timeout": ANSWER,
        "retries": {"max_attempts": ATTEMPTS, "mode": "standard"},
        # Newer versions send checksums of their own in a form that not all servers know; ours is
        # Content-MD5.
        "request_checksum_calculation": "when_required",
        "response_checksum_validation": "when_required",
    }
    known = {name: value for name, value in wanted.items() if name in Config.OPTION_DEFAULTS}
    endpoint = next(filter(None, map(os.environ.get, ENDPOINT_VARIABLES)), None)
    try:
        with _MAKING, told("S3"):
            core = botocore.session.get_session()
            core.register_component("data_loader", _loader())
            session = boto3.session.Session(botocore_session=core)
            return session.client("s3", endpoint_url=endpoint, config=Config(**known))
    except ValueError as error:
        raise UsageError(
            f"S3 cannot be used: {error}", hint="is AWS_ENDPOINT_URL right?"
        ) from error


@functools.cache
def _loader() -> Any:
    """What reads the description of S3, some MB: once for all clients."""
    from botocore.loaders import create_loader

    return create_loader()


@contextmanager
def told(where: str) -> Iterator[None]:
    """Errors of the server, and of the way to it, in words; what is absent is FileNotFoundError."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        code = error_code(error)
        if code in ABSENT:
            raise FileNotFoundError(where) from error
        if code == "NoSuchBucket":
            raise no_bucket(where) from error
        if code in FORBIDDEN:
            raise InfrastructureError(
                f"{where}: the server does not permit this ({code})",
                hint="what is not there is forbidden, too, without the right s3:ListBucket",
            ) from error
        raise InfrastructureError(f"{where}: {error}", hint="call this again later") from error
    except (BotoCoreError, Boto3Error) as error:
        raise InfrastructureError(
            f"{where}: {error}",
            hint="are AWS_PROFILE (or AWS_ACCESS_KEY_ID) and AWS_ENDPOINT_URL right?",
        ) from error


def error_code(error: Any) -> str:
    """What S3 calls the error; the HTTP status where the answer has no body."""
    return str(error.response.get("Error", {}).get("Code", ""))


def no_bucket(where: str) -> InfrastructureError:
    """The error for a store that is not there at all."""
    return InfrastructureError(
        f"{where}: there is no such bucket", hint="is it spelled right, and AWS_ENDPOINT_URL?"
    )


def get(client: Any, bucket: str, key: str, offset: int) -> tuple[Any, int]:
    """An object's content from an offset on, and how many bytes that is; of one answer, whole."""
    from botocore.exceptions import ClientError

    where = {"Bucket": bucket, "Key": key}
    try:
        # No range where none is wanted: there is none in an empty object.
        found = client.get_object(**where, **({"Range": f"bytes={offset}-"} if offset else {}))
    except ClientError as error:
        if error_code(error) in BEYOND:
            return io.BytesIO(), 0
        raise
    return found["Body"], int(found["ContentLength"])


class Content(io.RawIOBase):
    """The content of an answer, as a file; one that ends early is an error."""

    def __init__(self, body: Any, size: int, where: str) -> None:
        self._body, self._left, self._where = body, size, where

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill the buffer, or a part of it."""
        with told(self._where):
            found = self._body.read(min(len(buffer), self._left))
        if not found and self._left:
            raise InfrastructureError(f"{self._where} ended early", hint="call this again")
        buffer[: len(found)] = found
        self._left -= len(found)
        return len(found)
