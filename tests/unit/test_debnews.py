# SPDX-License-Identifier: GPL-2.0-or-later
"""New entries of the changelogs in .debs, which are made here of an ar and a tar archive."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import logging
import lzma
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builder.archive import debnews
from builder.archive.debnews import Deb, Entry, Shelf, entries
from builder.archive.pool import DebCache
from builder.models import Package

TRAILER = " -- A Maintainer <maintainer@debian.invalid>  Wed, 18 Nov 2026 10:00:00 +0100\n"
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
}


def entry(version: str, text: str = "  * Fix it.", source: str = "tool") -> str:
    return f"{source} ({version}) trixie-security; urgency=high\n\n{text}\n\n{TRAILER}\n"


def ar(members: Mapping[str, bytes]) -> bytes:
    body = b"!<arch>\n"
    for name, data in members.items():
        body += f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n".encode()
        body += data + b"\n" * (len(data) % 2)
    return body


def tar(files: Mapping[str, str | bytes], links: Mapping[str, str]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            member = tarfile.TarInfo(f"./usr/share/doc/{name}")
            packed = gzip.compress(data) if name.endswith(".gz") else data
            member.size = len(packed)
            archive.addfile(member, io.BytesIO(packed))
        for name, target in links.items():
            member = tarfile.TarInfo(f"./usr/share/doc/{name}")
            member.type, member.linkname = tarfile.SYMTYPE, target
            archive.addfile(member)
    return stream.getvalue()


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Deb]:
    def _make(
        files: Mapping[str, str | bytes],
        *,
        name: str = "tool",
        old: str | None = None,
        links: Mapping[str, str] | None = None,
        suffix: str = ".xz",
        compress: Callable[[bytes], bytes] | None = None,
    ) -> Deb:
        data = (compress or COMPRESS[suffix])(tar(files, links or {}))
        path = tmp_path / f"{name}_1_all.deb"
        parts = {
            "debian-binary": b"2.0\n",
            "control.tar.gz": gzip.compress(tar({}, {})),
            f"data.tar{suffix}": data,
        }
        path.write_bytes(ar(parts))
        return Deb(name, path, old)

    return _make


def found(*debs: Deb, since: str = "1") -> list[str]:
    return [f"{each.version}{' news' * each.news}" for each in entries(debs, since)]


def test_an_entry(make: Callable[..., Deb]) -> None:
    text = "  * CVE-2026-1234: \x1b[31mred\u202e.\n    CVE-2026-0001\u00a0too (Closes: #7, #12)"
    assert entries([make({"tool/changelog.Debian.gz": entry("2", text) + entry("1")})], "1") == (
        Entry(
            source="tool",
            version="2",
            distributions="trixie-security",
            urgency="high",
            author="A Maintainer <maintainer@debian.invalid>",
            date="Wed, 18 Nov 2026 10:00:00 +0100",
            lines=("  * CVE-2026-1234: ?[31mred?.", "    CVE-2026-0001 too (Closes: #7, #12)"),
            cves=("CVE-2026-0001", "CVE-2026-1234"),
            bugs=(7, 12),
        ),
    )


@pytest.mark.parametrize(
    ("files", "old", "since", "expected"),
    [
        ({"changelog.Debian.gz": entry("3") + entry("2") + entry("1")}, "1", "1", ["3", "2"]),
        ({"changelog.Debian.gz": entry("3") + entry("2") + entry("1")}, "3", "3", []),
        # The old version was never in this branch: it ends at the first that is not newer.
        ({"changelog.Debian.gz": entry("3") + entry("1") + entry("2")}, "1.5", "1.5", ["3"]),
        ({"changelog.Debian.gz": entry("3") + entry("2")}, "1", "1", ["3", "2"]),
        # A backport is older than what it was made of, which comes below it.
        ({"changelog.Debian.gz": entry("2~deb13u2") + entry("2")}, None, "2~deb13u1",
         ["2~deb13u2", "2"]),
        # A native package; in any other, changelog.gz is upstream's.
        ({"changelog.gz": entry("2")}, "1", "1", ["2"]),
        ({"changelog.gz": entry("9"), "changelog.Debian.gz": entry("2")}, "1", "1", ["2"]),
        ({"changelog.gz": "Version 9 (today)\n * all new\n"}, "1", "1", []),
        ({"changelog.Debian": entry("2")}, "1", "1", ["2"]),
        # A rebuild has a file of its own; its versions follow that of the package before.
        ({"changelog.Debian.gz": entry("1"), "changelog.Debian.amd64.gz": entry("1+b3")},
         "1+b2", "1", ["1+b3"]),
        ({"changelog.Debian.gz": entry("1"), "changelog.Debian.amd64.gz": entry("1+b3")},
         "1+b3", "1", []),
        ({"changelog.Debian.gz": entry("1"), "changelog.Debian.amd64.gz": entry("1+b1")},
         "1", "1", ["1+b1"]),
        ({"changelog.Debian.gz": entry("2"), "NEWS.Debian.gz": entry("2") + entry("1")},
         "1", "1", ["2 news", "2"]),
        ({"copyright": "none"}, "1", "1", []),
        # A signed twin names its own source, in the version of the one that it follows.
        ({"changelog.gz": entry("6.12.57+1", source="linux-signed-amd64")}, None, "6.12.57-1", []),
        ({"changelog.gz": entry("6.12.57+1", source="linux-signed-amd64")}, None, "6.12.48-1",
         ["6.12.57+1"]),
    ],
)  # fmt: skip
def test_what_is_newer(
    make: Callable[..., Deb],
    files: dict[str, str],
    old: str | None,
    since: str,
    expected: list[str],
) -> None:
    deb = make({f"tool/{name}": text for name, text in files.items()}, old=old)
    assert found(deb, since=since) == expected


@pytest.mark.parametrize("suffix", COMPRESS)
def test_compressions(make: Callable[..., Deb], suffix: str) -> None:
    assert found(make({"tool/changelog.Debian.gz": entry("2")}, suffix=suffix)) == ["2"]


def test_a_source_is_told_once_and_links_are_passed_over(make: Callable[..., Deb]) -> None:
    linked = make({}, name="a", links={"a": "tool-common"})
    file_linked = make({}, name="b", links={"b/changelog.Debian.gz": "../tool-common/x"})
    first = make({"tool-common/changelog.Debian.gz": entry("2")}, name="tool-common")
    again = make({"tool/changelog.Debian.gz": entry("2") + "x" * 5000})
    assert found(again, linked, first, file_linked) == ["2"]
    assert found(linked, file_linked) == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "cannot be read"),
        (b"!<arch>\n", "cannot be read"),
        (ar({"debian-binary": b"2.0\n", "control.tar.gz": b"", "data.tar.xz": b"?"}), "read"),
        (ar({"debian-binary": b"2.0\n", "control.tar.gz": b"", "data.tar.zst": b"?"}), "zst"),
    ],
)
def test_a_damaged_deb_says_nothing(
    tmp_path: Path,
    make: Callable[..., Deb],
    caplog: pytest.LogCaptureFixture,
    content: bytes,
    said: str,
) -> None:
    path = tmp_path / "broken_2_all.deb"
    path.write_bytes(content)
    whole = make({"tool/changelog.Debian.gz": entry("2")})
    with caplog.at_level(logging.WARNING):
        assert found(Deb("broken", path)) == []
        assert found(Deb("gone", tmp_path / "gone.deb"), whole) == ["2"]
    assert "broken_2_all.deb: its changelog cannot be read" in caplog.text
    assert said in caplog.text


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    max_examples=150,
)
@given(data=st.data())
def test_any_damage_is_survived(make: Callable[..., Deb], data: st.DataObject) -> None:
    deb = make(
        {"tool/changelog.Debian.gz": entry("2")}, suffix=data.draw(st.sampled_from(["", ".xz"]))
    )
    content = bytearray(deb.path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] = data.draw(st.integers(0, 255))
    deb.path.write_bytes(content[: data.draw(st.integers(place, len(content)))])
    assert all(line.isprintable() for each in entries([deb], "1") for line in each.lines)


def test_limits(
    make: Callable[..., Deb], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    lines = "\n".join(f"  * Line {number}." for number in range(20_000))
    deb = make(
        {"tool/changelog.Debian.gz": entry("4", "  * Short.") + entry("3", lines) + entry("2")}
    )
    short, long = entries([deb], "1")
    assert (short.version, long.version) == ("4", "3")
    assert long.lines[-1] == debnews.CUT
    size = sum(len(line) + 1 for each in (short, long) for line in each.lines)
    assert debnews.TEXT_LIMIT - 100 < size <= debnews.TEXT_LIMIT + len(debnews.CUT) + 1

    # Only what is whole of a file that is too long to be read.
    monkeypatch.setattr(debnews, "FILE_LIMIT", len(entry("4", "  * Short.")) + 500)
    assert found(deb) == ["4"]
    monkeypatch.setattr(debnews, "DATA_LIMIT", 1000)
    assert found(deb) == []
    assert "in it" in caplog.text


def test_where_debs_are_found(tmp_path: Path) -> None:
    folder = tmp_path / "debs"
    (folder / "pool").mkdir(parents=True)
    for name in ("a_1%3a2-1_all.deb", "pool/b_3_amd64.deb"):
        (folder / name).write_bytes(b"")
    cache = DebCache(tmp_path / "cache")
    digest = hashlib.sha256(b"deb").hexdigest()
    (cache.path / digest[:2]).mkdir(parents=True)
    cached = cache.path / digest[:2] / f"{digest}.deb"
    cached.write_bytes(b"deb")

    def look(shelf: Shelf, name: str, version: str, arch: str, sha256: str | None) -> Path | None:
        return shelf.find(Package(name, version, arch, name, version, sha256=sha256))

    shelf = Shelf.of(folder, cache)
    assert look(shelf, "a", "1:2-1", "all", None) == folder / "a_1%3a2-1_all.deb"
    assert look(shelf, "b", "3", "amd64", None) == folder / "pool/b_3_amd64.deb"
    assert look(shelf, "b", "3", "arm64", None) is None
    assert look(shelf, "c", "1", "all", digest) == cached
    assert look(Shelf.of(None, None), "c", "1", "all", digest) is None
    cached.write_bytes(b"not the deb")
    assert look(shelf, "c", "1", "all", digest) is None
    assert look(shelf, "c", "1", "all", "0" * 64) is None
