# SPDX-License-Identifier: GPL-2.0-or-later
"""What the checks of a tree speak of: what was promised, a check, and what it found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from builder.checks import dpkg
from builder.checks.rootfs import Rootfs
from builder.classes.offline import ClassPromise
from builder.models import DEFAULT_ARCH, Package


@dataclass(frozen=True, order=True)
class AptArchive:
    """One component of one suite at one address, as apt's sources name it."""

    uri: str
    suite: str
    component: str

    def __str__(self) -> str:
        return f"{self.uri} {self.suite} {self.component}".rstrip()


@dataclass(frozen=True)
class Promise:
    """What an image is meant to be, as far as the checks of its tree need to know.

    `epoch` is SOURCE_DATE_EPOCH in seconds. `name` and `serial` say which build it is, empty where
    it is none. `arch` is Debian's name of the architecture. `kernel` is the kernel's package, None
    for an image without one. `resolv_conf` is the symlink target that the network stack wants for
    /etc/resolv.conf; None means that the file must be absent. `apt_archives` are what the image's
    own apt sources must name, no more and no less; None leaves them unchecked. `signed_by` says
    whether each source must name its keyring. `classes` is what each class promises.
    """

    epoch: int
    classes: tuple[ClassPromise, ...] = ()
    name: str = ""
    serial: str = ""
    arch: str = DEFAULT_ARCH
    kernel: str | None = None
    resolv_conf: str | None = None
    hostname: str = "localhost"
    apt_archives: tuple[AptArchive, ...] | None = None
    signed_by: bool = True


@dataclass(frozen=True)
class Subject:
    """A finished tree under test, what was promised of it, and its installed packages."""

    root: Rootfs
    promise: Promise
    packages: Sequence[Package]

    def has_package(self, name: str) -> bool:
        """Whether a package of that name is installed."""
        return any(package.name == name for package in self.packages)

    @cached_property
    def owned(self) -> frozenset[str]:
        """The paths that packages brought; see `builder.checks.dpkg.owned`."""
        return dpkg.owned(self.root)

    @cached_property
    def dpkg(self) -> tuple[dpkg.DpkgPackage, ...]:
        """What dpkg's status says of all packages."""
        return dpkg.packages(self.root)


@dataclass(frozen=True)
class Check:
    """One check: `problems` yields a short text for each thing that is wrong."""

    name: str
    reason: str
    problems: Callable[[Subject], Iterable[str]]


@dataclass(frozen=True)
class CheckResult:
    """What one check found; `detail` is one line, empty when it passed."""

    name: str
    passed: bool
    detail: str = ""
