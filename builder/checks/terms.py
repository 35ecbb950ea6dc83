# SPDX-License-Identifier: GPL-2.0-or-later
"""What the checks of a tree speak of: what was promised, a check, and what it found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from builder.checks.rootfs import Rootfs
from builder.models import Package


@dataclass(frozen=True)
class Promise:
    """What an image is meant to be, as far as the checks of its tree need to know.

    `epoch` is SOURCE_DATE_EPOCH in seconds. `resolv_conf` is the symlink target that the network
    stack wants for /etc/resolv.conf; None means that the file must be absent. `apt_uris` are the
    URIs that the image's own apt sources must name, no more and no fewer; None leaves them
    unchecked. `signed_by` says whether each source must name its keyring. `kernel` is the kernel
    package, None for an image without one.
    """

    epoch: int
    packages: tuple[str, ...] = ()
    kernel: str | None = None
    resolv_conf: str | None = None
    hostname: str = "localhost"
    apt_uris: tuple[str, ...] | None = None
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
