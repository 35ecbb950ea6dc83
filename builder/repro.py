# SPDX-License-Identifier: GPL-2.0-or-later
"""Is an image the same bit for bit when it is built again? And if not, which files differ?"""

from __future__ import annotations

from dataclasses import dataclass

from builder.archive.sources import default_sources
from builder.builds import Built
from builder.disk.compare import Difference, differing_paths
from builder.disk.formats import DISK_RAW
from builder.errors import UsageError
from builder.install import rootfs, sandbox, tools, workspace
from builder.install.supplies import Archive
from builder.manifest import document
from builder.manifest.model import Manifest

RAW = "raw"
# As much of a digest as a person needs to see.
SHORT = 12


@dataclass(frozen=True)
class FileVerdict:
    """One file of two builds: its name, both sha256, and whether they are the same."""

    name: str
    first: str
    second: str

    @property
    def same(self) -> bool:
        """Whether both builds gave the same bytes."""
        return self.first == self.second


def compare(first: Manifest, second: Manifest) -> tuple[FileVerdict, ...]:
    """Hold the files that both builds have against each other."""
    other = {each.format: each for each in second.files}
    verdicts = [
        FileVerdict(each.name, each.sha256, other[each.format].sha256)
        for each in first.files
        if each.format in other
    ]
    if not verdicts:
        raise UsageError(
            "the two builds have no format in common", hint="build both with --format raw"
        )
    return tuple(verdicts)


def package_changes(first: Manifest, second: Manifest) -> tuple[str, ...]:
    """What the package sets differ in: the usual reason, since the archive moves on."""
    one = {f"{each.name}:{each.arch}": each.version for each in first.packages}
    two = {f"{each.name}:{each.arch}": each.version for each in second.packages}
    return tuple(
        f"{name}: {one.get(name, 'absent')} / {two.get(name, 'absent')}"
        for name in sorted(one.keys() | two.keys())
        if one.get(name) != two.get(name)
    )


def input_changes(first: Manifest, second: Manifest) -> tuple[str, ...]:
    """What went into two builds and was not the same, beside the packages."""
    sides = [
        {
            "fai-forge": build.tool_version,
            "config space": build.config_space.digest[:SHORT],
            "tools tree": build.tools_tree.digest[:SHORT],
        }
        for build in (first.build, second.build)
    ]
    return tuple(
        f"{what}: {one} / {sides[1][what]}"
        for what, one in sides[0].items()
        if one != sides[1][what]
    )


def differences(first: Built, second: Built, archive: Archive) -> tuple[Difference, ...]:
    """Which files differ between the raw disks of two builds; must run inside the sandbox."""
    sandbox.furnish()
    manifest = document.load(first.manifest)
    disks = [built.file(f".{RAW}") for built in (first, second)]
    size = disks[0].stat().st_size
    with workspace.open_workspace("auto", size, archive.cache) as space:
        own = default_sources(tools.DISTRO, tools.SUITE)
        recipe = tools.recipe(archive.open(own, tools.native_arch(), tools.DISTRO))
        tree = rootfs.cached(archive.cache.rootfs, recipe)
        if tree is None:
            raise UsageError(
                "the tools tree is not in the cache any more", hint="run repro-check again"
            )
        rootfs.unpack(tree, space.tools)
        toolbox = tools.ToolsTree(space.tools)
        # Seen from the tools tree, too.
        copies = [space.scratch / f"{number}-{DISK_RAW}" for number, _ in enumerate(disks)]
        toolbox.mount()
        for disk, copy in zip(disks, copies, strict=True):
            toolbox.bring_in(disk, copy)
        work = space.scratch / "compare"
        work.mkdir()
        return differing_paths(*copies, arch=manifest.arch, tools=toolbox, work=work)
