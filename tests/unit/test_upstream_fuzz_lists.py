# SPDX-License-Identifier: GPL-2.0-or-later
"""Lists of digests and of packages, whatever is in them: no crash, and nothing made up."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from builder import checksums
from builder.checksums import ACCEPTED, ARMOR, Checksums
from builder.errors import ForgeError, InfrastructureError
from builder.upstream import packages

RECORDED = Path(__file__).parents[1] / "recorded"
LISTS = sorted((RECORDED / "containerdisks").rglob("*.checksum")) + sorted(
    (RECORDED / "osism").rglob("*SUMS")
)
PACKAGES = RECORDED / "containerdisks" / "debian" / "debian-13-genericcloud-amd64.json"


def _digest(algorithm: str, content: bytes) -> str:
    return hashlib.new(algorithm, content).hexdigest()


NAMES = st.text("aA1._-+~", min_size=1, max_size=8).map(lambda text: f"x{text}")
# Real ones: the base64 of zeros alone would look like hexadecimal.
DIGESTS = {name: st.binary(max_size=2).map(partial(_digest, name)) for name in ACCEPTED}


def _base64(algorithm: str, digest: str, name: str) -> str:
    text = base64.b64encode(bytes.fromhex(digest)).decode().rstrip("=")
    return f"{algorithm.upper()} ({name}) = {text}"


# How the lines of such lists are written.
FORMS: Mapping[str, Callable[[str, str, str], str]] = {
    "two spaces": lambda _algorithm, digest, name: f"{digest}  {name}",
    "one space": lambda _algorithm, digest, name: f"{digest} {name}",
    "binary": lambda _algorithm, digest, name: f"{digest} *{name}",
    "here": lambda _algorithm, digest, name: f"{digest}  ./{name}",
    "capitals": lambda _algorithm, digest, name: f"{digest.upper()}  {name}",
    "BSD": lambda algorithm, digest, name: f"{algorithm.upper()} ({name}) = {digest}",
    "OpenSSL": lambda algorithm, digest, name: f"{algorithm.upper()}({name})= {digest}",
    "base64": _base64,
}


@st.composite
def lists(draw: st.DrawFn) -> tuple[dict[str, str], list[str]]:
    """Digests by the names of files, and the lines of a list of them."""
    algorithm = draw(st.sampled_from(list(ACCEPTED)))
    known = draw(st.dictionaries(NAMES, DIGESTS[algorithm], min_size=1, max_size=5))
    lines = [
        FORMS[draw(st.sampled_from(list(FORMS)))](algorithm, digest, name)
        for name, digest in known.items()
    ]
    return known, lines


def parsed(text: str | bytes) -> Checksums | None:
    """The list; None where that is refused, and nothing else may happen."""
    try:
        return checksums.parse(text, "here")
    except InfrastructureError:
        return None


def found(of: Checksums, name: str, *, alone: bool = False) -> str | None:
    try:
        checksum = of.find(name, alone=alone)
    except InfrastructureError:
        return None
    if checksum is not None:
        # A shorter digest is never one of a longer algorithm.
        assert len(checksum.value) == ACCEPTED[checksum.algorithm]
        bytes.fromhex(checksum.value)
    return checksum.value if checksum else None


@given(lists())
def test_each_file_has_its_own_digest(made: tuple[dict[str, str], list[str]]) -> None:
    known, lines = made
    for text in ("\n".join(lines), "\r\n".join(lines) + "\r\n", "\n\n# x\n".join(lines)):
        of = checksums.parse(text, "here")
        assert {name: found(of, name) for name in known} == known
        assert set(of.names) == set(known)


@given(lists(), NAMES, st.data())
def test_a_name_is_compared_whole(
    made: tuple[dict[str, str], list[str]], other: str, data: st.DataObject
) -> None:
    known, lines = made
    of = checksums.parse("\n".join(lines), "here")
    name = data.draw(st.sampled_from(list(known)))
    for wrong in (
        other,
        name[:-1],
        name[1:],
        name + other,
        other + name,
        name.upper(),
        f"a/{name}",
    ):
        if wrong.removeprefix("./") not in known:
            assert found(of, wrong) is None
            # Nor does a digest with a name stand for another file.
            assert found(of, wrong, alone=True) is None


EDITS = st.text("0123456789abcdefx *=()#\\-./\r\t\x00\x85é", max_size=4)


@given(lists(), st.integers(0, 200), st.integers(0, 6), EDITS, st.data())
def test_a_changed_line_changes_no_other_files_digest(
    made: tuple[dict[str, str], list[str]], at: int, cut: int, put: str, data: st.DataObject
) -> None:
    known, lines = made
    number = data.draw(st.integers(0, len(lines) - 1))
    line = lines[number]
    at %= len(line) + 1
    changed = line[:at] + put + line[at + cut :]
    of = parsed("\n".join([*lines[:number], changed, *lines[number + 1 :]]))
    for index, (name, digest) in enumerate(known.items()):
        if of is not None and index != number:
            assert found(of, name) in (digest, None)


@given(lists(), st.data())
def test_two_digests_of_a_file_are_none(
    made: tuple[dict[str, str], list[str]], data: st.DataObject
) -> None:
    known, lines = made
    name = data.draw(st.sampled_from(list(known)))
    algorithm = next(each for each in ACCEPTED if ACCEPTED[each] == len(known[name]))
    other = data.draw(DIGESTS[algorithm].filter(lambda digest: digest != known[name]))
    at = data.draw(st.integers(0, len(lines)))
    lines.insert(at, FORMS["two spaces"](algorithm, other, name))
    assert found(checksums.parse("\n".join(lines), "here"), name) is None


@given(lists(), st.integers(1, 60), st.data())
def test_a_shorter_digest_is_none(
    made: tuple[dict[str, str], list[str]], missing: int, data: st.DataObject
) -> None:
    known, _ = made
    name = data.draw(st.sampled_from(list(known)))
    algorithm = next(each for each in ACCEPTED if ACCEPTED[each] == len(known[name]))
    digest = known[name][: -missing - missing % 2]
    for form in FORMS.values():
        of = parsed(form(algorithm, digest, name))
        assert of is None or found(of, name) is None


@given(lists(), st.data())
def test_no_armour_is_read_as_a_list(
    made: tuple[dict[str, str], list[str]], data: st.DataObject
) -> None:
    """What is clearsigned comes here only once it is verified, and without its armour."""
    _, lines = made
    kind = data.draw(st.sampled_from(["SIGNED MESSAGE", "SIGNATURE", "PUBLIC KEY BLOCK"]))
    lines.insert(data.draw(st.integers(0, len(lines))), f"{ARMOR} {kind}-----")
    assert parsed("\n".join(lines)) is None


@given(st.text() | st.binary())
@example("[" * 100_000)
@example("SHA256 (x) = " + "A" * 43)
@example("\n" * 100_000)
@example("a" * 64 + " " * 100_000)
@example("(" * 50_000 + ")" * 50_000)
def test_nothing_that_a_server_sends_is_a_crash(content: str | bytes) -> None:
    of = parsed(content)
    for name in of.names if of else ():
        found(of, name)  # type: ignore[arg-type]


@pytest.mark.parametrize("path", LISTS, ids=lambda path: path.name)
@settings(max_examples=15)
@given(at=st.floats(0, 1), cut=st.integers(0, 200), put=EDITS)
def test_recorded_lists_with_a_flaw(path: Path, at: float, cut: int, put: str) -> None:
    content = path.read_text()
    before = parsed(content)
    start = int(at * len(content))
    after = parsed(content[:start] + put + content[start + cut :])
    if before is None or after is None:
        return
    # What stands in no line that was touched is as it was, or refused.
    first = content.count("\n", 0, start) + 1
    last = first + content.count("\n", start, start + cut)
    safe = {line.name for line in before.lines if not first <= line.number <= last}
    safe -= {line.name for line in before.lines if first <= line.number <= last}
    for name in sorted(safe)[:20]:
        assert found(after, name) in (found(before, name), None)


@given(st.text() | st.text("ab1:\t\n.-+~<", max_size=60))
@example("a" * 100_000 + "\t1\n")
@example("snap:" + "\t" * 50_000)
def test_packages_are_those_of_the_text(text: str) -> None:
    try:
        listed = packages.parse(text, "dpkg", "amd64", "here")
    except ForgeError:
        return
    lines = {line.removesuffix("\r") for line in text.split("\n")}
    for each in listed:
        names = (each.name, f"{each.name}:{each.arch}")
        assert lines & {f"{name}\t{each.version}" for name in names}


@given(at=st.floats(0, 1), cut=st.integers(0, 30), put=st.text('[]{}",:ab1\\\n', max_size=4))
def test_a_description_with_a_flaw(at: float, cut: int, put: str) -> None:
    text = PACKAGES.read_text()
    start = int(at * len(text))
    try:
        listed = packages.parse(
            text[:start] + put + text[start + cut :], "debian-json", "amd64", "here"
        )
    except ForgeError:
        return
    assert all(each.source == "" and each.name and each.version for each in listed)


@pytest.mark.parametrize("last", "BCDFGH")
def test_base64_with_more_bits_than_the_digest_is_none(last: str) -> None:
    """43 characters have two bits more than a sha256: they must be those of its encoding."""
    good = base64.b64encode(b"\xff" * 32).decode().rstrip("=")
    assert found(checksums.parse(f"SHA256 (x) = {good}", "here"), "x") == "ff" * 32
    assert good[-1] == "8"
    other = good[:-1] + last
    of = parsed(f"SHA256 (x) = {other}")
    assert of is None or found(of, "x") is None
