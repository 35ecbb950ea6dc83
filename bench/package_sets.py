# SPDX-License-Identifier: GPL-2.0-or-later
"""An image's package set beside that of Debian's genericcloud image, as apt predicts both.

    python -m bench.package_sets debian-13-cloud

Both are asked of the same indexes in one run: the packages that a fresh installation would get, and
what they say that they take when installed (Installed-Size, in KiB). Nothing is downloaded but the
indexes.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from debian.deb822 import Deb822

from builder import classes, configspace, paths, pipeline
from builder.archive.aptroot import AptRoot
from builder.archive.predict import predict
from builder.archive.sources import image_sources
from builder.classes import ImageSpec
from builder.install import fai
from builder.install.supplies import Archive
from builder.names import parse
from builder.run import run

GENERICCLOUD = Path(__file__).with_name("genericcloud-13.txt")


@dataclass(frozen=True)
class PackageSet:
    """How many packages a fresh installation has, and their Installed-Size in KiB."""

    packages: int
    installed_kib: int


def debians() -> tuple[str, ...]:
    """What Debian's genericcloud image asks for."""
    lines = GENERICCLOUD.read_text(encoding="utf-8").splitlines()
    return tuple(line for line in lines if not line.startswith("#"))


def ours(spec: ImageSpec) -> tuple[str, ...]:
    """What the classes of one of our images ask for."""
    project = paths.project_root()
    overlays = pipeline.catalogue(project).overlays(spec.classes)
    with tempfile.TemporaryDirectory(prefix="fai-forge-") as folder:
        space = Path(folder, "config")
        configspace.merge(project / "fai-config", overlays, space)
        return fai.wanted_packages(space, spec.classes).packages


def measure(root: AptRoot, wanted: Sequence[str]) -> PackageSet:
    """Ask apt for the whole set."""
    found = predict(root, wanted)
    names = [f"{each.package.name}={each.package.version}" for each in found]
    text = run(["apt-cache", "show", *names], env=root.environment, capture=True).output
    # A version may be in two archives.
    sizes = {one["Package"]: int(one["Installed-Size"]) for one in Deb822.iter_paragraphs(text)}
    return PackageSet(len(found), sum(sizes.values()))


def compare(name: str) -> dict[str, PackageSet]:
    """Both sets, from indexes as they are now."""
    spec = classes.resolve(pipeline.catalogue(paths.project_root()), parse(name))
    own = image_sources(spec.name.distro, spec.codename, spec.sources)
    root = Archive(paths.cache()).open(own, spec.arch, spec.name.distro)
    root.refresh()
    return {name: measure(root, ours(spec)), "genericcloud": measure(root, debians())}


def main() -> int:
    """Print both sets as rows of a table."""
    name = sys.argv[1] if len(sys.argv) > 1 else "debian-13-cloud"
    for label, found in compare(name).items():
        print(f"| {label} | {found.packages} | {found.installed_kib} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
