# SPDX-License-Identifier: GPL-2.0-or-later
"""The .debs of an image's own kernel, to be installed once more in a guest, as an upgrade would."""

from __future__ import annotations

from pathlib import Path

from builder.archive.pool import DebCache
from builder.archive.predict import predict
from builder.archive.sources import image_sources
from builder.errors import InfrastructureError, UsageError
from builder.install.supplies import Archive
from builder.manifest.model import Manifest
from builder.models import ExtraSource

# Debian 14 has the kernel itself in a package of its own, which linux-image copies it from.
PREFIXES = ("linux-image-", "linux-binary-")
# Prints `PACKAGE: PATH` of the package of the running kernel, in a guest.
OWNER = (
    "dpkg-query --search /boot/vmlinu?-$(uname -r) /usr/lib/modules/$(uname -r)/vmlinu?"
    " 2>/dev/null | head -n 1"
)


def kernel_debs(manifest: Manifest, archive: Archive, folder: Path) -> tuple[Path, ...]:
    """Put the .debs of the kernel packages that a manifest names into `folder`.

    They come from the cache, or verified from the archive; a kernel that the archive no longer has
    is an InfrastructureError.
    """
    kernels = {
        each.name: each.version
        for each in manifest.packages
        if any(prefix in each.name for prefix in PREFIXES)
    }
    if not kernels:
        raise UsageError(
            f"{manifest.name} has no kernel of its own", hint="leave out --reinstall-kernel"
        )
    used = [ExtraSource((each.suite,), each.components) for each in manifest.build.apt_sources]
    own = image_sources(manifest.distro, manifest.codename, used)
    root = archive.open(own, manifest.arch, manifest.distro)
    root.refresh()
    names = [f"{name}={version}" for name, version in kernels.items()]
    found = [each for each in predict(root, names) if each.package.name in kernels]
    if {each.package.name for each in found} != set(kernels):
        raise InfrastructureError(
            f"the archive no longer has the kernel of {manifest.name}-{manifest.serial}",
            hint=f"build a new one: fai-forge build {manifest.name}",
        )
    DebCache(archive.cache.debs).fetch(root, found, folder, lambda _done, _total: None)
    return tuple(folder / each.paths[0] for each in found)
