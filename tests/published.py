# SPDX-License-Identifier: GPL-2.0-or-later
"""A store with synthetic builds, for tests of what lies beside images and of the exports."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from builder.manifest import model
from builder.manifest.decision import Decision, Published, Reason
from builder.store import incus_metadata
from builder.store.index import Build, Digest, Image, SeriesEntry, StoreIndex, folder

WHEN = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
PACKAGES = (
    ("bash", "5.2.37-2+b5", "amd64", "bash", "5.2.37-2"),
    ("cloud-init", "25.1.4-1", "all", "cloud-init", "25.1.4-1"),
    ("libc6", "2.41-12+deb13u1", "amd64", "glibc", "2.41-12+deb13u1"),
    ("libc-bin", "2.41-12+deb13u1", "amd64", "glibc", "2.41-12+deb13u1"),
    ("passwd", "1:4.17.4-2", "amd64", "shadow", "1:4.17.4-2"),
    ("shim-signed", "1.47+15.8-1", "amd64", "shim-signed", "1.47"),
)
DECISION = Decision(
    name="debian-13",
    date=WHEN,
    policy="security",
    answer="publish",
    published=Published(serial="20261114", date=datetime(2026, 11, 14, tzinfo=UTC)),
    reasons=(
        Reason(
            kind="security",
            effect="publish",
            rule="security",
            package="glibc",
            old="2.41-12",
            new="2.41-12+deb13u1",
            text="glibc 2.41-12 to 2.41-12+deb13u1, DSA-6001-1",
        ),
    ),
)


def digest(path: Path) -> Digest:
    content = path.read_bytes()
    return Digest(name=path.name, size=len(content), sha256=hashlib.sha256(content).hexdigest())


def package(name: str, version: str, arch: str, source: str, source_version: str) -> model.Package:
    return model.Package(
        name=name,
        version=version,
        arch=arch,
        source=source,
        source_version=source_version,
        origins=("Debian:13.2/stable",),
        in_stable=True,
        auto=False,
    )


def manifest(
    serial: str = "20261121", files: tuple[model.File, ...] = (), **more: Any
) -> model.Manifest:
    """The manifest of a build of debian-13; `more` are other values of its fields."""
    values: dict[str, Any] = {
        "name": "debian-13",
        "serial": serial,
        "title": "Debian 13 (trixie)",
        "distro": "debian",
        "release": "13",
        "codename": "trixie",
        "arch": "amd64",
        "roles": (),
        "classes": (),
        "build": model.Build(
            tool_version="0.1.0",
            fai_version="6.4.3",
            source_date_epoch=int(WHEN.timestamp()),
            date=WHEN,
            job_link="https://ci.example.org/jobs/7",
            command=f"SOURCE_DATE_EPOCH=1795233600 fai-forge build debian-13 --serial {serial}",
            config_space=model.ConfigSpace(digest="c" * 64, files=()),
            commits=(model.SourceCommit(overlay="base", commit="1" * 40, dirty=False),),
            apt_sources=(),
            tools_tree=model.ToolsTree(digest="2" * 64, packages=()),
        ),
        "packages": tuple(package(*row) for row in PACKAGES),
        "installed_bytes": 587137024,
        "files": files,
        "boots": (model.Verdict(name="uefi", verdict="passed"),),
        "decision": DECISION,
    }
    return model.Manifest.model_validate(values | more)


def image(path: Path, form: str) -> model.File:
    """The manifest's entry of a file."""
    content = path.read_bytes()
    return model.File(
        name=path.name,
        format=form,
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        sha512=hashlib.sha512(content).hexdigest(),
        reproducible=True,
    )


def publish(store: Path, serial: str = "20261121", channel: str = "release") -> Build:
    """Put a synthetic build of debian-13, a disk and a tree, into a store; its index's entry."""
    name = f"debian-13-{serial}"
    bare: dict[str, Any] = {"serial": serial, "channel": channel, "published": WHEN}
    empty = Digest(name="none", size=0, sha256="0" * 64)
    where = store / folder("debian-13", Build(**bare, images=(), manifest=empty, sums=empty))
    where.mkdir(parents=True)
    files = []
    for suffix, form in ((".qcow2", "qcow2"), (".rootfs.tar.xz", "rootfs.tar.xz")):
        path = where / f"{name}{suffix}"
        path.write_bytes(f"a synthetic {form} {serial} {channel}\n".encode() * 4096)
        files.append(image(path, form))
    document = manifest(serial, tuple(files))
    metadata = incus_metadata.tarball(document)
    (where / f"{name}{incus_metadata.SUFFIX}").write_bytes(metadata)
    return Build(
        **bare,
        images=tuple(
            Image(
                name=each.name,
                size=each.size,
                sha256=each.sha256,
                format=each.format,
                fingerprint=incus_metadata.fingerprint(metadata, where / each.name),
            )
            for each in document.files
        ),
        manifest=empty,
        sums=empty,
        metadata=digest(where / f"{name}{incus_metadata.SUFFIX}"),
        secure_boot=incus_metadata.starts_signed(document),
    )


def series(*builds: Build, **more: Any) -> SeriesEntry:
    values: dict[str, Any] = {
        "name": "debian-13",
        "title": "Debian 13 (trixie)",
        "distro": "debian",
        "release": "13",
        "codename": "trixie",
        "arch": "amd64",
        "roles": (),
        "builds": builds,
    }
    return SeriesEntry.model_validate(values | more)


def index(*all_series: SeriesEntry) -> StoreIndex:
    return StoreIndex(serial=1, date=WHEN, valid_until=WHEN.replace(month=12), series=all_series)
