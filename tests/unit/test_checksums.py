# SPDX-License-Identifier: GPL-2.0-or-later
"""Lists of digests: all forms that are published, and nothing that only looks like one."""

from __future__ import annotations

import base64
import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder import checksums
from builder.checksums import Checksum
from builder.errors import ForgeError, InfrastructureError, UsageError

A, B = hashlib.sha256(b"a").hexdigest(), hashlib.sha256(b"b").hexdigest()
LONG = hashlib.sha512(b"a").hexdigest()
NAME = "image-13.qcow2"


def found(text: str, name: str = NAME, *, alone: bool = False) -> Checksum | None:
    return checksums.parse(text, "the list").find(name, alone=alone)


@pytest.mark.parametrize(
    "line",
    [
        f"{A}  {NAME}",
        f"{A} {NAME}",
        f"{A} *{NAME}",
        f"{A}  ./{NAME}",
        f"{A} *./{NAME}",
        f"{A.upper()}  {NAME}",
        f"{A}\t{NAME}",
        f"SHA256 ({NAME}) = {A}",
        f"SHA256 (./{NAME}) = {A}",
        f"SHA2-256({NAME})= {A}",
        f"# {NAME}: 397475840 bytes\r\nSHA256 ({NAME}) = {A}\r",
        f"\n# a comment\n{B}  other\n{A}  {NAME}\n\n",
        f"{A}  {NAME}\n{A}  {NAME}",
        f"MD5 ({NAME}) = {A[:32]}\nSHA256 ({NAME}) = {A}",
    ],
)
def test_all_forms_of_a_line_are_read(line: str) -> None:
    assert found(line) == Checksum("sha256", A)


@pytest.mark.parametrize(
    "line",
    [
        f"{A}  x{NAME}",
        f"{A}  {NAME}.zsync",
        f"{A}  {NAME} ",
        f"{A}  sub/{NAME}",
        f"{A}  {NAME.upper()}",
        f"{A}  ../{NAME}",
        f"SHA256 (x{NAME}) = {A}",
        f"{A}",
        f"\\{A}  {NAME}",
        f"# {A}  {NAME}\n{B}  other",
    ],
)
def test_a_line_for_another_name_does_not_count(line: str) -> None:
    if line.startswith("\\"):
        line += f"\n{B}  other"
    assert found(line) is None


def test_a_file_in_a_folder_is_found_only_if_asked_for() -> None:
    text = f"{A}  ./sub/{NAME}"
    assert found(text) is None
    assert found(text, f"sub/{NAME}") == Checksum("sha256", A)


def test_a_digest_alone_is_about_the_only_file() -> None:
    assert found(f"{LONG}\n", alone=True) == Checksum("sha512", LONG)
    assert found(f"{LONG}\n") is None
    assert found(f"{A}  other\n", alone=True) is None
    with pytest.raises(InfrastructureError, match="two digests"):
        found(f"{A}\n{B}\n", alone=True)


def test_the_strongest_digest_counts() -> None:
    assert found(f"{A}  {NAME}\n{LONG}  {NAME}") == Checksum("sha512", LONG)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"{A}  {NAME}\n{B}  ./{NAME}", "two digests"),
        (f"{A[:32]}  {NAME}", "only a digest by md5"),
        (f"{A[:40]}  {NAME}", "only a digest by sha1"),
        (f"SHA1 ({NAME}) = {A[:40]}", "only a digest by sha1"),
        (f"SHA512 ({NAME}) = {A}", "has 128 digits"),
        (f"SHA256 ({NAME}) = {A[:-1]}", "has 64 digits"),
        (f"{A[:-1]}  {NAME}", "line 1 is none"),
        (f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{A}  {NAME}", "not verified"),
        (f"<!DOCTYPE html>\n{A}  {NAME}", "line 1 is none"),
        ("", "no digest in it"),
        ("# nothing\n", "no digest in it"),
    ],
)
def test_what_is_no_good_list_is_refused(text: str, words: str) -> None:
    with pytest.raises(InfrastructureError, match=words):
        found(text)


def test_a_file_that_is_not_listed_is_an_error_where_it_must_be() -> None:
    with pytest.raises(InfrastructureError, match="has no line for other"):
        checksums.parse(f"{A}  {NAME}", "the list").of("other")
    with pytest.raises(InfrastructureError, match="no text"):
        checksums.parse(b"\xff\xfe", "the list")


def test_the_name_of_a_list_tells_its_algorithm() -> None:
    assert checksums.algorithm_of("a/SHA512SUMS") == "sha512"
    assert checksums.algorithm_of("image.qcow2.sha256") == "sha256"
    assert checksums.algorithm_of("sha256/CHECKSUM") == ""
    with pytest.raises(InfrastructureError, match="line 1 is no digest by sha512"):
        checksums.parse(f"{A}  {NAME}", "SHA512SUMS", "sha512")


def test_single_digests_as_apis_have_them() -> None:
    raw = base64.b64encode(bytes.fromhex(LONG)).decode()
    for text in (f"sha512:{LONG}", f"sha512:{raw.rstrip('=')}", f"sha512:{raw}", f"SHA512-{raw}"):
        assert checksums.digest(text, "it") == Checksum("sha512", LONG)
    assert str(checksums.digest(A, "it")) == f"sha256:{A}"
    for text in (
        f"md5:{A[:32]}",
        A[:40],
        f"sha512:{A}",
        "sha256:",
        "",
        f"sha256:{A}\n",
        "sha256:é",
    ):
        with pytest.raises(InfrastructureError):
            checksums.digest(text, "it")


# Pieces that lists are made of, so that the fuzzer gets further than the first line.
PIECES = st.sampled_from(
    [
        *(A, B, LONG, A[:32], A[:40], NAME, "x" + NAME, "./", "../", "sub/", " ", "  ", " *", "\t"),
        *("\n", "\r\n", "SHA256", "SHA512", "MD5", " (", ") = ", "#", "\\", "=", "\x0b", "\u2028"),
    ]
)
TEXTS = st.lists(PIECES | st.text(max_size=4), max_size=30).map("".join)


@given(TEXTS, st.sampled_from([NAME, f"sub/{NAME}", "x", "", "../x"]), st.booleans())
def test_nothing_is_accepted_but_a_line_for_just_that_name(
    text: str, name: str, alone: bool
) -> None:
    try:
        answer = checksums.parse(text, "the list").find(name, alone=alone)
    except ForgeError as error:
        assert isinstance(error, UsageError | InfrastructureError)  # noqa: PT017
        return
    if answer is None:
        return
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    packed = base64.b64encode(bytes.fromhex(answer.value)).decode().rstrip("=")
    value, file = re.escape(answer.value), re.escape(name.removeprefix("./"))
    forms = [
        rf"(?i:{value})[ \t]+\*?(?:\./)?{file}",
        rf"(?i:sha-?(2-)?(256|512)) ?\((\./)?{file}\) ?= ?((?i:{value})|{re.escape(packed)}=*)",
        *([rf"\s*(?i:{value})\s*"] if alone or not name else []),
    ]
    assert any(re.fullmatch(form, line) for form in forms for line in lines)


@given(st.binary(max_size=300) | TEXTS.map(str.encode))
def test_no_bytes_crash_the_parser(content: bytes) -> None:
    for read in (
        lambda: checksums.parse(content, "it"),
        lambda: checksums.digest(str(content), ""),
    ):
        try:
            read()
        except ForgeError as error:
            assert isinstance(error, UsageError | InfrastructureError)  # noqa: PT017
