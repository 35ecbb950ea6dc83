# SPDX-License-Identifier: GPL-2.0-or-later
"""From an entry of `facility.yaml` to its target, by a table of kinds; each is loaded late."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module, metadata
from typing import Final, cast

from builder.errors import UsageError
from builder.facility.kinds import PythonTarget, TargetEntry
from builder.facility.site import Site
from builder.facility.targets.target import Target

GROUP: Final = "fai_forge.targets"
Factory = Callable[[str, TargetEntry, Site], Target]


def _module(name: str) -> Factory:
    """The `open_target` of a module here, which is loaded when it is called."""

    def factory(label: str, entry: TargetEntry, site: Site) -> Target:
        found = import_module(f"builder.facility.targets.{name}").open_target
        return cast("Factory", found)(label, entry, site)

    return factory


def _installed(label: str, entry: TargetEntry, site: Site) -> Target:
    """What a package of the site offers by an entry point, called as the modules here are."""
    assert isinstance(entry, PythonTarget)
    known = metadata.entry_points(group=GROUP)
    found = [each for each in known if each.name == entry.entry_point]
    if not found:
        names = ", ".join(sorted(each.name for each in known)) or "none"
        raise UsageError(
            f"the target {label}: no installed package has the entry point {entry.entry_point}",
            hint=f"install it where fai-forge runs; of {GROUP} there is: {names}",
        )
    try:
        factory = cast("Factory", found[0].load())
    except (ImportError, AttributeError) as error:
        raise UsageError(
            f"the target {label}: {found[0].value} cannot be loaded: {error}",
            hint="mend that package",
        ) from error
    return factory(label, entry, site)


FACTORIES: Final[Mapping[str, Factory]] = {
    "folder": _module("folder"),
    "libvirt": _module("libvirt"),
    "glance": _module("glance"),
    "incus": _module("incus"),
    "python": _installed,
}


def open_target(name: str, entry: TargetEntry, site: Site) -> Target:
    """The target of an entry, by the name that the facility calls it; it is not reached yet.

    Raises UsageError for an entry that cannot be, InfrastructureError where a module of others is
    missing.
    """
    return FACTORIES[entry.kind](name, entry, site)
