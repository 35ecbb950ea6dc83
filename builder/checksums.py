# SPDX-License-Identifier: GPL-2.0-or-later
"""Lists of digests as others publish them: SHA256SUMS, SHA512SUMS, CHECKSUM, and their kin.

The lines are GNU's (`DIGEST  NAME`, with one space or ` *NAME` as well), BSD's and OpenSSL's
(`SHA256 (NAME) = DIGEST`), or one digest alone. Names are compared whole, so a line is about the
file of just that name or about none. A list that holds anything else is refused: it may be a web
page. Of a clearsigned list only the text that was verified may come here.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from builder.errors import InfrastructureError

# Digits by algorithm, the strongest first.
ACCEPTED: Final[Mapping[str, int]] = {"sha512": 128, "sha256": 64}
# What files can be forged for, and what nobody publishes who wants to be understood.
REFUSED: Final[Mapping[int, str]] = {32: "md5", 40: "sha1", 56: "sha224", 96: "sha384"}
BY_LENGTH: Final[Mapping[int, str]] = {
    **{digits: name for name, digits in ACCEPTED.items()},
    **REFUSED,
}

_DIGEST = "|".join(rf"[0-9A-Fa-f]{{{digits}}}" for digits in BY_LENGTH)
GNU: Final = re.compile(rf"({_DIGEST})[ \t]+\*?(\S.*)")
BSD: Final = re.compile(r"([A-Za-z][A-Za-z0-9/-]{0,15}) ?\((.+)\) ?= ?(\S+)")
BARE: Final = re.compile(_DIGEST)
TAGGED: Final = re.compile(r"([A-Za-z][A-Za-z0-9-]{0,15})[:-](\S+)")
HEX: Final = re.compile(r"[0-9A-Fa-f]+")
ARMOR: Final = "-----BEGIN PGP"
# In the names of lists: SHA256SUMS, sha512sum.txt, image.qcow2.sha256.
IN_NAME: Final = re.compile(r"sha-?(256|512)", re.IGNORECASE)


@dataclass(frozen=True)
class Checksum:
    """A digest of a file: `value` is hexadecimal in small letters."""

    algorithm: str
    value: str

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.value}"

    def hasher(self) -> hashlib._Hash:
        """What computes such a digest."""
        return hashlib.new(self.algorithm)


@dataclass(frozen=True)
class Line:
    """One line of a list; `name` is empty for a digest that stands alone.

    `algorithm` and `digest` are as the list has them, also where the algorithm is not accepted.
    """

    number: int
    name: str
    algorithm: str
    digest: str


@dataclass(frozen=True)
class Checksums:
    """A list of digests; `where` names it in errors."""

    where: str
    lines: tuple[Line, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The files that it is about, each once and in its order."""
        return tuple(dict.fromkeys(line.name for line in self.lines if line.name))

    @cached_property
    def _by_name(self) -> Mapping[str, Sequence[Line]]:
        # A list may have 100,000 lines, and be asked about each of them.
        found: dict[str, list[Line]] = {}
        for line in self.lines:
            found.setdefault(line.name, []).append(line)
        return found

    def find(self, name: str, *, alone: bool = False) -> Checksum | None:
        """The strongest digest of a file; None where no line is about it.

        A name with slashes is that of a file in a sub-folder; else only files beside the list
        count. With `alone`, the list is about this file only, and may be a digest without a name.
        InfrastructureError where two lines disagree, or no accepted algorithm is there.
        """
        about = self._by_name.get(_plain(name), ())
        if not about and alone:
            about = self._by_name.get("", ())
        found: dict[str, str] = {}
        for line in about:
            if found.setdefault(line.algorithm, line.digest) != line.digest:
                raise InfrastructureError(
                    f"{self.where} has two digests for {name}",
                    hint="one of them is wrong; ask who publishes it",
                )
        if not found:
            return None
        algorithm = next((each for each in ACCEPTED if each in found), None)
        if algorithm is None:
            raise _weak(f"{self.where} has only a digest by {', '.join(found)} for {name}")
        return Checksum(algorithm, found[algorithm])

    def of(self, name: str, *, alone: bool = False) -> Checksum:
        """As `find`; InfrastructureError where no line is about the file."""
        found = self.find(name, alone=alone)
        if found is None:
            raise InfrastructureError(
                f"{self.where} has no line for {name}",
                hint="names are compared whole; it may be published later than the file",
            )
        return found


def parse(text: bytes | str, where: str, algorithm: str = "") -> Checksums:
    """A list of digests; `where` names it in errors, `algorithm` is what all of it must be.

    InfrastructureError for what is no such list.
    """
    if isinstance(text, bytes):
        try:
            text = text.decode()
        except UnicodeDecodeError as error:
            raise _no_list(where, "it is no text") from error
    lines = tuple(_lines(text, where))
    if not lines:
        raise _no_list(where, "there is no digest in it")
    other = next((line for line in lines if algorithm and line.algorithm != algorithm), None)
    if other is not None:
        raise _no_list(where, f"line {other.number} is no digest by {algorithm}")
    return Checksums(where, lines)


def algorithm_of(name: str) -> str:
    """The algorithm that the name of a list tells, such as SHA512SUMS; empty if it tells none."""
    found = set(IN_NAME.findall(name.rpartition("/")[2]))
    return f"sha{found.pop()}" if len(found) == 1 else ""


def digest(text: str, where: str) -> Checksum:
    """A single digest, such as an API has it: hexadecimal, or `ALGORITHM:` and its value.

    That value is hexadecimal too, or base64 with or without its padding. InfrastructureError else.
    """
    tagged = TAGGED.fullmatch(text)
    if tagged is None:
        if BARE.fullmatch(text) is None:
            raise _no_list(where, "it is no digest")
        name, value = BY_LENGTH[len(text)], text.lower()
    else:
        name = _algorithm(tagged[1])
        value = _value(name, tagged[2], where)
    if name not in ACCEPTED:
        raise _weak(f"{where} has a digest by {name}")
    return Checksum(name, value)


def _lines(text: str, where: str) -> Iterator[Line]:
    # Not splitlines(), which also divides at characters that may be part of a name.
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.removesuffix("\r")
        if line.startswith(ARMOR):
            raise _no_list(where, "it is clearsigned, and its signature was not verified")
        # A name with a line break or a backslash, as GNU writes it, is never asked for.
        if not line.strip() or line.startswith(("#", "\\")):
            continue
        yield _line(number, line, where)


def _line(number: int, line: str, where: str) -> Line:
    if gnu := GNU.fullmatch(line):
        return Line(number, _plain(gnu[2]), BY_LENGTH[len(gnu[1])], gnu[1].lower())
    if bsd := BSD.fullmatch(line):
        name = _algorithm(bsd[1])
        return Line(number, _plain(bsd[2]), name, _value(name, bsd[3], f"{where}, line {number}"))
    if BARE.fullmatch(line.strip()):
        value = line.strip().lower()
        return Line(number, "", BY_LENGTH[len(value)], value)
    raise _no_list(where, f"line {number} is none of such a list")


def _plain(name: str) -> str:
    return name.removeprefix("./")


def _algorithm(word: str) -> str:
    """The algorithm's name as hashlib knows it: SHA-256 and SHA2-256 are sha256."""
    return re.sub(r"^sha-?(?:2-)?(?=[0-9]{3}$)", "sha", word.lower())


def _value(algorithm: str, text: str, where: str) -> str:
    """A digest in hexadecimal; InfrastructureError where it does not fit its algorithm."""
    digits = ACCEPTED.get(algorithm)
    if digits is None:
        return text.lower()
    if re.fullmatch(rf"[0-9A-Fa-f]{{{digits}}}", text):
        return text.lower()
    plain = text.rstrip("=")
    try:
        # What is hexadecimal was cut off: 86 digits of 128 are as long as a sha512 in base64.
        decoded = b"" if HEX.fullmatch(text) else _decoded(plain)
    except (binascii.Error, ValueError):
        decoded = b""
    if len(decoded) * 2 != digits:
        raise _no_list(where, f"a digest by {algorithm} has {digits} digits, and this one has not")
    return decoded.hex()


def _decoded(plain: str) -> bytes:
    """What base64 without padding says; empty where its last character says more than that."""
    decoded = base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    return decoded if base64.b64encode(decoded).decode().rstrip("=") == plain else b""


def _weak(sentence: str) -> InfrastructureError:
    return InfrastructureError(
        sentence, hint=f"files can be made to fit such ones; accepted are {', '.join(ACCEPTED)}"
    )


def _no_list(where: str, why: str) -> InfrastructureError:
    return InfrastructureError(
        f"{where} is no list of digests: {why}",
        hint="look at it: a server may send a web page in its place",
    )
