# SPDX-License-Identifier: GPL-2.0-or-later
"""What must be in an image: the promised packages, a kernel that can start, sources of updates.

Each function is one check, named and given its reason in `builder.checks.offline`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from debian.deb822 import Deb822

from builder.checks.rootfs import Rootfs
from builder.checks.terms import Subject
from builder.manifest.collect import unfinished

# deb [option=value ...] uri suite component ...
ONE_LINE = re.compile(r"^\s*deb(?:-src)?\s+(?:\[(?P<options>[^\]]*)\]\s*)?(?P<uri>\S+)\s+\S+")
# Options that let packages in that nobody signed.
UNSAFE = ("trusted", "allow-insecure", "allow-weak")
YES = ("yes", "true", "1", "on", "enable", "with")


@dataclass(frozen=True)
class ImageSource:
    """One entry of the image's own apt sources: its URIs and its options in lower case."""

    where: str
    uris: tuple[str, ...]
    options: dict[str, str]


def packages_finished(subject: Subject) -> Iterator[str]:
    """dpkg must have brought every package to its end."""
    yield from unfinished(subject.root.tree)


def packages_promised(subject: Subject) -> Iterator[str]:
    """Every promised package must be installed."""
    for name in subject.promise.packages:
        if not subject.has_package(name):
            yield f"{name} is not installed"


def kernel(subject: Subject) -> Iterator[str]:
    """The promised kernel must be there, and each kernel with its initrd and modules."""
    promised = subject.promise.kernel
    if promised is None:
        return
    if not subject.has_package(promised):
        yield f"{promised} is not installed"
    # Some architectures' kernels are called vmlinux.
    kernels = subject.root.glob("boot/vmlinu[xz]-*")
    if not kernels:
        yield "there is no kernel in /boot"
    for path in kernels:
        version = path.partition("-")[2]
        if not subject.root.size(f"boot/initrd.img-{version}"):
            yield f"/boot/initrd.img-{version} is missing or empty"
        if not subject.root.exists(f"usr/lib/modules/{version}"):
            yield f"/usr/lib/modules/{version} is missing"


def apt_sources(subject: Subject) -> Iterator[str]:
    """There must be apt sources, each with its key, none of them unsigned."""
    sources = tuple(_sources(subject.root))
    if not sources:
        yield "there are no apt sources, so no updates"
    for source in sources:
        signed_by = source.options.get("signed-by", "")
        if not signed_by and subject.promise.signed_by:
            yield f"{source.where} does not say which key signs it (Signed-By)"
        for keyring in _keyrings(signed_by):
            if not subject.root.size(keyring):
                yield f"{source.where} names {keyring}, which is missing or empty"
        for option in UNSAFE:
            if source.options.get(option, "no").lower() in YES:
                yield f"{source.where} has {option}: packages need no signature"


def apt_uris(subject: Subject) -> Iterator[str]:
    """The sources must name exactly the promised URIs."""
    if subject.promise.apt_uris is None:
        return
    wanted = {uri.rstrip("/") for uri in subject.promise.apt_uris}
    found = {uri.rstrip("/") for source in _sources(subject.root) for uri in source.uris}
    yield from (f"{uri} is not meant to be a source" for uri in sorted(found - wanted))
    yield from (f"{uri} is missing in the sources" for uri in sorted(wanted - found))


def _keyrings(signed_by: str) -> tuple[str, ...]:
    """The files that a Signed-By names; it may hold fingerprints as well, or a whole key."""
    if "-----BEGIN" in signed_by:
        return ()
    return tuple(word for word in re.split(r"[\s,]+", signed_by) if word.startswith("/"))


def _sources(root: Rootfs) -> Iterator[ImageSource]:
    """The enabled entries of sources.list(5), of both styles."""
    for path in ("etc/apt/sources.list", *root.glob("etc/apt/sources.list.d/*.list")):
        for number, line in enumerate(root.lines(path), 1):
            if match := ONE_LINE.match(line):
                pairs = (word.partition("=") for word in (match["options"] or "").split())
                options = {key.rstrip("+-").lower(): value for key, _, value in pairs}
                yield ImageSource(f"/{path}:{number}", (match["uri"],), options)
    for path in root.glob("etc/apt/sources.list.d/*.sources"):
        for entry in Deb822.iter_paragraphs(root.lines(path), use_apt_pkg=False):
            if entry.get("Enabled", "yes").lower() in YES:
                options = {key.lower(): value.strip() for key, value in entry.items()}
                yield ImageSource(f"/{path}", tuple(options.get("uris", "").split()), options)
