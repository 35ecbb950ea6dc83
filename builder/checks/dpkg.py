# SPDX-License-Identifier: GPL-2.0-or-later
"""What dpkg's database in a tree says: the state of each package, and the files that are theirs."""

from __future__ import annotations

import re
from dataclasses import dataclass

from debian.deb822 import Packages

from builder.checks.rootfs import Rootfs

STATUS = "var/lib/dpkg/status"
INFO = "var/lib/dpkg/info"
DIVERSIONS = "var/lib/dpkg/diversions"
# Folders that have become symlinks into /usr, while packages still name them.
MERGED = re.compile(r"^(?:bin|sbin|lib[a-z0-9]*)/")


@dataclass(frozen=True)
class DpkgPackage:
    """A package as dpkg sees it: the three words of its Status, and the names that it depends on.

    Of alternatives (`a | b`), `depends` has all.
    """

    name: str
    want: str
    flag: str
    status: str
    depends: tuple[str, ...]


def packages(root: Rootfs) -> tuple[DpkgPackage, ...]:
    """All that dpkg has heard of; nothing where there is no dpkg."""
    found = []
    for entry in Packages.iter_paragraphs(root.lines(STATUS), use_apt_pkg=False):
        want, flag, status = (*entry.get("Status", "").split(), "", "", "")[:3]
        names = re.split(r"[,|]", entry.get("Depends", ""))
        depends = tuple(re.split(r"[\s(:]", name.strip())[0] for name in names if name.strip())
        found.append(DpkgPackage(entry.get("Package", ""), want, flag, status, depends))
    return tuple(found)


def owned(root: Rootfs) -> frozenset[str]:
    """All paths of packages, relative to the tree, and those that files of theirs have instead."""
    paths = {line for path in root.glob(f"{INFO}/*.list") for line in root.lines(path)}
    paths |= {line for line in root.lines(DIVERSIONS) if line.startswith("/")}
    return frozenset(merged(path) for path in paths)


def merged(path: str) -> str:
    """A path as it is after the merge of / and /usr, relative to the tree."""
    relative = path.lstrip("/")
    return f"usr/{relative}" if MERGED.match(relative) else relative
