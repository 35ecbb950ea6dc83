# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs out of Debian's packages, verified and unpacked into a folder; nothing is installed.

So no test starts a service or changes the versions that the machine has.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from builder.archive import sources
from builder.archive.aptroot import native_arch, open_root
from builder.archive.pool import DebCache
from builder.archive.predict import predict
from builder.models import ExtraSource
from builder.run import run

# The machine's own release may be another one.
RELEASE = "bookworm"


def extract(folder: Path, packages: Sequence[str], suite: str = RELEASE) -> Path:
    """Unpack packages of Debian 12, or of another suite of it, and return their root folder."""
    extra = () if suite == RELEASE else (ExtraSource((suite,), ("main",)),)
    wanted = sources.image_sources("debian", RELEASE, extra)
    root = open_root(
        folder / "apt", sources.on_mirrors(wanted, sources.host_mirrors()), native_arch()
    )
    root.refresh()
    planned = predict(root, [f"{package}/{suite}" for package in packages], base=())
    found = [each for each in planned if each.package.name in packages]
    assert len(found) == len(packages)
    DebCache(folder / "debs").fetch(root, found, folder / "pool", lambda _done, _all: None)
    for each in found:
        run(["dpkg-deb", "--extract", folder / "pool" / each.paths[0], folder / "root"])
    return folder / "root"
