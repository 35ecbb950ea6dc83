# SPDX-License-Identifier: GPL-2.0-or-later
"""Where things are: the project, its caches, and the folder of built images."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from builder.errors import UsageError

PROJECT_VARIABLE = "FAI_FORGE_PROJECT"
CACHE_VARIABLE = "FAI_FORGE_CACHE"
STATE_VARIABLE = "FAI_FORGE_STATE"


def project_root() -> Path:
    """The folder that holds fai-config/ and classes/: this checkout, or $FAI_FORGE_PROJECT."""
    given = os.environ.get(PROJECT_VARIABLE)
    root = Path(given) if given else Path(__file__).resolve().parent.parent
    if not (root / "fai-config").is_dir() or not (root / "classes").is_dir():
        raise UsageError(
            f"{root} has no fai-config/ and classes/",
            hint=f"set {PROJECT_VARIABLE} to a checkout of fai-forge",
        )
    return root.resolve()


@dataclass(frozen=True)
class Cache:
    """The folders that builds share; `fai-forge clean` empties them."""

    root: Path

    @property
    def apt(self) -> Path:
        """Private apt roots with their indexes."""
        return self.root / "apt"

    @property
    def debs(self) -> Path:
        """Downloaded packages, by sha256."""
        return self.root / "debs"

    @property
    def keyrings(self) -> Path:
        """Keyrings of distributions that this machine has no package of."""
        return self.root / "keyrings"

    @property
    def rootfs(self) -> Path:
        """Base files and tools trees."""
        return self.root / "rootfs"

    @property
    def advisories(self) -> Path:
        """Security data that was downloaded."""
        return self.root / "advisories"

    @property
    def overlays(self) -> Path:
        """Overlays from git, by commit."""
        return self.root / "overlays"

    @property
    def stores(self) -> Path:
        """Which indexes of stores were seen."""
        return self.root / "stores"

    @property
    def documents(self) -> Path:
        """Manifests and lists of digests of stores, by their sha256."""
        return self.root / "documents"

    @property
    def web(self) -> Path:
        """Documents of other people's servers, by their URLs."""
        return self.root / "web"

    @property
    def incoming(self) -> Path:
        """What a facility brings here, until it is in its store."""
        return self.root / "incoming"

    @property
    def work(self) -> Path:
        """Workspaces of builds that are put together on disk."""
        return self.root / "work"

    @property
    def guests(self) -> Path:
        """The folders of running guests, and whether KVM works here."""
        return self.root / "guests"


def cache() -> Cache:
    """$FAI_FORGE_CACHE, /var/cache/fai-forge for root, else fai-forge in the user's cache."""
    given = os.environ.get(CACHE_VARIABLE)
    if given:
        return Cache(Path(given).absolute())
    # In the sandbox everybody is root; the way in has set the variable.
    if os.geteuid() == 0:
        return Cache(Path("/var/cache/fai-forge"))
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Cache(Path(home, "fai-forge"))


def state() -> Path:
    """What outlives the caches, such as how the last sync went.

    It is $FAI_FORGE_STATE, /var/lib/fai-forge for root, else fai-forge in the user's own folder.
    """
    given = os.environ.get(STATE_VARIABLE)
    if given:
        return Path(given).absolute()
    if os.geteuid() == 0:
        return Path("/var/lib/fai-forge")
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(home, "fai-forge")
