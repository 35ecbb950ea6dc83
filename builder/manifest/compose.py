# SPDX-License-Identifier: GPL-2.0-or-later
"""Put the manifest of one build together from what the other rooms know."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from builder import __version__, provenance
from builder.classes import ImageSpec
from builder.configspace import BASE, ConfigSpace
from builder.install import fai
from builder.install.rootfs import Recipe
from builder.manifest import collect, model
from builder.manifest.decision import Decision
from builder.models import AptSource, BuildId
from builder.sites.outside import Outside


def manifest(
    spec: ImageSpec,
    config: ConfigSpace,
    build: BuildId,
    *,
    releases: Sequence[AptSource],
    origins: Mapping[tuple[str, str], tuple[str, ...]],
    tree: Path,
    tools: Recipe,
    emulator: str | None,
    files: Sequence[collect.Produced],
    checks: Sequence[model.Verdict],
    command: str,
    project: Path,
    brought: Mapping[str, str],
    overlays: Sequence[Outside],
    decision: Decision | None = None,
) -> model.Manifest:
    """The manifest of a finished build.

    `origins` are by package name and version; `brought` names the overlay of each class; `overlays`
    are those from outside of the project; `decision` is what asked for the build.
    """
    installed = collect.packages(
        tree, {(*key, arch): found for key, found in origins.items() for arch in (spec.arch, "all")}
    )
    return model.Manifest(
        name=build.name,
        serial=build.serial,
        title=spec.title,
        distro=spec.name.distro,
        release=spec.name.release,
        codename=spec.codename,
        arch=spec.arch,
        roles=spec.name.roles,
        classes=tuple(
            model.FaiClass(name=name, overlay=brought.get(name, BASE)) for name in spec.classes
        ),
        build=model.Build(
            tool_version=__version__,
            fai_version=fai.version(),
            source_date_epoch=build.epoch,
            date=datetime.now(UTC).replace(microsecond=0),
            job_link=provenance.job_link(),
            command=command,
            config_space=_config_space(config),
            commits=_commits(project, overlays),
            apt_sources=tuple(model.AptSource.of(source) for source in releases),
            tools_tree=model.ToolsTree(
                digest=tools.digest,
                packages=tuple(
                    model.ToolPackage(name=each.package.name, version=each.package.version)
                    for each in tools.candidates
                ),
            ),
            emulator=emulator,
            host=model.Host(debian_version=provenance.debian_version(), kernel=os.uname().release),
        ),
        packages=collect.entries(installed),
        installed_bytes=collect.installed_bytes(tree),
        files=collect.describe_files(files),
        checks=tuple(checks),
        decision=decision,
    )


def _config_space(config: ConfigSpace) -> model.ConfigSpace:
    return model.ConfigSpace(
        digest=config.digest,
        files=tuple(
            model.ConfigFile(path=origin.path, overlay=origin.overlay, sha256=origin.sha256)
            for origin in config.origins
        ),
    )


def _commits(project: Path, overlays: Sequence[Outside]) -> tuple[model.SourceCommit, ...]:
    """All of the project's own overlays are in one repository; each from outside is in its own."""
    folders = [(BASE, project, None), *((each.label, each.path, each.origin) for each in overlays)]
    found = ((label, provenance.revision(path), origin) for label, path, origin in folders)
    return tuple(
        model.SourceCommit(
            overlay=label, commit=revision.commit, dirty=revision.dirty, origin=origin
        )
        for label, revision, origin in found
    )
