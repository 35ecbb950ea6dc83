# SPDX-License-Identifier: GPL-2.0-or-later
"""The keyring that verifies a distribution's archive: this machine's, or one out of Debian's own.

Debian 13 packages Ubuntu's keys, Debian 12 does not. A machine without the package takes them from
a .deb of Debian 13, which the machine's Debian keyring vouches for.
"""

from __future__ import annotations

from pathlib import Path

from builder.archive.aptroot import AptRoot
from builder.archive.pool import DebCache
from builder.archive.predict import predict
from builder.archive.sources import KEYRINGS
from builder.errors import InfrastructureError
from builder.run import needs, run


@needs("dpkg-deb", package="dpkg", purpose="read a keyring out of a package")
def borrow(distro: str, root: AptRoot, debs: DebCache, folder: Path) -> Path:
    """The keyring of `distro` out of the package that the apt root has of it, put into `folder`."""
    path, package = KEYRINGS[distro]
    root.refresh()
    found = [each for each in predict(root, (package,), base=()) if each.package.name == package]
    debs.fetch(root, found, folder, lambda _done, _total: None)
    run(["dpkg-deb", "--extract", folder / found[0].paths[0], folder])
    keyring = folder / path.lstrip("/")
    if not keyring.is_file():
        raise InfrastructureError(
            f"the package {package} has no {path}, so nothing of {distro} can be verified",
            hint=f"put the keyring of {distro}'s archive there",
        )
    return keyring
