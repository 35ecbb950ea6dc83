# SPDX-License-Identifier: GPL-2.0-or-later
"""Traces of the machine that built an image, and of the tools that it was built with.

Each function is one check, named and given its reason in `builder.checks.offline`.
"""

from __future__ import annotations

import fnmatch
import re
import stat
from collections.abc import Iterator, Mapping

from builder.checks.terms import Subject

# Work of FAI, mmdebstrap or apt while building, by the pattern of its path.
BUILD_FILES: dict[str, str] = {
    "usr/sbin/policy-rc.d": "no service would ever be started by its package",
    "etc/apt/apt.conf.d/10fai": "FAI's settings for the installation",
    "etc/apt/apt.conf.d/90fai": "FAI's settings for the installation",
    "etc/apt/apt.conf.d/*mmdebstrap*": "settings for making the base file",
    "etc/dpkg/dpkg.cfg.d/*unsafe-io*": "dpkg would not write safely to disk",
    ".dockerenv": "it says that this is a container",
    "usr/bin/qemu-*-static": "the emulator of the build",
    "var/lib/fai": "FAI's work",
}
# What no image has, wherever it came from.
STRAY_PATHS: dict[str, str] = {
    "etc/mailname": "it is the name of one machine",
    "initrd.img*": "the boot loader finds it in /boot",
    "vmlinu[xz]*": "the boot loader finds it in /boot",
    "core": "a program crashed while the image was built",
    "lost+found": "it belongs to a file system, not to its content",
    "swapfile": "how much swap there is, is for the machine to say",
    "root/.bash_history": "what somebody typed",
    "root/.cache": "left over by a program",
    "root/.gnupg": "left over by a program",
    "root/.lesshst": "what somebody typed",
    "root/.local": "left over by a program",
    "root/.python_history": "what somebody typed",
    "root/.ssh/*": "root's own keys, or the hosts that it knows",
    "root/.viminfo": "what somebody typed",
    "root/.wget-hsts": "which hosts somebody asked",
    "var/mail/*": "somebody's mail",
    "var/crash/*": "a program crashed while the image was built",
}
# Copies of configuration that FAI, dpkg, ucf, systemd or an editor kept.
BACKUPS = ("*.pre_fcopy", "*.dpkg-*", "*.ucf-*", "*.bak", "*.orig", "*.rej", "*.swp", "*~", "*-")
# Where they are looked for.
BACKUP_FOLDERS = ("etc", "root", "boot")
# Folders that a running system fills, or a person.
EMPTY_FOLDERS = ("dev", "media", "mnt", "proc", "run", "srv", "sys", "tmp", "var/tmp")
STICKY_FOLDERS = ("tmp", "var/tmp")
# Folders in which what is secret would be; /usr has keys to test with, which are none.
SECRET_FOLDERS = ("etc", "root", "home", "srv", "opt", "var", "usr/local")
PRIVATE_KEY = re.compile(rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----")
# No key is larger, in bytes.
LARGEST_KEY = 1 << 16
# Keys without words that say so, by name.
KEY_NAMES = ("*.p12", "*.pfx", "*.jks", "secring.gpg")


def build_files(subject: Subject) -> Iterator[str]:
    """None of `BUILD_FILES` may exist, nor a diversion by FAI."""
    yield from found(subject, BUILD_FILES)
    # Three lines each: the path, where it went, the package that asked.
    lines = subject.root.lines("var/lib/dpkg/diversions")
    for path, _, package in zip(lines[::3], lines[1::3], lines[2::3], strict=False):
        if package == "fai":
            yield f"{path} is still diverted by FAI"


def stray_paths(subject: Subject) -> Iterator[str]:
    """None of `STRAY_PATHS` may exist."""
    yield from found(subject, STRAY_PATHS)


def backup_files(subject: Subject) -> Iterator[str]:
    """No backup copy of configuration may be left: it holds what was there before."""
    for folder in BACKUP_FOLDERS:
        for entry in subject.root.under(folder):
            name = entry.path.rpartition("/")[2]
            backup = any(fnmatch.fnmatchcase(name, pattern) for pattern in BACKUPS)
            if backup and not entry.is_folder and entry.path not in subject.owned:
                yield f"/{entry.path} exists"


def empty_folders(subject: Subject) -> Iterator[str]:
    """What is filled at run time must be there and empty, and caches must hold no files."""
    for folder in EMPTY_FOLDERS:
        if not any(
            entry.path == folder and entry.is_folder for entry in subject.root.under(folder)
        ):
            yield f"/{folder} is missing or no folder"
        yield from (f"/{path} exists" for path in subject.root.glob(f"{folder}/*"))
    for entry in subject.root.entries:
        mode = stat.S_IMODE(entry.info.st_mode)
        if entry.path in STICKY_FOLDERS and mode != 0o1777:
            yield f"/{entry.path} has mode {mode:04o}, not 1777"
    for entry in subject.root.under("var/cache"):
        # apt's own folder is another check's.
        if not entry.is_folder and not entry.path.startswith("var/cache/apt/"):
            yield f"/{entry.path} exists"
    promised = {f"home/{name}" for each in subject.promise.classes for name in each.users}
    for path in subject.root.glob("home/*"):
        if path not in promised:
            yield f"/{path} is somebody's home"


def private_keys(subject: Subject) -> Iterator[str]:
    """There must be no private keys, whatever they are for."""
    for folder in SECRET_FOLDERS:
        for entry in subject.root.under(folder):
            if not entry.is_file or not 0 < entry.info.st_size <= LARGEST_KEY:
                continue
            name = entry.path.rpartition("/")[2]
            if any(fnmatch.fnmatchcase(name, pattern) for pattern in KEY_NAMES):
                yield f"/{entry.path} is a store of keys"
            elif PRIVATE_KEY.search((subject.root.tree / entry.path).read_bytes()):
                yield f"/{entry.path} holds a private key"


def logs(subject: Subject) -> Iterator[str]:
    """Log files may exist, but must be empty."""
    for entry in subject.root.under("var/log"):
        if entry.is_file and entry.info.st_size > 0:
            yield f"/{entry.path} has {entry.info.st_size} bytes"


def found(subject: Subject, patterns: Mapping[str, str]) -> Iterator[str]:
    """What exists of these patterns, each with the reason why it must not."""
    for pattern, reason in patterns.items():
        for path in subject.root.glob(pattern):
            yield f"/{path} exists: {reason}"
