# SPDX-License-Identifier: GPL-2.0-or-later
"""A store as it may be after some months: the images of images.yaml, and a few of other releases.

One series has an unverified build, one failed boots, one removed and hidden builds, one nothing
but removed ones, and one that nobody knows anything of.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from builder import images, names
from builder.manifest.model import Verdict
from builder.store.finder.facts import BuildFacts, StoreFacts, Why
from builder.store.index import (
    Build,
    Digest,
    Image,
    SeriesEntry,
    State,
    StoreIndex,
    TagEntry,
    folder,
)

PROJECT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 21, 17, 0, tzinfo=UTC)
MIB = 1024**2
# Beside the rows of images.yaml: a distribution with long titles, and other formats.
MORE = {
    "ubuntu-2404": ("Ubuntu 24.04 LTS (Noble Numbat)", ("qcow2",), "release", "security"),
    "ubuntu-2404-hypervisor-arm64": (
        "Ubuntu 24.04 LTS (Noble Numbat), KVM host, arm64",
        ("qcow2", "vmdk", "raw.zst"),
        "release",
        "reboot-required",
    ),
}
FIRMWARE = {
    "amd64": ("bios", "uefi", "secureboot"),
    "arm64": ("uefi",),
    "ppc64el": ("slof",),
    "riscv64": ("uefi",),
}
UPDATES = (
    "1 security update: openssl",
    "3 security updates: glibc, linux, systemd; 4 other updates",
    "the classes' files or settings changed",
    "older than 90 days: published on 2026-06-02",
    "nothing is published yet",
)
SUFFIXES = (
    "changelog.json",
    "changelog.md",
    "console-uefi.log",
    "decision.json",
    "fai.log.gz",
    "junit.xml",
    "manifest",
    "manifest.json",
    "report.html",
    "spdx.json",
    "cdx.json",
)


def digest(text: str) -> str:
    """A sha256 that is the same for the same text."""
    return hashlib.sha256(text.encode()).hexdigest()


def build(series: str, day: datetime, formats: Iterable[str] = ("qcow2",), **other: Any) -> Build:
    """A build of a day; its size is a little different each day."""
    serial = f"{day:%Y%m%d}"
    name = f"{series}-{serial}"
    more = int(digest(name)[:2], 16) // 16 + (day - datetime(2026, 1, 1, tzinfo=UTC)).days // 10
    return Build(
        **{
            "serial": serial,
            "channel": "release",
            "published": day,
            "images": tuple(
                Image(
                    name=f"{name}.{each}",
                    size=(270 + 40 * number + more) * MIB,
                    sha256=digest(f"{name}.{each}"),
                    format=each,
                )
                for number, each in enumerate(formats)
            ),
            "manifest": Digest(name=f"{name}.manifest.json", size=180_000, sha256=digest(name)),
            "sums": Digest(name="SHA256SUMS", size=900, sha256=digest(name)),
            **other,
        }
    )


def entry(name: str, builds: Iterable[Build], title: str | None = None) -> SeriesEntry:
    """A series with builds, oldest first."""
    parsed = names.parse(name)
    return SeriesEntry(
        name=name,
        title=title or names.title(parsed),
        distro=parsed.distro,
        release=parsed.release,
        codename=names.codename(parsed),
        arch=parsed.arch,
        roles=parsed.roles,
        builds=tuple(builds),
    )


def facts(series: str, one: Build, arch: str, failed: bool = False) -> BuildFacts:
    """What is known of a build: all is well with it, or two checks and a boot failed."""
    name = f"{series}-{one.serial}"
    bad = ("setuid", "size-budget") if failed else ()
    verdicts = [f"check-{number}" for number in range(50)]
    boots = FIRMWARE[arch]
    phrase = UPDATES[int(digest(name)[:2], 16) % len(UPDATES)]
    return BuildFacts(
        checks=(
            *(Verdict(name=each, verdict="passed") for each in verdicts),
            *(Verdict(name=each, verdict="failed", detail="usr/bin/su is new") for each in bad),
        ),
        boots=tuple(
            Verdict(
                name=each,
                verdict="failed" if failed and each == boots[0] else "passed",
                detail="23 of 24 tests passed under tcg" if failed else "24 of 24 tests passed",
                log=f"{name}.console-{each}.log",
            )
            for each in boots
        ),
        why=Why("publish", one.published, "security", phrase),
        command=f"SOURCE_DATE_EPOCH=1795140670 fai-forge build {series} --serial {one.serial}",
        commit=digest(name)[:40],
        packages=341,
        installed_bytes=560 * MIB,
        files=(
            *(f"{name}.{suffix}" for suffix in SUFFIXES),
            *("README.md", "SHA256SUMS", "SHA256SUMS.gpg", "SHA512SUMS", "SHA512SUMS.gpg"),
        ),
        changes="5 source packages upgraded, 1 added",
    )


def _states(number: int, count: int) -> tuple[State, ...]:
    """Of every third series the oldest builds are gone, and one is hidden."""
    gone: tuple[State, ...] = () if number % 3 else ("removed", "removed", "hidden")
    found: list[State] = ["public"] * (count - len(gone))
    return (*gone, *found)


def _series(
    number: int, name: str, title: str, formats: tuple[str, ...], channel: str
) -> SeriesEntry:
    count = 8 + number % 5
    days = [NOW - timedelta(days=number + 9 * back, hours=3) for back in range(count)]
    builds = [
        build(name, day, () if state == "removed" else formats, channel=channel, state=state)
        for day, state in zip(reversed(days), _states(number, count), strict=True)
    ]
    return entry(name, builds, title)


def world() -> tuple[StoreIndex, StoreFacts]:
    """The store's index and what is known beside it, at the time NOW."""
    rows = {
        str(row.name): (row.title, row.formats, row.channel, row.policy)
        for row in images.read(PROJECT, NOW.date()).rows
    } | MORE
    series = {
        name: _series(number, name, title, formats, channel)
        for number, (name, (title, formats, channel, _)) in enumerate(rows.items())
    }
    known = {
        folder(each.name, one): facts(each.name, one, each.arch)
        for each in series.values()
        for one in each.builds
    }
    _spoil(series, known)
    index = StoreIndex(
        serial=812, date=NOW, valid_until=NOW + timedelta(days=14), series=tuple(series.values())
    )
    policies = {name: policy for name, (_, _, _, policy) in rows.items()}
    decisions = {
        "debian-13": Why("skip", NOW, "security", "nothing changed"),
        "debian-12": Why("unknown", NOW, "security", "the Release file of bookworm has expired"),
    }
    return index, StoreFacts(policies=policies, decisions=decisions, builds=known)


def _spoil(series: dict[str, SeriesEntry], known: dict[str, BuildFacts]) -> None:
    """What is not as it should be, and what is out of the ordinary."""

    def last(name: str, **changes: Any) -> Build:
        each = series[name]
        one = each.builds[-1].model_copy(update=changes)
        series[name] = each.model_copy(update={"builds": (*each.builds[:-1], one)})
        return one

    failing = "debian-13-backports"
    why = ("the check setuid failed", "the boot bios failed")
    one = last(failing, unverified=why)
    known[folder(failing, one)] = facts(failing, one, "amd64", failed=True)

    last(
        "debian-13",
        tags=tuple(TagEntry(tag=t, date=NOW, reference="a1b2c3d4") for t in ("4", "202611")),
    )
    last("debian-13-slim", tags=(TagEntry(tag="202611", date=NOW),))

    del known[folder("debian-13-riscv64", series["debian-13-riscv64"].builds[-1])]

    gone = series["debian-13-extras"]
    series[gone.name] = gone.model_copy(
        update={
            "builds": tuple(
                b.model_copy(update={"state": "removed", "images": ()}) for b in gone.builds
            )
        }
    )
    daily = build("debian-13-cloud", NOW, channel="daily")
    cloud = series["debian-13-cloud"]
    series[cloud.name] = cloud.model_copy(update={"builds": (*cloud.builds, daily)})
