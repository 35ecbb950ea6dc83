# SPDX-License-Identifier: GPL-2.0-or-later
"""A store in S3: uploads that are verified and tidied up, and its lock object."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from builder.errors import InfrastructureError, UsageError
from builder.store import s3, s3client
from builder.store.lease import Note
from builder.store.s3 import S3Place
from builder.store.s3lock import S3Lock

MIB = 1 << 20
ELSEWHERE = replace(Note.ours(), owner="far.invalid, process 7", process="boot pid:[1] 7 99")


@pytest.fixture
def place(bucket: str) -> S3Place:
    return S3Place(bucket, "store", part_bytes=5 * MIB)


@pytest.fixture
def local(tmp_path: Path) -> Path:
    path = tmp_path / "local"
    path.write_bytes(os.urandom(11 * MIB))
    return path


def nobody(_moved: int) -> None:
    """Watch no progress."""


def read(place: S3Place, path: str) -> bytes:
    with place.open(path) as file:
        return file.read()


def break_off(_moved: int) -> None:
    raise KeyError


def unfinished(bucket: str) -> list[str]:
    found = s3client.connect().list_multipart_uploads(Bucket=bucket)
    return [each["Key"] for each in found.get("Uploads", ())]


Change = Callable[[str, dict[str, Any]], object]


def between(
    monkeypatch: pytest.MonkeyPatch, before: Change, after: Change = lambda *_: None
) -> None:
    """Change what boto3 sends, and what it gets, by the name of the operation."""
    call: Any = BaseClient._make_api_call

    def changed(self: Any, operation: str, words: dict[str, Any]) -> Any:
        before(operation, words)
        answer = call(self, operation, words)
        after(operation, answer)
        return answer

    monkeypatch.setattr(BaseClient, "_make_api_call", changed)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("s3://key:secret@bucket/a", "more than a bucket's name"),
        ("s3://bucket:9000/a", "more than a bucket's name"),
        ("s3:///a", "no bucket"),
        ("s3://bucket/a?x=1", "no bucket"),
        ("s3://bucket/../a", "no path"),
        ("s3://bucket/a//b", "no path"),
    ],
)
def test_urls_that_are_refused(url: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        S3Place.at(url)
    assert "secret" not in str(caught.value) + caught.value.hint


def test_the_url_is_as_it_was_given() -> None:
    for url in ("s3://bucket", "s3://bucket/images", "s3://bucket/a/b"):
        assert S3Place.at(url).url == url


def test_stores_of_one_bucket_do_not_see_each_other(bucket: str) -> None:
    for prefix in ("", "images", "images-2"):
        S3Place(bucket, prefix).write("index.json", prefix.encode())
    assert S3Place(bucket, "images").names("") == ("index.json",)
    assert S3Place(bucket, "").names("") == ("images", "images-2", "index.json")
    S3Place(bucket, "images").remove("index.json")
    assert S3Place(bucket, "images-2").size("index.json") == 8


def test_without_boto3_the_package_is_named(
    place: S3Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(InfrastructureError, match="boto3") as caught:
        place.size("a")
    assert caught.value.hint == "apt-get install python3-boto3"


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9", InfrastructureError),
        ("AWS_ENDPOINT_URL", "nonsense", UsageError),
        ("AWS_PROFILE", "none", InfrastructureError),
    ],
)
def test_a_server_that_is_not_there_is_no_empty_store(
    place: S3Place,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    value: str,
    error: type[Exception],
) -> None:
    monkeypatch.setattr(s3client, "ATTEMPTS", 1)
    monkeypatch.setenv(name, value)
    with pytest.raises(error):
        place.size("a")


def test_uploads_of_another_file_are_given_up(bucket: str, place: S3Place, local: Path) -> None:
    with pytest.raises(KeyError):
        place.upload(local, "image", break_off)
    assert unfinished(bucket) == ["store/image"]
    local.write_bytes(os.urandom(12 * MIB))
    place.upload(local, "image", nobody)
    assert unfinished(bucket) == []
    assert read(place, "image") == local.read_bytes()


def test_a_removed_folder_leaves_no_unfinished_uploads(
    bucket: str, place: S3Place, local: Path
) -> None:
    for path in ("s/1/image", "s/10/image"):
        with pytest.raises(KeyError):
            place.upload(local, path, break_off)
    place.remove("s/1")
    assert unfinished(bucket) == ["store/s/10/image"]


def test_many_objects_are_removed_in_several_requests(
    place: S3Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "AT_ONCE", 2)
    for number in range(5):
        place.write(f"s/{number}", b"x")
    place.remove("s")
    assert place.names("s") == ()


@pytest.mark.parametrize("operation", ["UploadPart", "PutObject"])
def test_an_object_that_came_out_different_is_removed(
    bucket: str, place: S3Place, local: Path, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    """Our server does not compare the MD5 that is sent with a part; its ETag tells all the same."""

    def damage(called: str, words: dict[str, Any]) -> None:
        if called == operation:
            words["Body"] = b"?" + words["Body"][1:]
            del words["ContentMD5"]

    if operation == "PutObject":
        local.write_bytes(b"small")
    between(monkeypatch, damage)
    with pytest.raises(InfrastructureError, match="came out different"):
        place.upload(local, "image", nobody)
    assert place.size("image") is None
    assert unfinished(bucket) == []


@pytest.mark.parametrize("damaged", [False, True])
def test_where_the_etag_says_nothing_the_content_is_read(
    place: S3Place, local: Path, monkeypatch: pytest.MonkeyPatch, damaged: bool
) -> None:
    def damage(called: str, words: dict[str, Any]) -> None:
        if called == "UploadPart" and damaged:
            words["Body"] = b"?" + words["Body"][1:]
            del words["ContentMD5"]

    def other_etag(called: str, answer: dict[str, Any]) -> None:
        if called == "HeadObject":
            answer["ETag"] = f'"{hashlib.md5(b"key", usedforsecurity=False).hexdigest()}-3"'
            answer["ServerSideEncryption"] = "aws:kms"

    between(monkeypatch, damage, other_etag)
    if damaged:
        with pytest.raises(InfrastructureError, match="came out different"):
            place.upload(local, "image", nobody)
        assert place.size("image") is None
    else:
        place.upload(local, "image", nobody)
        assert read(place, "image") == local.read_bytes()


def test_a_move_that_was_broken_off_loses_nothing(
    place: S3Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        place.write(f".staging/1/{name}", name.encode())

    def stop(called: str, words: dict[str, Any]) -> None:
        if called == "CopyObject" and words["Key"].endswith("/c"):
            raise KeyError

    with monkeypatch.context() as patch:
        between(patch, stop)
        with pytest.raises(KeyError):
            place.move(".staging/1", "s/1")
    assert place.names(".staging/1") == ("a", "b", "c")
    place.remove("s/1")
    place.move(".staging/1", "s/1")
    assert [read(place, f"s/1/{name}") for name in "abc"] == [b"a", b"b", b"c"]


def test_a_lock_from_another_machine_ends_by_its_age(bucket: str) -> None:
    client, place = s3client.connect(), S3Place(bucket, "store", lock_seconds=2)
    client.put_object(Bucket=bucket, Key="store/.lock", Body=ELSEWHERE.content())
    with pytest.raises(InfrastructureError, match=r"at work in .*far\.invalid"), place.lock():
        pass
    deadline = time.monotonic() + 10
    while True:
        try:
            with place.lock():
                break
        except InfrastructureError:
            assert time.monotonic() < deadline
            time.sleep(0.2)
    assert s3client.connect().list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_a_lock_is_renewed_while_it_is_held(bucket: str) -> None:
    place, other = (S3Place(bucket, "store", lock_seconds=2) for _ in range(2))
    with place.lock():
        deadline = time.monotonic() + 3.5
        while time.monotonic() < deadline:
            with pytest.raises(InfrastructureError, match="at work"), other.lock():
                pass
            time.sleep(0.1)
        place.write("index.json", b"1")


def test_who_lost_the_lock_changes_nothing(bucket: str) -> None:
    client, place = s3client.connect(), S3Place(bucket, "store", lock_seconds=6)

    def publish() -> None:
        with place.lock():
            client.put_object(Bucket=bucket, Key="store/.lock", Body=ELSEWHERE.content())
            deadline = time.monotonic() + 4
            while time.monotonic() < deadline:
                place.write("index.json", b"1")
                time.sleep(0.05)
        pytest.fail("it was not noticed")

    with pytest.raises(InfrastructureError, match="was lost"):
        publish()
    there = client.get_object(Bucket=bucket, Key="store/.lock")["Body"].read()
    assert there == ELSEWHERE.content()


def test_a_lock_that_lives_is_not_taken_over(bucket: str) -> None:
    """Two took a lock for dead, and the first one has its own there by now."""
    first, second = (S3Lock(s3client.connect, bucket, ".lock") for _ in range(2))
    assert first.create(ELSEWHERE.content())
    seen = second.look()
    assert seen is not None
    ours = Note.ours().content()
    assert first.take_over(seen, ours)
    assert not second.take_over(seen, Note.ours().content())
    there = first.look()
    assert there is not None
    assert there.content == ours


def test_on_a_server_without_conditions_the_last_one_has_the_lock(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first one wrote, and the second one had looked before that."""
    monkeypatch.setattr(S3Lock, "_add", lambda *_, **__: None)
    first, second = (S3Lock(s3client.connect, bucket, ".lock") for _ in range(2))
    notes = [Note.ours().content() for _ in range(2)]
    monkeypatch.setattr(time, "sleep", lambda _: second._try(notes[1], {}))
    assert not first.create(notes[0])
    monkeypatch.setattr(time, "sleep", lambda _: None)
    assert second.create(notes[1])


def test_a_server_that_refuses_conditions_is_used_without(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = S3Lock(s3client.connect, bucket, ".lock")

    def refuse(called: str, _words: dict[str, Any]) -> None:
        if called == "PutObject" and lock._condition:
            raise ClientError({"Error": {"Code": "NotImplemented"}}, called)

    between(monkeypatch, refuse)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    note = Note.ours().content()
    assert lock.create(note)
    assert lock.renew(note)
    lock.drop(note)
    assert lock.look() is None
