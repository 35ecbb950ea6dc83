# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel's command line: what GRUB's menu gives now, and what its settings will give again."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from builder.checks.rootfs import Rootfs
from builder.checks.terms import Subject

MENU = "boot/grub/grub.cfg"
# In the order in which update-grub reads them.
SETTINGS = ("etc/default/grub", "etc/default/grub.d/*.cfg")
# What each kernel is given, and what is given beyond that outside of recovery mode.
VARIABLES = ("GRUB_CMDLINE_LINUX", "GRUB_CMDLINE_LINUX_DEFAULT")
ASSIGNMENT = re.compile(r"^\s*(?:export\s+)?(?P<name>[A-Za-z_]\w*)=(?P<value>.*)$")
USE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
# A menu's line that loads a kernel: linux /boot/vmlinuz-6.12 root=UUID=... ro
LINUX = re.compile(r"^\s*linux(?:efi|16)?\s+(?P<words>\S.*)$")
# The word of an entry for recovery, which has fewer words on purpose.
RECOVERY = "single"


def kernel_command_line(subject: Subject) -> Iterator[str]:
    """Every menu entry must have the promised words, those of GRUB's settings, and the root."""
    if subject.promise.kernel is None:
        return
    settings = configured(subject.root)
    entries = menu_entries(subject.root)
    if not entries:
        yield f"/{MENU} starts no kernel"
    for promise in subject.promise.classes:
        for word in promise.command_line:
            if any(word not in words for words in entries.values()):
                yield f"{promise.name}: {word} is missing in /{MENU}"
            if word not in settings:
                yield f"{promise.name}: {word} is not in GRUB's settings, and gone after an upgrade"
    root = _root(subject.root)
    for line, words in entries.items():
        for word in settings:
            if word not in words:
                yield f"/{MENU}:{line} lacks {word}, which GRUB's settings have"
        roots = [word for word in words if word.startswith("root=")]
        if roots != [f"root={root}"]:
            told = " and ".join(roots) or "no root="
            yield f"/{MENU}:{line} has {told}, and /etc/fstab has {root or 'no root'}"


def configured(root: Rootfs) -> tuple[str, ...]:
    """The words that GRUB's settings give to a kernel that is started in the ordinary way."""
    values: dict[str, str] = {}
    for pattern in SETTINGS:
        for path in root.glob(pattern):
            for line in root.lines(path):
                if match := ASSIGNMENT.match(line):
                    values[match["name"]] = _value(match["value"], values)
    return tuple(word for name in VARIABLES for word in values.get(name, "").split())


def menu_entries(root: Rootfs) -> dict[int, tuple[str, ...]]:
    """The words of each entry of GRUB's menu but those for recovery, by the number of the line."""
    matches = {number: LINUX.match(line) for number, line in enumerate(root.lines(MENU), 1)}
    entries = {number: tuple(m["words"].split()) for number, m in matches.items() if m}
    return {number: words for number, words in entries.items() if RECOVERY not in words}


def _value(text: str, values: dict[str, str]) -> str:
    """A value as the shell would have it; one that runs a command counts as it is written."""
    try:
        words = shlex.split(text, comments=True)
    except ValueError:
        return text
    value = words[0] if words else ""
    return USE.sub(lambda use: values.get(use[1] or use[2], ""), value)


def _root(root: Rootfs) -> str | None:
    """What /etc/fstab mounts as the root file system."""
    for line in root.lines("etc/fstab"):
        fields = line.split()
        if len(fields) > 1 and not line.startswith("#") and fields[1] == "/":
            return fields[0]
    return None
