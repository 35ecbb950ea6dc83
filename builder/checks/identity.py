# SPDX-License-Identifier: GPL-2.0-or-later
"""What must not be in an image: identities, and traces of the machine and the tools that built it.

Each function is one check, named and given its reason in `builder.checks.offline`.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from builder.checks.terms import Subject

# Files that make a machine unique, or with which two machines would share a secret: each is made
# on the first boot if it is missing.
UNIQUE_FILES: dict[str, str] = {
    "var/lib/systemd/random-seed": "every clone would start with the same random pool",
    "var/lib/systemd/credential.secret": "every clone could read the others' credentials",
    "var/lib/cloud/instance": "cloud-init would take the clone for a machine that it knows",
    "var/lib/cloud/instances/*": "cloud-init would take the clone for a machine that it knows",
    "etc/nvme/hostid": "storage servers would take all clones for one host",
    "etc/nvme/hostnqn": "storage servers would take all clones for one host",
    "etc/ssl/private/ssl-cert-snakeoil.key": "every clone would have the same private key",
}

# Work of FAI, mmdebstrap or apt while building, by the pattern of its path.
BUILD_FILES: dict[str, str] = {
    "usr/sbin/policy-rc.d": "no service would ever be started by its package",
    "etc/apt/apt.conf.d/10fai": "FAI's settings for the installation",
    "etc/apt/apt.conf.d/90fai": "FAI's settings for the installation",
    "etc/apt/apt.conf.d/*mmdebstrap*": "settings for making the base file",
    "etc/dpkg/dpkg.cfg.d/*unsafe-io*": "dpkg would not write safely to disk",
    "tmp/*": "left over by a script",
    "var/tmp/*": "left over by a script",
}

# A command of apt's configuration that sends its traffic elsewhere: Acquire::http::Proxy "...";
PROXY = re.compile(r"^[^/#]*\b(proxy|proxy-auto-detect)\b[^;]*\"[^\"]+\"", re.IGNORECASE)


def machine_id(subject: Subject) -> Iterator[str]:
    """The machine id must be absent, empty or uninitialized."""
    text = subject.root.text("etc/machine-id")
    if text is not None and text.strip() not in ("", "uninitialized"):
        yield f"/etc/machine-id holds {text.strip()}"
    dbus = "var/lib/dbus/machine-id"
    if subject.root.exists(dbus) and subject.root.link(dbus) is None:
        yield f"/{dbus} is a file of its own, not a symlink to /etc/machine-id"


def ssh_host_keys(subject: Subject) -> Iterator[str]:
    """There must be no host keys."""
    yield from (f"/{path} exists" for path in subject.root.glob("etc/ssh/ssh_host_*key*"))


def unique_files(subject: Subject) -> Iterator[str]:
    """None of `UNIQUE_FILES` may exist."""
    yield from _found(subject, UNIQUE_FILES)


def build_files(subject: Subject) -> Iterator[str]:
    """None of `BUILD_FILES` may exist, nor a diversion by FAI."""
    yield from _found(subject, BUILD_FILES)
    # Three lines each: the path, where it went, the package that asked.
    lines = subject.root.lines("var/lib/dpkg/diversions")
    for path, _, package in zip(lines[::3], lines[1::3], lines[2::3], strict=False):
        if package == "fai":
            yield f"{path} is still diverted by FAI"


def apt_leftovers(subject: Subject) -> Iterator[str]:
    """apt's folders must hold no lists, no packages and no caches."""
    for folder in ("var/lib/apt/lists", "var/cache/apt"):
        for entry in subject.root.under(folder):
            # apt's lock files are part of no package, but empty, and made again at once.
            empty_lock = entry.path.endswith("/lock") and entry.info.st_size == 0
            if not entry.is_folder and not empty_lock:
                yield f"/{entry.path} exists"


def proxies(subject: Subject) -> Iterator[str]:
    """apt's configuration must name no proxy."""
    for path in ("etc/apt/apt.conf", *subject.root.glob("etc/apt/apt.conf.d/*")):
        for line in subject.root.lines(path):
            if PROXY.search(line):
                yield f"/{path} names a proxy: {line.strip()}"


def logs(subject: Subject) -> Iterator[str]:
    """Log files may exist, but must be empty."""
    for entry in subject.root.under("var/log"):
        if entry.is_file and entry.info.st_size > 0:
            yield f"/{entry.path} has {entry.info.st_size} bytes"


def resolv_conf(subject: Subject) -> Iterator[str]:
    """/etc/resolv.conf must be the symlink that the network stack wants, or absent."""
    wanted = subject.promise.resolv_conf
    path = "etc/resolv.conf"
    target = subject.root.link(path)
    if not subject.root.exists(path):
        if wanted is not None:
            yield f"/{path} is missing; it must be a symlink to {wanted}"
    elif target is None:
        yield f"/{path} is a file, which names the build host's resolvers"
    elif wanted is None:
        yield f"/{path} is a symlink to {target}; it must be absent"
    elif _absolute(target) != _absolute(wanted):
        yield f"/{path} is a symlink to {target}; it must be one to {wanted}"


def hostname(subject: Subject) -> Iterator[str]:
    """/etc/hostname must be absent, empty, localhost, or the name that was promised."""
    name = (subject.root.text("etc/hostname") or "").strip()
    if name not in ("", "localhost", subject.promise.hostname):
        yield f"/etc/hostname holds {name}"


def _found(subject: Subject, patterns: dict[str, str]) -> Iterator[str]:
    for pattern, reason in patterns.items():
        for path in subject.root.glob(pattern):
            yield f"/{path} exists: {reason}"


def _absolute(target: str) -> str:
    """The target of a symlink in /etc as seen from the root: `../run/x` is `/run/x`."""
    return posixpath.normpath(posixpath.join("/etc", target))
