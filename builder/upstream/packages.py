# SPDX-License-Identifier: GPL-2.0-or-later
"""The packages of an image, as its makers list them beside it.

Such lists have names and versions. Which source a package is from, and which archive has it, they
do not say, and nothing is made up here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Final, Literal

from pydantic import BaseModel, Field, StringConstraints, ValidationError

from builder.checksums import Checksum
from builder.downloads.client import public
from builder.downloads.records import Rows
from builder.errors import InfrastructureError
from builder.imports.vouching import LARGEST_LIST
from builder.manifest.model import Package
from builder.upstream import signing
from builder.upstream.asking import Asking
from builder.upstream.candidates import Candidate
from builder.upstream.series import Series

# deb-src-control(5) and deb-version(7): what is a name, and what is a version.
NAME: Final = r"[a-z0-9][a-z0-9+.-]+"
VERSION: Final = r"[0-9A-Za-z][0-9A-Za-z.+:~-]*"
ARCH: Final = r"[a-z0-9][a-z0-9-]*"
LINE: Final = re.compile(rf"({NAME})(?::({ARCH}))?\t({VERSION})")
# Both kinds of lists name the architecture of what can be there for several.
LABEL: Final = rf"^{NAME}(:{ARCH})?$"
# In such a list, snaps stand below the packages, and their versions say nothing.
SNAP: Final = re.compile(r"snap:[^\t]+\t[^\t]+(\t[^\t]+)?")


class _Listed(BaseModel):
    name: Annotated[str, StringConstraints(pattern=LABEL)]
    version: Annotated[str, StringConstraints(pattern=f"^{VERSION}$")]


class _Data(BaseModel):
    packages: Rows[_Listed] = []


class _Item(BaseModel):
    kind: str
    data: _Data = Field(default_factory=_Data)


class _Builds(BaseModel):
    kind: Literal["List"]
    items: Rows[_Item]


def read(series: Series, candidate: Candidate, asking: Asking) -> tuple[Package, ...]:
    """The packages of one version of an image; none where its makers publish no list.

    A list of digests that names the package list must have its digest. InfrastructureError where
    the list cannot be read, is another one than that, or is nonsense.
    """
    told = series.traits.packages
    if candidate.packages or told is None:
        return candidate.packages
    url = candidate.beside(series.fill(told.file, **candidate.words))
    digest = _digest(url, candidate, series, asking)
    document = asking.document(
        url, series.upstream, signed=digest is not None, largest=LARGEST_LIST
    )
    if digest is not None:
        found = digest.hasher()
        found.update(document.content)
        if found.hexdigest() != digest.value:
            raise InfrastructureError(
                f"{public(url)} is not what its list of digests says",
                hint="a mirror is behind, or somebody changed it; call it again later",
            )
    try:
        text = document.content.decode()
    except UnicodeDecodeError as error:
        raise _no_list(url, "it is no text") from error
    return parse(text, told.form, series.arch, public(url))


def parse(
    text: str, form: Literal["dpkg", "debian-json"], arch: str, where: str
) -> tuple[Package, ...]:
    """The packages of a list, by name; `arch` is the image's, for those that name none.

    InfrastructureError for what is no such list: half a list would tell of packages that went.
    """
    listed = tuple(_FORMS[form](text, arch, where))
    if not listed:
        raise _no_list(where, "there is no package in it")
    found: dict[tuple[str, str], Package] = {}
    for each in listed:
        # dpkg has one version of a package, and Debian's builds list none twice.
        if found.setdefault((each.name, each.arch), each).version != each.version:
            raise _no_list(where, f"{each.name} has two versions")
    return tuple(found[key] for key in sorted(found))


def _digest(url: str, candidate: Candidate, series: Series, asking: Asking) -> Checksum | None:
    """The digest of a package list; None where no list of digests is about it."""
    place = signing.list_of(candidate, series)
    if not place:
        return None
    voucher = signing.listed(place, series, asking, **candidate.words)
    return voucher.sums.find(url.rpartition("/")[2])


def _dpkg(text: str, arch: str, where: str) -> Iterator[Package]:
    """Lines with a name, a tab and a version, as `dpkg-query --show` writes them."""
    for number, line in enumerate(text.split("\n"), 1):
        line = line.removesuffix("\r")
        if not line or SNAP.fullmatch(line):
            continue
        found = LINE.fullmatch(line)
        if found is None:
            raise _no_list(where, f"line {number} is no package and its version")
        yield Package.listed(found[1], found[3], found[2] or arch)


def _debian(text: str, arch: str, where: str) -> Iterator[Package]:
    """What Debian's description of its builds has as `packages`."""
    try:
        document = _Builds.model_validate_json(text)
    except (ValidationError, RecursionError) as error:
        raise _no_list(where, "it does not describe a build of Debian's") from error
    for item in document.items:
        if item.kind == "Build":
            for each in item.data.packages:
                name, _, own = each.name.partition(":")
                yield Package.listed(name, each.version, own or arch)


_FORMS: Final[Mapping[str, Callable[[str, str, str], Iterator[Package]]]] = {
    "dpkg": _dpkg,
    "debian-json": _debian,
}


def _no_list(where: str, why: str) -> InfrastructureError:
    return InfrastructureError(
        f"{where} is no list of packages: {why}",
        hint="look at it: a server may send a web page in its place",
    )
