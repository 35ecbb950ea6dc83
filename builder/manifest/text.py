# SPDX-License-Identifier: GPL-2.0-or-later
"""The `.manifest` text beside an image: what `dpkg-query --show` prints inside it.

Ubuntu publishes such a file with each of its images, so tools know how to read it.
"""

from __future__ import annotations

from builder.manifest.model import Manifest, Package

# Architectures that never make a package foreign.
EVERYWHERE = ("all", "none", "")


def manifest_text(manifest: Manifest) -> str:
    """One `package<TAB>version` line for each package, in dpkg's order."""
    return "".join(
        f"{binary_package(package, manifest.arch)}\t{package.version}\n"
        for package in manifest.packages
    )


def binary_package(package: Package, native: str) -> str:
    """dpkg's ${binary:Package}: with `:arch` where the name alone could mean another package.

    That is for Multi-Arch: same, and for packages of an architecture that is not the image's
    (`native`). Source: dpkg-query(1), binary:Package.
    """
    foreign = package.arch not in (native, *EVERYWHERE)
    if package.multi_arch == "same" or foreign:
        return f"{package.name}:{package.arch}"
    return package.name
