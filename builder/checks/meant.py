# SPDX-License-Identifier: GPL-2.0-or-later
"""What an image is meant to be, put together for the checks from what the build was told."""

from __future__ import annotations

from collections.abc import Sequence

from builder.archive.sources import Source
from builder.checks.terms import AptArchive, Promise
from builder.classes import ClassPromise, ImageSpec
from builder.models import BuildId, Package

# What /etc/resolv.conf leads to where systemd-resolved answers names.
RESOLVER = "systemd-resolved"
RESOLVED = "../run/systemd/resolve/stub-resolv.conf"


def meant(
    spec: ImageSpec,
    build: BuildId,
    own_sources: Sequence[Source],
    classes: tuple[ClassPromise, ...],
    installed: Sequence[Package],
) -> Promise:
    """What the checks hold a tree against; `own_sources` are those that the image keeps."""
    resolved = any(each.name == RESOLVER for each in installed)
    return Promise(
        epoch=build.epoch,
        classes=classes,
        name=build.name,
        serial=build.serial,
        arch=spec.arch,
        kernel=spec.kernel,
        resolv_conf=RESOLVED if resolved else None,
        apt_archives=tuple(
            AptArchive(source.uri, suite, component)
            for source in own_sources
            for suite in source.suites
            for component in source.components
        ),
    )
