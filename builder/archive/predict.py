# SPDX-License-Identifier: GPL-2.0-or-later
"""Which packages, in which versions, a fresh installation would get: asked of apt, not guessed."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from debian.deb822 import Deb822

from builder.archive.aptroot import AptRoot
from builder.archive.origins import is_security
from builder.errors import BuildError, InfrastructureError
from builder.models import Package
from builder.run import CommandError, run

# What mmdebstrap installs for `--variant=minbase`, in apt's own pattern language.
BASE = ("?essential", "?priority(required)", "apt")
# `'URI' name_version_arch.deb size [hash]`, from apt-get --print-uris; apt writes `_`, `:` and `.`
# within the parts of the file's name as %xx (pkgAcqArchive in apt-pkg/acquire-item.cc).
DOWNLOAD = re.compile(r"^'\S+' (?P<name>[^_\s]+)_(?P<version>[^_\s]+)_[^_\s]+\.deb \d+", re.M)
# `name | version | URI suite/component arch Packages`, from apt-cache madison.
PLACE = re.compile(
    r"^ *(?P<name>\S+) \| +(?P<version>\S+) \| (?P<place>\S+ \S+) \S+ Packages$", re.M
)
UNKNOWN = re.compile(
    r"^E: (?:Unable to locate package |Package '|(?:Version|Release) '[^']*' for ')"
    r"(?P<name>[^'\s]+)",
    re.M,
)
# What a request may have after a package's name: =version, /release, :arch.
REQUEST_END = re.compile(r"[=/:].*")
# Where several archives have a version: (name, version) -> their names.
Places = dict[tuple[str, str], tuple[str, ...]]


@dataclass(frozen=True)
class Candidate:
    """A package that would be installed, and where in the archive its .deb is.

    `paths` are relative to the archive; there are several when two archives hold the same version.
    `security` are all versions of it that a security archive holds, chosen or not.
    """

    package: Package
    paths: tuple[str, ...]
    security: tuple[str, ...] = ()


def predict(
    root: AptRoot,
    packages: Sequence[str],
    *,
    base: Sequence[str] = BASE,
    recommends: bool = False,
    preferences: Path | None = None,
) -> tuple[Candidate, ...]:
    """What installing `base` and `packages` into an empty system would give, sorted by name.

    `preferences` is a folder of pins as in /etc/apt/preferences.d, an absolute path.
    A package that does not exist, or cannot be installed, is a BuildError that names it.
    """
    chosen = choose(root, [*base, *packages], recommends=recommends, preferences=preferences)
    places = _places(root, [name for name, _ in chosen])
    asked = {REQUEST_END.sub("", package) for package in (*base, *packages)}
    found = _candidates(root, chosen, places, asked)
    return tuple(sorted(found, key=lambda each: each.package.key))


def choose(
    root: AptRoot,
    patterns: Sequence[str],
    *,
    recommends: bool = False,
    preferences: Path | None = None,
) -> tuple[tuple[str, str], ...]:
    """The name and version of each package that apt would download for a new system.

    Not apt's simulation: that takes thrice the time to put them into an order that nobody needs.
    """
    options = ["-o", f"APT::Install-Recommends={'true' if recommends else 'false'}"]
    if preferences is not None:
        options += ["-o", f"Dir::Etc::PreferencesParts={preferences}"]
    try:
        said = run(
            ["apt-get", "--print-uris", "-q", "-y", *options, "install", *patterns],
            env=root.environment,
            capture=True,
        ).output
    except CommandError as error:
        said = error.done.output
        if unknown := UNKNOWN.findall(said):
            names = ", ".join(dict.fromkeys(unknown))
            raise BuildError(
                f"the archive has no such package: {names}",
                hint="correct the name in the class's package_config, or list it for the releases"
                " and architectures that have it only",
            ) from error
        raise BuildError(
            "apt cannot install the packages of this image together",
            hint=f"apt said:\n{said.strip()}",
        ) from error
    return tuple(
        (unquote(each["name"]), unquote(each["version"])) for each in DOWNLOAD.finditer(said)
    )


def _places(root: AptRoot, names: Sequence[str]) -> Places:
    """Which archives hold each version of some packages, by the name that apt gives an archive."""
    said = run(["apt-cache", "madison", *names], env=root.environment, capture=True).output
    prefixes = {f"{_shown(each.uri)} {each.suite}/": each.name for each in root.releases()}
    found: dict[tuple[str, str], list[str]] = {}
    for line in PLACE.finditer(said):
        place = line["place"]
        archive = next((name for start, name in prefixes.items() if place.startswith(start)), None)
        if archive is None:
            raise InfrastructureError(
                f"apt has {line['name']} from {place}, which is none of the image's sources",
                hint="this version of apt is newer than fai-forge; report it",
            )
        found.setdefault((line["name"], line["version"]), []).append(archive)
    return {key: tuple(dict.fromkeys(archives)) for key, archives in found.items()}


def _shown(uri: str) -> str:
    """A URI as apt prints it: without a login."""
    scheme, mark, rest = uri.partition("://")
    host, slash, path = rest.partition("/")
    return scheme + mark + host.rpartition("@")[2] + slash + path


def _candidates(
    root: AptRoot, chosen: Sequence[tuple[str, str]], places: Places, asked: Collection[str]
) -> list[Candidate]:
    """Look the chosen versions up in apt's indexes."""
    wanted = [f"{name}={version}" for name, version in chosen]
    text = run(["apt-cache", "show", *wanted], env=root.environment, capture=True).output
    stanzas: dict[tuple[str, str], list[Deb822]] = {}
    for stanza in Deb822.iter_paragraphs(text):
        stanzas.setdefault((stanza["Package"], stanza["Version"]), []).append(stanza)
    security: dict[str, list[str]] = {}
    for (name, version), archives in places.items():
        if any(map(is_security, archives)):
            security.setdefault(name, []).append(version)
    found = []
    for (name, version), same in stanzas.items():
        first = same[0]
        source, source_version = source_of(first)
        essential = first.get("Essential") == "yes"
        package = Package(
            name=name,
            version=version,
            arch=first["Architecture"],
            source=source,
            source_version=source_version,
            # What mmdebstrap unpacks before there is an apt is nobody's dependency.
            auto=not (essential or first.get("Priority") == "required" or name in asked),
            origins=places.get((name, version), ()),
            size=int(first["Size"]),
            sha256=first["SHA256"],
            essential=essential,
        )
        paths = tuple(sorted({stanza["Filename"] for stanza in same}))
        found.append(Candidate(package, paths, tuple(security.get(name, ()))))
    return found


def source_of(stanza: Deb822) -> tuple[str, str]:
    """The source package and its version, by Debian policy 5.6.1: the binary's where not said."""
    source = stanza.get("Source", stanza["Package"])
    name, _, rest = source.partition(" ")
    return name, rest.strip("()") or stanza["Version"]
