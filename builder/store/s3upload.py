# SPDX-License-Identifier: GPL-2.0-or-later
"""Uploads to S3 that go on where they were broken off, and that are verified.

A large file goes in parts. S3 keeps the parts of an unfinished upload and tells their MD5 (the
ETag), so a part that is there and equal is not sent again. It does not tell the metadata of an
unfinished upload, so what it was for is only known by its parts: one with a part that is not ours
is of another file, and is given up.

Each part is sent with its MD5, and the server refuses one that arrives different. In the end the
ETag of the whole object must be what follows from our parts: the server then has what we read, by
a digest that guards against accidents. Servers whose ETag is no MD5 (such as AWS with keys of KMS)
are asked for the content instead, and it is compared by SHA-256. Against attackers, the publisher
and all readers compare SHA-256 with what was signed.
"""

from __future__ import annotations

import base64
import hashlib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any, Final

from builder.errors import InfrastructureError
from builder.store.place import OnBytes

# Bytes. S3 takes parts of 5 MiB at least, and 10,000 of them.
PART: Final = 16 << 20
MOST_PARTS: Final = 10_000
# Of an object in parts: the MD5 of the parts' MD5s, and how many.
MD5_ETAG: Final = re.compile(r"[0-9a-f]{32}(-\d+)?")
PIECE: Final = 1 << 20


@dataclass(frozen=True)
class Target:
    """Where an upload goes, and how large its parts are at least, in bytes."""

    bucket: str
    key: str
    part_bytes: int

    @property
    def words(self) -> dict[str, str]:
        """As boto3 wants it."""
        return {"Bucket": self.bucket, "Key": self.key}


def upload(client: Any, target: Target, source: IO[bytes], on_bytes: OnBytes) -> None:
    """Put a file at a key; `on_bytes` is told of the parts that were there, too."""
    size = source.seek(0, 2)
    source.seek(0)
    part = max(target.part_bytes, -(-size // MOST_PARTS))
    if size <= part:
        put(client, target, source.read())
        on_bytes(size)
        return
    upload_id, there = _unfinished(client, target, source, part)
    if upload_id is None:
        upload_id = client.create_multipart_upload(**target.words)["UploadId"]
    parts = []
    for number, content in _parts(source, part):
        digest = hashlib.md5(content, usedforsecurity=False)
        etag = there.get(number)
        if etag is None:
            etag = client.upload_part(
                **target.words,
                UploadId=upload_id,
                PartNumber=number,
                Body=content,
                ContentMD5=base64.b64encode(digest.digest()).decode(),
            )["ETag"]
        parts.append((number, etag, digest.digest()))
        on_bytes(len(content))
    client.complete_multipart_upload(
        **target.words,
        UploadId=upload_id,
        MultipartUpload={
            "Parts": [{"PartNumber": number, "ETag": etag} for number, etag, _ in parts]
        },
    )
    joined = hashlib.md5(b"".join(digest for *_, digest in parts), usedforsecurity=False)
    _verify(client, target, source, size, f"{joined.hexdigest()}-{len(parts)}")


def put(client: Any, target: Target, content: bytes) -> None:
    """Put a small file at a key, in one request."""
    digest = hashlib.md5(content, usedforsecurity=False)
    client.put_object(
        **target.words, Body=content, ContentMD5=base64.b64encode(digest.digest()).decode()
    )
    _verify(client, target, io.BytesIO(content), len(content), digest.hexdigest())


def forget(client: Any, bucket: str, key: str) -> None:
    """Give up the unfinished uploads to a key, and to all that is in it as a folder."""
    for found, upload_id in _uploads(client, bucket, key):
        if found == key or found.startswith(f"{key}/"):
            client.abort_multipart_upload(Bucket=bucket, Key=found, UploadId=upload_id)


def _unfinished(
    client: Any, target: Target, source: IO[bytes], part: int
) -> tuple[str | None, dict[int, str]]:
    """An unfinished upload of this very file, and the ETags of its parts; others are given up."""
    best: tuple[str | None, dict[int, str]] = None, {}
    for key, upload_id in list(_uploads(client, target.bucket, target.key)):
        if key != target.key:
            continue
        there = _equal(client, target, upload_id, source, part)
        if there and len(there) > len(best[1]):
            best, upload_id = (upload_id, there), best[0]
        if upload_id is not None:
            client.abort_multipart_upload(**target.words, UploadId=upload_id)
    return best


def _equal(
    client: Any, target: Target, upload_id: str, source: IO[bytes], part: int
) -> dict[int, str]:
    """The ETags of an upload's parts by their numbers; none if one is not ours."""
    there = {
        each["PartNumber"]: (each["ETag"], each["Size"])
        for page in client.get_paginator("list_parts").paginate(**target.words, UploadId=upload_id)
        for each in page.get("Parts", ())
    }
    for number, content in _parts(source, part):
        if number in there:
            digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
            if (there[number][0].strip('"'), there[number][1]) != (digest, len(content)):
                return {}
    return {number: etag for number, (etag, _) in there.items()}


def _uploads(client: Any, bucket: str, prefix: str) -> Iterator[tuple[str, str]]:
    """The keys and names of unfinished uploads."""
    pages = client.get_paginator("list_multipart_uploads")
    for page in pages.paginate(Bucket=bucket, Prefix=prefix):
        for each in page.get("Uploads", ()):
            yield each["Key"], each["UploadId"]


def _parts(source: IO[bytes], size: int) -> Iterator[tuple[int, bytes]]:
    """The parts of a file by their numbers, from 1."""
    source.seek(0)
    number = 0
    while content := source.read(size):
        number += 1
        yield number, content


def _verify(client: Any, target: Target, source: IO[bytes], size: int, etag: str) -> None:
    """Raise InfrastructureError unless the object is the file; a wrong one is removed."""
    found = client.head_object(**target.words)
    there = found["ETag"].strip('"')
    md5 = MD5_ETAG.fullmatch(there) and found.get("ServerSideEncryption") != "aws:kms"
    same = found["ContentLength"] == size and (
        there == etag or (not md5 and _read_back(client, target) == _sha256(source))
    )
    if not same:
        client.delete_object(**target.words)
        raise InfrastructureError(
            f"s3://{target.bucket}/{target.key} came out different from what was sent",
            hint="did the file change meanwhile? the object was removed; call this again",
        )


def _read_back(client: Any, target: Target) -> bytes:
    with client.get_object(**target.words)["Body"] as body:
        return _digest(body)


def _sha256(source: IO[bytes]) -> bytes:
    source.seek(0)
    return _digest(source)


def _digest(source: Any) -> bytes:
    digest = hashlib.sha256()
    while piece := source.read(PIECE):
        digest.update(piece)
    return digest.digest()
