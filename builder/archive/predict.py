# SPDX-License-Identifier: GPL-2.0-or-later
"""Which packages, in which versions, a fresh installation would get: asked of apt, not guessed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from debian.deb822 import Deb822

from builder.archive.aptroot import AptRoot
from builder.errors import BuildError
from builder.models import Package
from builder.run import CommandError, run

# What mmdebstrap installs for `--variant=minbase`, in apt's own pattern language.
BASE = ("?essential", "?priority(required)", "apt")
# `Inst name[:arch] [old] (version Label:1/suite, Label:2/suite2 [arch])`, from apt-get -s.
INSTALL = re.compile(
    r"^Inst (?P<name>[^ :]+)(?::\S+)? \((?P<version>\S+) (?P<origins>.*) \[\S+\]\)"
)
UNKNOWN = re.compile(
    r"^E: (?:Unable to locate package |Package '|(?:Version|Release) '[^']*' for ')"
    r"(?P<name>[^'\s]+)",
    re.M,
)


@dataclass(frozen=True)
class Candidate:
    """A package that would be installed, and where in the archive its .deb is.

    `paths` are relative to the archive; there are several when two archives hold the same version.
    """

    package: Package
    paths: tuple[str, ...]


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
    simulated = simulate(root, [*base, *packages], recommends=recommends, preferences=preferences)
    installs = [match for line in simulated.splitlines() if (match := INSTALL.match(line))]
    origins = {match["name"]: tuple(match["origins"].split(", ")) for match in installs}
    wanted = [f"{match['name']}={match['version']}" for match in installs]
    return tuple(sorted(_candidates(root, wanted, origins), key=lambda found: found.package.key))


def simulate(
    root: AptRoot,
    patterns: Sequence[str],
    *,
    recommends: bool = False,
    preferences: Path | None = None,
) -> str:
    """The output of apt's simulated installation."""
    options = ["-o", f"APT::Install-Recommends={'true' if recommends else 'false'}"]
    if preferences is not None:
        options += ["-o", f"Dir::Etc::PreferencesParts={preferences}"]
    try:
        return run(
            ["apt-get", "-s", "-q", *options, "install", *patterns],
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


def _candidates(
    root: AptRoot, wanted: Sequence[str], origins: dict[str, tuple[str, ...]]
) -> list[Candidate]:
    """Look the chosen versions up in apt's indexes."""
    text = run(["apt-cache", "show", *wanted], env=root.environment, capture=True).output
    stanzas: dict[tuple[str, str], list[Deb822]] = {}
    for stanza in Deb822.iter_paragraphs(text):
        stanzas.setdefault((stanza["Package"], stanza["Version"]), []).append(stanza)
    found = []
    for (name, version), same in stanzas.items():
        first = same[0]
        source, source_version = source_of(first)
        package = Package(
            name=name,
            version=version,
            arch=first["Architecture"],
            source=source,
            source_version=source_version,
            origins=origins.get(name, ()),
            size=int(first["Size"]),
            sha256=first["SHA256"],
        )
        found.append(Candidate(package, tuple(sorted({stanza["Filename"] for stanza in same}))))
    return found


def source_of(stanza: Deb822) -> tuple[str, str]:
    """The source package and its version, by Debian policy 5.6.1: the binary's where not said."""
    source = stanza.get("Source", stanza["Package"])
    name, _, rest = source.partition(" ")
    return name, rest.strip("()") or stanza["Version"]
