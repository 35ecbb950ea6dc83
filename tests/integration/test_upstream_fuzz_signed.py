# SPDX-License-Identifier: GPL-2.0-or-later
"""Signed lists, spoiled: of what a real key signed, all of it comes back, or nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from builder.downloads.client import Absent
from builder.downloads.documents import Document
from builder.errors import ForgeError
from builder.upstream import catalogue
from builder.upstream.asking import Asking
from builder.upstream.candidates import Candidate
from builder.upstream.indexes import checksums as index
from builder.upstream.kinds import ChecksumsIndex
from builder.upstream.series import Series
from tests.integration.signing import KeyHome

EXAMPLES = 40
LIST = "https://images.invalid/10/CHECKSUM"
SOURCE = """\
distro: alma
os_distro: almalinux
arches: {{amd64: x86_64}}
index: {{kind: checksums, list: {list}}}
file: 'alma-(?P<date>[0-9]{{8}})\\.qcow2'
signature: {{file: '{file}', keyring: keys.gpg, keys: [{key}]}}
releases: [{{release: "10"}}]
"""
DAYS = ("20260326", "20260526")
KNOWN = {f"alma-{day}.qcow2": f"{day}" * 8 for day in DAYS}
TEXT = "".join(f"{digest}  {name}\n" for name, digest in KNOWN.items())
FORGED = f"{'f' * 64}  alma-20261111.qcow2\n"


class Signed:
    """A source whose list is signed, clearsigned or beside it."""

    def __init__(self, folder: Path, gpg_home: KeyHome, *, clear: bool) -> None:
        form = "--clearsign" if clear else "--detach-sign"
        key = gpg_home.make(f"{form[2:]}@example.org")
        folder.mkdir()
        text = folder / "text"
        text.write_text(TEXT)
        made = gpg_home.gpg("--armor", "--output", "-", "--local-user", key, form, text)
        self.answers = {LIST: made} if clear else {LIST: TEXT.encode(), f"{LIST}.asc": made}
        (folder / "keys.gpg").write_bytes(gpg_home.export(key))
        path = folder / "alma.yaml"
        path.write_text(SOURCE.format(list=LIST, key=key, file="{list}" if clear else "{list}.asc"))
        (self.series,) = catalogue.read_file(path).series(Asking())

    def found(self, answers: dict[str, bytes], series: Series | None = None) -> list[Candidate]:
        """What the list gives with these answers; nothing where it is refused."""
        series = series or self.series
        assert isinstance(series.traits.index, ChecksumsIndex)
        try:
            return list(index.candidates(series.traits.index, series, Answers(answers)))
        except ForgeError:
            return []


class Answers(Asking):
    """Gives documents and asks nobody."""

    def __init__(self, given: dict[str, bytes]) -> None:
        super().__init__()
        object.__setattr__(self, "given", given)

    def document(self, url: str, *_: Any, **_how: Any) -> Document:
        given: dict[str, bytes] = self.given  # type: ignore[attr-defined]
        if url not in given:
            raise Absent(f"{url} is not there")
        return Document(url, given[url])


@pytest.fixture(scope="module", params=[True, False], ids=["clearsigned", "beside"])
def signed(request: pytest.FixtureRequest, gpg_home: KeyHome, tmp_path_factory: Any) -> Signed:
    folder = tmp_path_factory.mktemp("signed") / "sources"
    return Signed(folder, gpg_home, clear=request.param)


def must_be_signed(found: list[Candidate]) -> None:
    """Each is of the text that was signed, and says who signed it."""
    for each in found:
        assert each.checksum is not None
        assert KNOWN[each.file] == each.checksum.value
        assert "signed" in each.vouched


def test_what_was_signed_is_read(signed: Signed) -> None:
    found = signed.found(signed.answers)
    assert {each.file for each in found} == set(KNOWN)
    must_be_signed(found)


PUT = st.sampled_from(["", FORGED, "0", "\n", " ", "-", "# x\n", "- - ", "\r\n"]) | st.text(
    "0123456789abcdef -\n=", max_size=6
)


@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(at=st.floats(0, 1), cut=st.integers(0, 80), put=PUT)
@example(at=0.0, cut=0, put=FORGED)
@example(at=1.0, cut=0, put=FORGED)
def test_a_list_that_was_changed_gives_no_other_line(
    signed: Signed, at: float, cut: int, put: str
) -> None:
    content = signed.answers[LIST]
    start = int(at * len(content))
    changed = content[:start] + put.encode() + content[start + cut :]
    must_be_signed(signed.found({**signed.answers, LIST: changed}))


@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(
    number=st.integers(0, TEXT.count("\n") - 1), at=st.integers(0, 63), put=st.sampled_from("0f")
)
def test_one_digit_of_a_line_is_enough_to_refuse_all(
    signed: Signed, number: int, at: int, put: str
) -> None:
    line = TEXT.splitlines()[number]
    changed = line[:at] + put + line[at + 1 :]
    content = signed.answers[LIST].replace(line.encode(), changed.encode())
    found = signed.found({**signed.answers, LIST: content})
    assert len(found) == (len(KNOWN) if changed == line else 0)


@pytest.mark.parametrize("place", ["before", "behind", "between armour", "second list"])
def test_text_outside_of_the_signature_never_counts(signed: Signed, place: str) -> None:
    content, forged = signed.answers[LIST], FORGED.encode()
    changed = {
        "before": forged + content,
        "behind": content + forged,
        "between armour": content.replace(b"-----BEGIN PGP SIG", forged + b"-----BEGIN PGP SIG"),
        "second list": content + content.replace(TEXT.encode(), forged),
    }[place]
    must_be_signed(signed.found({**signed.answers, LIST: changed}))


def test_a_good_signature_of_a_key_that_is_not_pinned_is_none(signed: Signed) -> None:
    signature = signed.series.traits.signature
    assert signature is not None
    other = signature.model_copy(update={"keys": ("0" * 40,)})
    traits = signed.series.traits.model_copy(update={"signature": other})
    assert signed.found(signed.answers, replace(signed.series, traits=traits)) == []


def test_a_list_without_its_signature_is_none(signed: Signed) -> None:
    assert signed.found({LIST: TEXT.encode()}) == []
