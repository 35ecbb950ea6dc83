# SPDX-License-Identifier: GPL-2.0-or-later
"""What a .deb tells about itself: the new entries of its Debian changelog and of its NEWS.

An image may be without documentation; its .debs are not. A .deb may come from a folder that anyone
wrote to, so all that is read of it is limited, and one that is damaged is one that says nothing.
Debian compresses its .debs with xz; those with zstd, as Ubuntu's, say nothing either.
"""

from __future__ import annotations

import bz2
import gzip
import io
import logging
import lzma
import re
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any, Final, cast

from debian.arfile import ArError
from debian.changelog import Changelog, ChangelogParseError
from debian.debfile import DATA_PART, DebFile
from debian.debian_support import Version

from builder.archive.pool import DebCache
from builder.archive.twins import canonical
from builder.models import Package

log = logging.getLogger(__name__)

# More than the largest kernel unpacks to; reading stops there.
DATA_LIMIT = 512 << 20
# Of one changelog: the newest entries are at its top.
FILE_LIMIT = 1 << 20
# Of all entries of one source; a kernel's stable update has some hundred kilobytes.
TEXT_LIMIT = 64 << 10
CHUNK = 1 << 20
CUT = "  [...]"

# By the name's ending: what reads a stream decompressed.
DECOMPRESS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "": lambda stream: stream,
    ".gz": lambda stream: gzip.GzipFile(fileobj=stream),
    ".bz2": bz2.BZ2File,
    ".xz": lzma.LZMAFile,
}
# Whatever a damaged archive makes its readers raise.
DAMAGE = (ArError, tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, OSError, ValueError)

HEADING = re.compile(r"^(?P<source>\w[\w+.-]*) \((?P<version>[^()\s]+)\)")
CVE = re.compile(r"\bCVE-[0-9]{4}-[0-9]{4,}\b")
EPOCH = re.compile(r"^[0-9]+(?::|%3a)")
# What a rebuild without a change of the source adds to its version.
REBUILD = re.compile(r"\+b[0-9]+$")


@dataclass(frozen=True)
class Entry:
    """One entry of a changelog, or of NEWS (`news`), as its maintainers wrote it.

    `lines` are without control characters; `bugs` are numbers in Debian's bug tracker.
    """

    source: str
    version: str
    distributions: str
    urgency: str
    author: str
    date: str
    lines: tuple[str, ...]
    cves: tuple[str, ...] = ()
    bugs: tuple[int, ...] = ()
    news: bool = False


@dataclass(frozen=True)
class Deb:
    """One .deb at hand: of which package, and the version of it that is replaced, if any."""

    name: str
    path: Path
    old: str | None = None


@dataclass(frozen=True)
class Shelf:
    """Where .debs may be: a folder of them, and the cache of builds."""

    files: Mapping[str, Path] = field(default_factory=dict)
    cache: DebCache | None = None

    @classmethod
    def of(cls, folder: Path | None, cache: DebCache | None) -> Shelf:
        """A shelf of a folder, with all folders below it, and of a cache; both may be left out."""
        found = sorted(folder.rglob("*.deb")) if folder else ()
        return cls({_file_name(path.name): path for path in found}, cache)

    def find(self, package: Package) -> Path | None:
        """The .deb of a package: by its digest from the cache, or by its name from the folder."""
        name = f"{package.name}_{EPOCH.sub('', package.version)}_{package.arch}.deb"
        if found := self.files.get(name):
            return found
        if self.cache is None or package.sha256 is None:
            return None
        return self.cache.find(package.sha256)


def entries(debs: Iterable[Deb], since: str) -> tuple[Entry, ...]:
    """The entries of one source that came after its version `since`, the newest first.

    They are in each of its packages, so the first that has any is enough; the smallest is tried
    first. Some only point to the documentation of another. NEWS comes before the changelog.
    """
    for deb in sorted(debs, key=lambda each: (_size(each.path), each.name)):
        try:
            found = [entry for text in _texts(deb) for entry in _entries(text, deb, since)]
        except DAMAGE as error:
            log.warning("%s: its changelog cannot be read: %s", deb.path.name, error)
            continue
        if found:
            return tuple(_limited(found))
    return ()


@dataclass(frozen=True)
class _Text:
    """The text of one file; `rebuilds` marks that of rebuilds, `whole` that nothing was cut off."""

    text: str
    whole: bool
    news: bool
    rebuilds: bool


def _texts(deb: Deb) -> Iterator[_Text]:
    """NEWS, the changelog of rebuilds, and the changelog, as far as there are any."""
    folder = f"./usr/share/doc/{deb.name}/"
    found: dict[str, _Text] = {}
    with DebFile(filename=str(deb.path)) as archive, _data(archive) as data:
        for member in data:
            if not member.isfile() or not member.name.startswith(folder):
                continue
            name = member.name.removeprefix(folder).removesuffix(".gz")
            stream = data.extractfile(member)
            if stream is not None and re.fullmatch(r"NEWS\.Debian|changelog(\.Debian.*)?", name):
                raw = gzip.GzipFile(fileobj=stream) if member.name.endswith(".gz") else stream
                text = raw.read(FILE_LIMIT + 1)
                found[name] = _Text(
                    text=text[:FILE_LIMIT].decode(errors="replace"),
                    whole=len(text) <= FILE_LIMIT,
                    news=name.startswith("NEWS"),
                    rebuilds=name.startswith("changelog.Debian."),
                )
    if "changelog.Debian" in found:
        # Then the other one is upstream's.
        found.pop("changelog", None)
    yield from sorted(found.values(), key=lambda each: (not each.news, not each.rebuilds))


def _data(archive: DebFile) -> tarfile.TarFile:
    """The files of a .deb as a stream that ends with an error where it is too long."""
    names = [name for name in archive.getnames() if name.startswith(DATA_PART)]
    suffix = names[0].removeprefix(DATA_PART) if names else ""
    if not names or suffix not in DECOMPRESS:
        raise ValueError(f"{names[0] if names else 'no ' + DATA_PART} in it")
    stream = DECOMPRESS[suffix](archive.getmember(names[0]))
    return tarfile.open(fileobj=cast(IO[bytes], _Limited(stream)), mode="r|", bufsize=CHUNK)


class _Limited(io.RawIOBase):
    """A stream of which at most DATA_LIMIT bytes are read."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream = stream
        self.left = DATA_LIMIT

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        data = self.stream.read(min(size, self.left) if size >= 0 else self.left)
        if size and not data and self.left == 0:
            raise ValueError(f"more than {DATA_LIMIT >> 20} MiB in it")
        self.left -= len(data)
        return data


def _entries(text: _Text, deb: Deb, since: str) -> Iterator[Entry]:
    """The entries of one file above the first that is not newer than `since`."""
    if text.rebuilds and deb.old and (suffix := REBUILD.search(deb.old)):
        since += suffix[0]
    newer, ended = [], False
    for line in text.text.splitlines():
        heading = HEADING.match(line)
        if heading and not _is_newer(heading["source"], heading["version"], since):
            ended = True
            break
        newer.append(line)
    if not ended and not text.whole:
        while newer and not HEADING.match(newer.pop()):
            pass
    if not any(HEADING.match(line) for line in newer):
        return
    changelog = Changelog()
    try:
        changelog.parse_changelog(newer, strict=True, allow_empty_author=True)
    except ChangelogParseError as error:
        raise ValueError(error) from error
    for block in changelog:
        yield _entry(block, news=text.news)


def _entry(block: Any, *, news: bool) -> Entry:
    lines = [_printable(line.rstrip()) for line in block.changes()]
    while lines and not lines[0]:
        del lines[0]
    while lines and not lines[-1]:
        del lines[-1]
    return Entry(
        source=block.package,
        version=str(block.version),
        distributions=_printable(block.distributions.strip()),
        urgency=_printable(block.urgency),
        author=_printable(block.author or ""),
        date=_printable((block.date or "").strip()),
        lines=tuple(lines),
        cves=tuple(sorted(set(CVE.findall("\n".join(lines))))),
        bugs=tuple(sorted(set(block.bugs_closed))),
        news=news,
    )


def _is_newer(source: str, version: str, since: str) -> bool:
    return bool(Version(canonical(source, version)[1]) > Version(since))


def _limited(found: Iterable[Entry]) -> Iterator[Entry]:
    """The entries, as far as the text of all together is not too long."""
    left = TEXT_LIMIT
    for entry in found:
        kept = []
        for line in entry.lines:
            left -= len(line.encode()) + 1
            if left < 0:
                break
            kept.append(line)
        if left < 0:
            yield replace(entry, lines=(*kept, CUT))
            return
        yield entry


def _printable(text: str) -> str:
    """A line without what would move a terminal's cursor or turn its text around."""
    spaced = text.expandtabs().replace("\N{NO-BREAK SPACE}", " ")
    return "".join(char if char.isprintable() else "?" for char in spaced)


def _file_name(name: str) -> str:
    """A .deb's name without the epoch, which apt writes into it and the archive leaves out."""
    package, *rest = name.split("_")
    return "_".join((package, *(EPOCH.sub("", part) for part in rest[:1]), *rest[1:]))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
