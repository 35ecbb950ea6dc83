# SPDX-License-Identifier: GPL-2.0-or-later
"""One image of an upstream: a release on an architecture, and all that is said about it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from builder import names
from builder.facility import secret
from builder.names import Name
from builder.upstream.kinds import GivenIndex, RhelIndex
from builder.upstream.model import ReleaseEntry, Traits, Upstream


@dataclass(frozen=True)
class Series:
    """`traits` has what is said of the release, and otherwise of the distribution.

    `source` is the file's name without its suffix, `path` the file itself.
    """

    source: str
    path: Path
    upstream: Upstream
    release: ReleaseEntry
    arch: str
    traits: Traits

    @property
    def name(self) -> str:
        """The name in our stores, such as alma-10-arm64."""
        return str(Name(self.upstream.distro, self.release.release, self.upstream.roles, self.arch))

    @property
    def title(self) -> str:
        """The name for people."""
        said = names.title(Name(self.upstream.distro, self.release.release))
        return f"{self.traits.title} {self.number}" if self.traits.title else said

    @property
    def number(self) -> str:
        """The version of the release as people write it."""
        return self.release.number or self.release.release

    @property
    def missing(self) -> str:
        """What a site has to supply before anybody can be asked, and did not; empty if nothing."""
        index = self.traits.index
        if isinstance(index, GivenIndex) and not index.of(self.arch):
            return f"an image of {self.name}, which is not to be had without a login or a licence"
        if isinstance(index, RhelIndex) and not secret.is_there(index.token, self.path.parent):
            return f"an offline token in {secret.place(index.token, self.path.parent)}"
        return ""

    @property
    def supplied(self) -> bool:
        """Whether a site has supplied what its makers give to nobody without a login."""
        return not self.missing

    @property
    def words(self) -> Mapping[str, str]:
        """What stands in place of words in braces, whatever the version."""
        return {
            **(self.traits.words or {}).get(self.arch, {}),
            "distro": self.upstream.distro,
            "release": self.release.release,
            "number": self.number,
            "codename": self.release.codename or "",
            "arch": (self.traits.arches or {}).get(self.arch, self.arch),
        }

    def fill(self, template: str, **more: str) -> str:
        """A template with its words; `more` are those of one version, such as `file`."""
        return _filled(template, {**self.words, **more})

    def pattern(self, template: str) -> re.Pattern[str]:
        """A regular expression of the YAML file, with its words in place as plain text."""
        quoted = {word: re.escape(text) for word, text in self.words.items()}
        return re.compile(_filled(template, quoted))


def _filled(template: str, words: Mapping[str, str]) -> str:
    # Not str.format(): braces are part of regular expressions, too.
    return re.sub(r"\{([a-z]+)\}", lambda found: words.get(found[1], found[0]), template)
