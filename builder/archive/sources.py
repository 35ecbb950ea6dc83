# SPDX-License-Identifier: GPL-2.0-or-later
"""Where an image's packages come from: the sources it keeps, and the mirror that builds it.

Two lists of one shape. The image's own sources are what mmdebstrap writes when it is given none;
the build's are the same suites on the mirror that this machine's apt uses (or `--mirror`), so that
no mirror is ever written into the project, and none leaks from the build machine into an image.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from builder.distros import DEBIAN_SUITES, DISTROS, releases
from builder.errors import InfrastructureError, UsageError
from builder.models import ExtraSource
from builder.run import needs, run

# The keyring that signs each distribution's archive; the path is the same on the build machine
# (from the package named here) and in the image.
KEYRINGS = {
    "debian": ("/usr/share/keyrings/debian-archive-keyring.gpg", "debian-archive-keyring"),
    "ubuntu": ("/usr/share/keyrings/ubuntu-archive-keyring.gpg", "ubuntu-keyring"),
}
# What follows the release's name in the suites that the security team serves; they may live on
# another mirror than the rest.
SECURITY_SUFFIXES = ("-security", "/updates")
# All that may follow the release's name in the suites of a distribution's own archive.
SUFFIXES = (*SECURITY_SUFFIXES, "-updates", "-proposed-updates", "-backports")
# A scheme that apt knows, and no space that would be a second URL in a sources file.
MIRROR = re.compile(r"[a-z][a-z+]*:/+[^/\s]\S*")


@dataclass(frozen=True)
class Source:
    """One stanza of a deb822 sources file: an archive and the suites that are used of it."""

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]
    signed_by: str

    def stanza(self) -> str:
        """The stanza as apt reads it, with its last newline."""
        return (
            f"Types: deb\nURIs: {self.uri}\nSuites: {' '.join(self.suites)}\n"
            f"Components: {' '.join(self.components)}\nSigned-By: {self.signed_by}\n"
        )

    @property
    def is_security(self) -> bool:
        """Whether these are the security team's suites."""
        return all(suite.endswith(SECURITY_SUFFIXES) for suite in self.suites)


@dataclass(frozen=True)
class Mirrors:
    """The mirror of the archive and that of its security updates (None: none is known).

    OWN_ARCHIVE stands for the distribution's own addresses.
    """

    main: str | None
    security: str | None


OWN_ARCHIVE = Mirrors(None, None)


def render(sources: tuple[Source, ...]) -> str:
    """A deb822 sources file."""
    return "\n".join(source.stanza() for source in sources)


def keyring(distro: str) -> str:
    """A distribution's keyring file on this machine; an error names the package that has it."""
    path, package = _keyring(distro)
    if not Path(path).exists():
        raise InfrastructureError(
            f"the keyring {path} is missing, so nothing of {distro} can be verified",
            hint=f"apt-get install {package}",
        )
    return path


def _keyring(distro: str) -> tuple[str, str]:
    """The path and the package of a distribution's keyring."""
    try:
        return KEYRINGS[distro]
    except KeyError:
        raise UsageError(
            f"no keyring is known for the distribution {distro}",
            hint=f"images can be built for: {', '.join(KEYRINGS)}",
        ) from None


@cache
@needs("mmdebstrap", package="mmdebstrap", purpose="make base files and the tools tree")
def default_sources(distro: str, suite: str) -> tuple[Source, ...]:
    """The sources that mmdebstrap gives to a system of `suite` when it is told none."""
    signed_by, _ = _keyring(distro)
    # A plan needs no root; as root, newer versions refuse the mode that needs none.
    mode = "root" if os.geteuid() == 0 else "chrootless"
    with tempfile.TemporaryDirectory(prefix="fai-forge-") as folder:
        # Nothing is downloaded: of all that mmdebstrap does, only writing the sources is left.
        run(
            [
                *("mmdebstrap", f"--mode={mode}", "--variant=custom", "--format=directory"),
                "--skip=check,update,download,chroot,cleanup",
                f"--setup-hook=copy-out /etc/apt/sources.list {folder}",
                *(suite, f"{folder}/root"),
            ]
        )
        text = Path(folder, "sources.list").read_text(encoding="utf-8")
    sources = tuple(_one_line(line, signed_by) for line in text.splitlines() if line.strip())
    if not sources:
        raise InfrastructureError(
            f"mmdebstrap knows no default sources for the suite {suite}",
            hint="give the class of this release its own sources, or a newer mmdebstrap",
        )
    return _joined(sources)


def image_sources(distro: str, suite: str, extra: Sequence[ExtraSource]) -> tuple[Source, ...]:
    """The sources of an image: the default ones, and what its classes add; no suite twice."""
    single = [
        replace(source, suites=(each,))
        for source in default_sources(distro, suite)
        for each in source.suites
    ]
    for each in (each for row in extra for each in row.suites):
        if not any(source.suites == (each,) for source in single):
            like = _archive_of(each, single)
            single.append(replace(like, suites=(each,), components=()))
    for row in extra:
        wanted = row.suites or tuple(source.suites[0] for source in single)
        single = [
            replace(source, components=_in_order({*source.components, *row.components}))
            if source.suites[0] in wanted
            else source
            for source in single
        ]
    return _joined(tuple(single))


def _in_order(components: Iterable[str]) -> tuple[str, ...]:
    """Components as archives list them, whichever class asked first: main, then by name."""
    return tuple(sorted(components, key=lambda component: (component != "main", component)))


def _archive_of(suite: str, known: Sequence[Source]) -> Source:
    """One of these sources whose archive also has that suite."""
    security = suite.endswith(SECURITY_SUFFIXES)
    return next((each for each in known if each.is_security is security), known[0])


def on_mirrors(sources: tuple[Source, ...], mirrors: Mirrors) -> tuple[Source, ...]:
    """The same suites, read from this machine's mirrors."""
    if mirrors == OWN_ARCHIVE:
        return sources
    moved = []
    for source in sources:
        uri = mirrors.security if source.is_security else mirrors.main
        if uri is None:
            raise InfrastructureError(
                f"no mirror is known for {' '.join(source.suites)}",
                hint="add the security archive to this machine's apt sources, or give"
                " --security-mirror URL",
            )
        moved.append(replace(source, uri=uri))
    return tuple(moved)


@cache
@needs("apt-get", package="apt", purpose="read this machine's mirror and download packages")
def host_mirrors(
    main: str | None = None, security: str | None = None, distro: str = "debian"
) -> Mirrors:
    """The mirrors of a distribution that this machine's own apt uses, unless they are given.

    On a machine whose apt knows another distribution only, OWN_ARCHIVE.
    """
    for given in (main, security):
        if given is not None and MIRROR.fullmatch(given) is None:
            raise UsageError(
                f"a mirror is a URL, and {given!r} is none",
                hint="give it as for apt, such as --mirror https://HOST/debian",
            )
    if main is None or security is None:
        found_main, found_security, others = _configured(distro)
        if main is None and found_main is None and others:
            return OWN_ARCHIVE
        main = main or found_main
        # A mirror that was given may hold only the main archive; the machine's own security
        # archive then still applies.
        security = security or found_security
    if main is None:
        raise InfrastructureError(
            "this machine's apt sources name no mirror of the archive",
            hint="give --mirror URL, or set up /etc/apt/sources.list.d",
        )
    return Mirrors(main, security)


def _configured(distro: str) -> tuple[str | None, str | None, bool]:
    """The first archive and the first security archive in the machine's apt configuration.

    The third value says whether there are archives of other distributions.
    """
    wanted = "$(REPO_URI)|$(RELEASE)|$(COMPONENT)"
    listing = run(["apt-get", "indextargets", "--format", wanted], capture=True).output
    main = security = None
    others = False
    for line in listing.splitlines():
        uri, suite, component = line.split("|")
        # cdrom: and file: sources are no mirror for another release.
        if not uri.startswith(("http", "mirror")) or component != "main":
            continue
        if not _is_suite_of(distro, suite):
            others = True
        elif suite.endswith(SECURITY_SUFFIXES):
            security = security or uri.rstrip("/")
        elif "backports" not in suite:
            main = main or uri.rstrip("/")
    return main, security, others


def _is_suite_of(distro: str, suite: str) -> bool:
    """Whether a suite is one of a distribution's releases, or of what belongs to one."""
    name = next((suite.removesuffix(end) for end in SUFFIXES if suite.endswith(end)), suite)
    known = {release.codename for release in releases(DISTROS[distro]).values()}
    return name in known or (distro == "debian" and name in DEBIAN_SUITES)


def _one_line(line: str, signed_by: str) -> Source:
    """Read one line of sources.list, in the plain form that mmdebstrap writes."""
    kind, *words = line.split()
    while words and words[0].startswith("["):
        words.pop(0)
    if kind != "deb" or len(words) < 3:
        raise InfrastructureError(
            f"mmdebstrap wrote a source that is not understood: {line}",
            hint="this version of mmdebstrap is newer than fai-forge; report it",
        )
    uri, suite, *components = words
    return Source(uri, (suite,), tuple(components), signed_by)


def _joined(sources: tuple[Source, ...]) -> tuple[Source, ...]:
    """One stanza per archive: suites of the same URI and components belong together."""
    stanzas: dict[tuple[str, tuple[str, ...]], Source] = {}
    for source in sources:
        key = (source.uri, source.components)
        known = stanzas.get(key)
        stanzas[key] = (
            source if known is None else replace(known, suites=known.suites + source.suites)
        )
    return tuple(stanzas.values())
