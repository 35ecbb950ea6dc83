# SPDX-License-Identifier: GPL-2.0-or-later
"""Where packages come from: sources files read and written, and the machine's mirrors."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from debian.deb822 import Deb822

from builder.archive import sources
from builder.archive.sources import Mirrors, Source
from builder.errors import InfrastructureError, UsageError
from builder.models import ExtraSource
from builder.run import Completed

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
MAIN = Source("http://own.invalid/debian", ("trixie", "trixie-updates"), ("main",), KEYRING)
SECURITY = Source("http://own.invalid/security", ("trixie-security",), ("main",), KEYRING)


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """What one test finds out about the machine is nothing to the next one."""
    sources.host_mirrors.cache_clear()
    sources.default_sources.cache_clear()
    yield
    sources.host_mirrors.cache_clear()
    sources.default_sources.cache_clear()


def says(monkeypatch: pytest.MonkeyPatch, output: str) -> None:
    """Let every program of this room print `output`."""
    monkeypatch.setattr(sources, "run", lambda *_a, **_k: Completed((), 0, output))


def test_a_stanza_is_what_apt_reads() -> None:
    read = list(Deb822.iter_paragraphs(sources.render((MAIN, SECURITY))))
    assert [dict(stanza) for stanza in read] == [
        {
            "Types": "deb",
            "URIs": each.uri,
            "Suites": " ".join(each.suites),
            "Components": "main",
            "Signed-By": KEYRING,
        }
        for each in (MAIN, SECURITY)
    ]


def parse(text: str) -> tuple[Source, ...]:
    """The sources that apt would read in a deb822 file."""
    return tuple(
        Source(
            stanza["URIs"].split()[0],
            tuple(stanza["Suites"].split()),
            tuple(stanza["Components"].split()),
            stanza["Signed-By"],
        )
        for stanza in Deb822.iter_paragraphs(text)
    )


def test_rendering_and_reading_is_the_identity() -> None:
    assert parse(sources.render((MAIN, SECURITY))) == (MAIN, SECURITY)


@pytest.mark.parametrize(
    ("suites", "security"),
    [
        (("trixie-security",), True),
        (("buster/updates",), True),
        (("trixie", "trixie-updates"), False),
        (("trixie", "trixie-security"), False),
    ],
)
def test_security(suites: tuple[str, ...], security: bool) -> None:
    assert Source("http://x.invalid", suites, ("main",), KEYRING).is_security is security


def test_each_source_moves_to_its_own_mirror() -> None:
    moved = sources.on_mirrors((MAIN, SECURITY), Mirrors("http://near/d", "http://near/s"))
    assert [source.uri for source in moved] == ["http://near/d", "http://near/s"]
    assert [source.suites for source in moved] == [MAIN.suites, SECURITY.suites]


def test_security_updates_are_never_left_out() -> None:
    with pytest.raises(InfrastructureError, match="trixie-security") as caught:
        sources.on_mirrors((MAIN, SECURITY), Mirrors("http://near/d", None))
    assert "--security-mirror" in caught.value.hint


TARGETS = """\
file:///srv/local|stable|main
http://near.invalid/debian/|trixie-backports|main
http://near.invalid/debian/|trixie|contrib
http://near.invalid/debian/|trixie|main
http://far.invalid/debian|trixie|main
mirror+file:/etc/apt/security.list|trixie-security|main
"""


def test_the_machines_own_mirrors(monkeypatch: pytest.MonkeyPatch) -> None:
    says(monkeypatch, TARGETS)
    assert sources.host_mirrors() == Mirrors(
        "http://near.invalid/debian", "mirror+file:/etc/apt/security.list"
    )


def test_a_mirror_that_is_given_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    says(monkeypatch, TARGETS)
    assert sources.host_mirrors("http://given.invalid/d") == Mirrors(
        "http://given.invalid/d", "mirror+file:/etc/apt/security.list"
    )


def test_a_machine_without_mirrors(monkeypatch: pytest.MonkeyPatch) -> None:
    says(monkeypatch, "file:///srv/local|stable|main\n")
    with pytest.raises(InfrastructureError, match="name no mirror") as caught:
        sources.host_mirrors()
    assert "--mirror" in caught.value.hint


@pytest.mark.parametrize("given", ["foo", "", "http://", "http://a/b http://c/d", "http://a\nb:/"])
def test_a_mirror_is_a_url(given: str) -> None:
    with pytest.raises(UsageError, match="a mirror is a URL"):
        sources.host_mirrors(given, "http://near.invalid/s")


def test_what_mmdebstrap_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    def written(argv: list[str], **_more: Any) -> Completed:
        folder = next(word for word in argv if "copy-out" in word).split()[-1]
        Path(folder, "sources.list").write_text(
            "deb http://own.invalid/debian trixie main\n"
            "deb http://own.invalid/debian trixie-updates main\n"
            "deb [signed-by=/x] http://own.invalid/security trixie-security main\n"
        )
        return Completed(tuple(argv), 0, "")

    monkeypatch.setattr(sources, "run", written)
    monkeypatch.setattr("builder.run.Tool.path", lambda _self: "/usr/bin/true")
    assert sources.default_sources("debian", "trixie") == (MAIN, SECURITY)


@pytest.mark.parametrize("line", ["deb-src http://x.invalid a b", "deb http://x.invalid a", "x"])
def test_a_line_that_is_not_understood_is_no_source(line: str) -> None:
    with pytest.raises(InfrastructureError, match="not understood"):
        sources._one_line(line, KEYRING)


def test_an_unknown_distribution_has_no_keyring() -> None:
    with pytest.raises(UsageError, match="no keyring is known for the distribution plan9"):
        sources.keyring("plan9")


def test_a_missing_keyring_names_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sources.KEYRINGS, "debian", (str(tmp_path / "none.gpg"), "the-keyring"))
    with pytest.raises(InfrastructureError, match="is missing") as caught:
        sources.keyring("debian")
    assert caught.value.hint == "apt-get install the-keyring"


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> None:
    """A release whose default sources are MAIN and SECURITY."""
    known = functools.cache(lambda _distro, _suite: (MAIN, SECURITY))
    monkeypatch.setattr(sources, "default_sources", known)


def added(*rows: tuple[str, str]) -> list[tuple[str, str, str]]:
    """URI, suites and components of an image whose classes add these suites and components."""
    extra = [ExtraSource(tuple(suites.split()), tuple(words.split())) for suites, words in rows]
    found = sources.image_sources("debian", "trixie", extra)
    assert {each.signed_by for each in found} == {KEYRING}
    return [
        (each.uri.rpartition("/")[2], " ".join(each.suites), " ".join(each.components))
        for each in found
    ]


@pytest.mark.usefixtures("own")
def test_an_image_has_the_default_sources() -> None:
    assert sources.image_sources("debian", "trixie", ()) == (MAIN, SECURITY)


@pytest.mark.usefixtures("own")
def test_a_suite_comes_from_the_archive_that_has_it() -> None:
    assert added(("trixie-backports", "main")) == [
        ("debian", "trixie trixie-updates trixie-backports", "main"),
        ("security", "trixie-security", "main"),
    ]
    assert added(("trixie-backports experimental-security", "main contrib")) == [
        ("debian", "trixie trixie-updates", "main"),
        ("security", "trixie-security", "main"),
        ("debian", "trixie-backports", "main contrib"),
        ("security", "experimental-security", "main contrib"),
    ]


@pytest.mark.usefixtures("own")
def test_components_are_added_to_every_suite() -> None:
    everywhere = [
        ("debian", "trixie trixie-updates", "main non-free-firmware"),
        ("security", "trixie-security", "main non-free-firmware"),
    ]
    assert added(("", "main non-free-firmware")) == everywhere
    assert added(("", "non-free-firmware"), ("", "non-free-firmware main")) == everywhere


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize("order", [1, -1])
def test_also_to_those_that_another_class_adds(order: int) -> None:
    rows = (("trixie-backports", "main"), ("", "non-free-firmware"))
    assert added(*rows[::order])[0] == (
        "debian",
        "trixie trixie-updates trixie-backports",
        "main non-free-firmware",
    )


@pytest.mark.usefixtures("own")
def test_no_suite_is_there_twice() -> None:
    """Debian #942326: backports stood in sources.list twice."""
    twice = added(("trixie-backports", "main"), ("trixie-backports trixie", "main contrib"))
    assert twice == [
        ("debian", "trixie trixie-backports", "main contrib"),
        ("debian", "trixie-updates", "main"),
        ("security", "trixie-security", "main"),
    ]


UBUNTU_TARGETS = """\
http://near.invalid/ubuntu|noble|main
http://near.invalid/ubuntu|noble-security|main
http://other.invalid/repo|noble-pgdg|main
"""


def test_the_mirrors_are_those_of_the_distribution(monkeypatch: pytest.MonkeyPatch) -> None:
    says(monkeypatch, f"http://near.invalid/debian|stable-updates|main\n{UBUNTU_TARGETS}")
    near = Mirrors("http://near.invalid/ubuntu", "http://near.invalid/ubuntu")
    assert sources.host_mirrors(distro="ubuntu") == near
    assert sources.host_mirrors(distro="debian") == Mirrors("http://near.invalid/debian", None)


def test_without_a_mirror_of_it_a_distribution_has_its_own_archive(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    says(monkeypatch, TARGETS)
    assert sources.host_mirrors(distro="ubuntu") == sources.OWN_ARCHIVE
    assert sources.on_mirrors((MAIN, SECURITY), sources.OWN_ARCHIVE) == (MAIN, SECURITY)
