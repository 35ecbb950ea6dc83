# SPDX-License-Identifier: GPL-2.0-or-later
"""`fai-forge doctor`: can this machine build and boot images, and what is missing?"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from builder import paths
from builder.archive import sources
from builder.archive.aptroot import dates_unchecked
from builder.cli import common
from builder.errors import ForgeError, InfrastructureError
from builder.facility.targets import incus
from builder.guest import machines
from builder.guest.containers import choice
from builder.install import binfmt, sandbox, workspace
from builder.models import DEFAULT_ARCH
from builder.run import TOOLS

DESCRIPTION = """\
Check what building and booting images needs: programs, namespaces, mirrors and keys, memory and
disk space. Each finding says what to do. The exit code is 4 if something is missing that every
machine needs; what only booting images of other architectures, or as containers, or putting them
into Incus needs is marked with --.
"""
GIB = 1 << 30
# Targets are loaded when they are used: here, so that what they call is known.
TARGETS = (incus,)
# A warm cache of one image takes about 0.5 GiB, and a build about 1 GiB more.
SPACE_WANTED = 3 * GIB


@dataclass(frozen=True)
class _Finding:
    what: str
    good: bool
    detail: str
    hint: str = ""
    # What most machines need not do: it is said, and no failure.
    optional: bool = False

    @property
    def mark(self) -> str:
        return "ok" if self.good else "--" if self.optional else "NO"


def _findings(out: Path) -> Iterator[_Finding]:
    for tool in sorted(TOOLS.values(), key=lambda tool: tool.name):
        path = tool.path()
        yield _Finding(
            tool.name,
            path is not None,
            f"to {tool.purpose}",
            "" if path else f"apt-get install {tool.package}",
            tool.optional,
        )
    for arch in machines.MACHINES:
        yield _firmware(arch)
    yield _tried("namespaces", sandbox.check, "a sandbox can be made")
    for arch in binfmt.FORMATS:
        yield _tried(f"programs of {arch}", partial(sandbox.emulation, arch), "they run here")
    yield _tried("mirror", _mirror, "this machine's apt names one")
    yield _dates()
    yield _containers()
    yield _tried("keyring", lambda: sources.keyring("debian"), "Debian's archive can be verified")
    yield _space("cache", paths.cache().root)
    yield _space("out", out)
    memory = workspace.available_memory()
    roomy = workspace.fits(3 * GIB)
    where = "images are put together in memory" if roomy else "images are put together on disk"
    yield _Finding("memory", True, f"{memory / GIB:.1f} GiB available: {where}")


def _firmware(arch: str) -> _Finding:
    """Which firmware kinds guests of an architecture can have here."""
    kinds = machines.machine(arch).firmware
    there = machines.installed(arch)
    lacking = [kinds[name].candidates[-1].package for name in kinds if name not in there]
    return _Finding(
        f"firmware of {arch}",
        not lacking,
        f"to boot images by {', '.join(kinds)}",
        f"apt-get install {' '.join(dict.fromkeys(lacking))}" if lacking else "",
        arch != DEFAULT_ARCH,
    )


def _mirror() -> None:
    mirrors = sources.host_mirrors()
    if mirrors.security is None:
        raise InfrastructureError(
            "this machine's apt sources name no security archive",
            hint="give --security-mirror URL when building",
        )


def _dates() -> _Finding:
    """A frozen mirror is its administrator's choice, and hides that it is not updated any more."""
    off = dates_unchecked()
    detail = f"a mirror that is not updated any more is not found out: {off} false"
    return _Finding("mirror's dates", True, detail if off else "an index that expired is refused")


def _containers() -> _Finding:
    """Which program starts them here, and why not one before it; images boot without them."""
    findings = choice.looks(paths.cache().guests)
    works = next((each.tool.name for each in findings if not each.why_not), None)
    others = "; ".join(f"{each.tool.name}: {each.why_not}" for each in findings if each.why_not)
    told = f"started by {works}" if works else "none can be started"
    return _Finding(
        "containers",
        works is not None,
        f"{told} ({others})" if others else told,
        "" if works else choice.advice(findings),
        optional=True,
    )


def _tried(what: str, call: Callable[[], object], good: str) -> _Finding:
    try:
        call()
    except ForgeError as error:
        return _Finding(what, False, error.message, error.hint)
    return _Finding(what, True, good)


def _space(what: str, folder: Path) -> _Finding:
    there = folder
    while not there.exists():
        there = there.parent
    free = shutil.disk_usage(there).free
    return _Finding(
        what,
        free >= SPACE_WANTED,
        f"{folder}: {free / GIB:.1f} GiB free",
        "" if free >= SPACE_WANTED else f"free some space: {SPACE_WANTED / GIB:.0f} GiB are wanted",
    )


def _arguments(parser: argparse.ArgumentParser) -> None:
    common.add_out(parser)
    common.add_json(parser)


def _call(arguments: argparse.Namespace) -> int:
    found = list(_findings(arguments.out.absolute()))
    if arguments.json:
        common.print_json(found)
    else:
        width = max(len(finding.what) for finding in found)
        for finding in found:
            print(f"{finding.mark}  {finding.what:<{width}}  {finding.detail}")
            for line in finding.hint.splitlines():
                print(f"    {'':<{width}}  {line}")
    fine = all(finding.good or finding.optional for finding in found)
    return 0 if fine else InfrastructureError.exit_code


VERB = common.Verb("doctor", "check what this machine lacks", DESCRIPTION, _arguments, _call)
