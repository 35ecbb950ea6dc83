# SPDX-License-Identifier: GPL-2.0-or-later
"""Which systemd units of a tree are there, enabled or masked, read from files as systemd does.

Source: systemd.unit(5), "Unit File Load Path"; systemctl(1), "is-enabled".
"""

from __future__ import annotations

from builder.checks.rootfs import Rootfs

# Where units come from, the strongest first.
ETC = "etc/systemd/system"
FOLDERS = (ETC, "usr/local/lib/systemd/system", "usr/lib/systemd/system")
# What `systemctl enable` links units into.
DEPENDENCIES = ("wants", "requires", "upholds")
NOTHING = "/dev/null"
# More aliases of aliases than any unit has.
MAX_ALIASES = 10


def unit_file(root: Rootfs, unit: str) -> str | None:
    """The path of the file or symlink that makes a unit, or None; `x@y.service` is a template's."""
    for name in (unit, template(unit)):
        for folder in FOLDERS:
            if root.exists(f"{folder}/{name}"):
                return f"{folder}/{name}"
    return None


def template(unit: str) -> str:
    """`getty@.service` of `getty@tty1.service`; other units are their own."""
    name, at, rest = unit.partition("@")
    return f"{name}@.{rest.rpartition('.')[2]}" if at else unit


def is_masked(root: Rootfs, unit: str) -> bool:
    """Whether a unit leads to /dev/null, or its file in /etc is empty."""
    path = unit_file(root, unit)
    if path is None:
        return False
    target = root.link(path)
    return target == NOTHING if target is not None else root.size(path) == 0


def is_enabled(root: Rootfs, unit: str) -> bool:
    """Whether something starts a unit: a unit that wants it, or an alias that /etc gives it."""
    if unit_file(root, unit) is None or is_masked(root, unit):
        return False
    names = _names(root, unit)
    wanted = (
        f"{folder}/*.{kind}/{name}" for folder in FOLDERS for kind in DEPENDENCIES for name in names
    )
    return any(root.glob(each) for each in wanted) or any(
        _leads_to(root, path) in names and path.rpartition("/")[2] not in FIXED
        for path in root.glob(f"{ETC}/*")
    )


# Links in /etc that are settings of the machine, and not an alias that enables a unit.
FIXED = ("default.target", "ctrl-alt-del.target")


def _names(root: Rootfs, unit: str) -> frozenset[str]:
    """The unit's own name and those that its aliases lead to."""
    names = {unit}
    here = unit
    for _ in range(MAX_ALIASES):
        path = unit_file(root, here)
        target = _leads_to(root, path) if path is not None else None
        if target is None or target in names:
            break
        names.add(target)
        here = target
    return frozenset(names)


def _leads_to(root: Rootfs, path: str) -> str | None:
    """The name at the end of a symlink, or None."""
    target = root.link(path)
    return target.rpartition("/")[2] if target is not None else None
