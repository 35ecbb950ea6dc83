# SPDX-License-Identifier: GPL-2.0-or-later
"""From an entry of `facility.yaml` to its remote: one module for each kind."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Final, cast

from builder.facility import kinds
from builder.facility.kinds import RemoteEntry
from builder.facility.site import Site
from builder.imports.offers import Remote

# The module, below this package, whose `open_remote(name, entry, site)` makes it; it is imported
# when a site has one of its kind.
MODULES: Final[Mapping[type[kinds.Entry], str]] = {
    kinds.StoreRemote: "store",
    kinds.SimplestreamsRemote: "simplestreams",
    kinds.GithubRemote: "github",
    kinds.GitlabRemote: "gitlab",
    kinds.TemplateRemote: "template",
}


def open_remote(name: str, entry: RemoteEntry, site: Site) -> Remote:
    """The remote of an entry; nothing is asked of it yet."""
    module = import_module(f"builder.facility.remotes.{MODULES[type(entry)]}")
    return cast(Remote, module.open_remote(name, entry, site))
