# SPDX-License-Identifier: GPL-2.0-or-later
"""What must be in an image: the promised packages, each finished, and no programs beside them.

Each function is one check, named and given its reason in `builder.checks.offline`.
"""

from __future__ import annotations

from collections.abc import Iterator

from builder.checks.terms import Subject
from builder.manifest.collect import unfinished


def packages_finished(subject: Subject) -> Iterator[str]:
    """dpkg must have brought every package to its end, and nothing may keep it from going on."""
    yield from unfinished(subject.root.tree)
    for each in subject.dpkg:
        if each.want == "hold":
            yield f"{each.name} is on hold, so it gets no updates"
        elif each.status == "config-files":
            yield f"{each.name} was removed, and its configuration was left"


def packages_promised(subject: Subject) -> Iterator[str]:
    """Every package that a class promises must be installed."""
    for promise in subject.promise.classes:
        for name in promise.packages:
            if not subject.has_package(name):
                yield f"{promise.name}: {name} is not installed"


def foreign_programs(subject: Subject) -> Iterator[str]:
    """Every program in /usr/bin and /usr/sbin must come from a package, and so get its updates.

    The qemu-user that an emulated installation leaves behind is one that does not. Symlinks are
    left out: alternatives are made by packages' scripts.
    """
    for folder in ("usr/bin", "usr/sbin"):
        for entry in subject.root.under(folder):
            if entry.is_file and entry.path not in subject.owned:
                yield f"/{entry.path} comes from no package"
