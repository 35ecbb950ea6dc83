# SPDX-License-Identifier: GPL-2.0-or-later
"""What `boot` and `run` share: which image is meant, and the arguments of a guest."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from builder import names
from builder.builds import Built
from builder.cli import common
from builder.errors import UsageError
from builder.guest import machines
from builder.guest.accel import AUTO, CHOICES
from builder.guest.containers import CONTAINER, FORMAT, SUFFIX
from builder.guest.containers.container import check_arch, runs_here
from builder.guest.guest import CLOUD_INIT, CREDENTIALS, LOGINS
from builder.guest.trials import Trial
from builder.manifest import document
from builder.manifest.model import Manifest
from builder.models import ARCHES, DEFAULT_ARCH

# Formats that a guest can start from, best first.
BOOTABLE = (".qcow2", ".zlib.qcow2", ".raw")


@dataclass(frozen=True)
class Target:
    """A disk to boot; `built` and `manifest` are there if it is a build of ours.

    `login` is the way in: by cloud-init if the image has it, else by systemd credentials.
    """

    image: Path
    arch: str
    login: str
    built: Built | None = None
    manifest: Manifest | None = None


def add_guest(parser: argparse.ArgumentParser) -> None:
    """What both verbs want to know."""
    parser.add_argument(
        "image", metavar="NAME|FILE", help="an image's name, its newest build is meant; or a disk"
    )
    parser.add_argument("--arch", choices=tuple(ARCHES), help="of a FILE (default: amd64)")
    parser.add_argument(
        "--accel",
        choices=CHOICES,
        default=AUTO,
        help="kvm, tcg (emulation, slow), or auto: try whether KVM really works (default)",
    )
    parser.add_argument(
        "--timeout-factor",
        type=float,
        default=1.0,
        metavar="N",
        help="multiplies all time limits, for slow machines",
    )
    parser.add_argument(
        "--login",
        choices=LOGINS,
        help="the way into a FILE without cloud-init is credentials (default: cloud-init)",
    )
    common.add_out(parser)


def find(arguments: argparse.Namespace, suffixes: Sequence[str] = BOOTABLE) -> Target:
    """The disk that was asked for; a UsageError says how to get it.

    Of a build, the first of these formats that it has.
    """
    path = Path(arguments.image)
    # A file is named with its folder or its suffix; everything else is an image's name.
    if "/" in arguments.image or path.is_file():
        if not path.is_file():
            raise UsageError(f"there is no file {path}", hint="name a disk image, or an image")
        return Target(
            path.absolute(), arguments.arch or DEFAULT_ARCH, arguments.login or CLOUD_INIT
        )
    built = common.builds(arguments).find(names.parse(arguments.image))
    manifest = document.load(built.manifest)
    login = arguments.login or login_of(manifest)
    for suffix in suffixes:
        if built.file(suffix).exists():
            return Target(built.file(suffix), manifest.arch, login, built, manifest)
    raise UsageError(
        f"{built} has no format that can be booted", hint="build it with --format qcow2"
    )


def login_of(manifest: Manifest) -> str:
    """The way into an image with these packages."""
    has_cloud_init = any(each.name == "cloud-init" for each in manifest.packages)
    return CLOUD_INIT if has_cloud_init else CREDENTIALS


def tarball(target: Target) -> Path | None:
    """The root file system that a container can start from, if there is one."""
    if target.built is None:
        return target.image if target.image.name.endswith(SUFFIX) else None
    path = target.built.file(SUFFIX)
    return path if path.exists() else None


def kinds(target: Target) -> tuple[str, ...]:
    """All ways to start a target: the firmware kinds of a disk, and a container where it can be."""
    root = tarball(target)
    disk = () if root == target.image else firmware_kinds(target)
    return (*disk, CONTAINER) if root is not None and (runs_here(target.arch) or not disk) else disk


def trial(target: Target, kind: str) -> Trial:
    """How to start a target in one way.

    UsageError for a way in which it cannot start, InfrastructureError where this machine cannot.
    """
    root = tarball(target)
    if kind == CONTAINER:
        if root is None:
            raise UsageError(
                f"{target.image.name} has no root file system's tarball to start as a container",
                hint=f"build it with --format {FORMAT}",
            )
        check_arch(target.arch)
        return Trial(kind, root, target.login)
    if root == target.image:
        raise UsageError(
            f"{target.image.name} is no disk, and has no firmware {kind}",
            hint=f"use --firmware {CONTAINER}",
        )
    machines.firmware(target.arch, kind)
    return Trial(kind, target.image, target.login)


def firmware_kinds(target: Target) -> tuple[str, ...]:
    """The firmware kinds that a target is booted with where nobody says which.

    Of a build these are what its packages promise, of a file all that are installed here.
    """
    if target.manifest is None:
        kinds = machines.installed(target.arch)
        if not kinds:
            machines.firmware(target.arch, next(iter(machines.machine(target.arch).firmware)))
        return kinds
    kinds = machines.promised(target.arch, {each.name for each in target.manifest.packages})
    if not kinds:
        known = ", ".join(machines.machine(target.arch).firmware)
        raise UsageError(
            f"{target.built} has no boot loader that is known here",
            hint=f"say with --firmware what starts it: {known}",
        )
    return kinds
