# SPDX-License-Identifier: GPL-2.0-or-later
"""The steps of a nightly as command lines of fai-forge, one table for this machine and for GitLab.

A person can repeat each of them as it is; exit codes are those of the verbs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# What `fai-forge` is called by where a step is run or shown.
PROGRAM = "fai-forge"
# The step that crawls upstreams, and the word for all of them.
UPSTREAM = "upstream"
ALL = "all"


@dataclass(frozen=True)
class Site:
    """What all steps of a run share: where builds go, the store, who signs, how guests run.

    `key` and `keyring` are given where the environment does not say them; secrets never are.
    `site` is a site's configuration; `firmware` are the kinds to boot with, all if it is empty.
    `upstreams` are the images of upstreams to bring in, by names and patterns; ALL for all that are
    known, and none if it is empty.
    """

    out: Path
    store: str
    key: str | None = None
    keyring: Path | None = None
    mirror: str | None = None
    security_mirror: str | None = None
    overlays: tuple[str, ...] = ()
    accel: str = "auto"
    timeout_factor: float = 1.0
    site: Path | None = None
    firmware: tuple[str, ...] = ()
    upstreams: tuple[str, ...] = ()


@dataclass(frozen=True)
class Step:
    """One step: `words` are the arguments of fai-forge."""

    name: str
    words: tuple[str, ...]

    @property
    def command(self) -> Sequence[str]:
        """What a person types."""
        return (PROGRAM, *self.words)


def image_steps(site: Site, name: str, serial: str, decision: Path) -> tuple[Step, ...]:
    """The chain of one image: build, boot, publish. Offline checks are part of a build."""
    build = f"{name}-{serial}"
    out = ("--out", str(site.out))
    archive = _options(
        ("--mirror", site.mirror),
        ("--security-mirror", site.security_mirror),
        *(("--overlay", each) for each in site.overlays),
        ("--site", str(site.site) if site.site else None),
    )
    guest = (
        *("--accel", site.accel, "--timeout-factor", f"{site.timeout_factor:g}"),
        *_options(*(("--firmware", kind) for kind in site.firmware)),
    )
    return (
        Step(
            "build",
            ("build", name, "--serial", serial, "--decision", str(decision), *out, *archive),
        ),
        Step("boot", ("boot", build, *guest, *out, *archive)),
        Step("publish", ("publish", build, "--to", site.store, *_signer(site), *out)),
    )


def store_steps(site: Site, tags: Path | None) -> tuple[Step, ...]:
    """What comes once, after all images: upstreams' images, promote, expire, and a valid index.

    Each writes the store's pages; the last one also shows the decisions that are kept in `out`.
    """
    out = ("--out", str(site.out))
    store = ("--store", site.store, *_signer(site), *out)
    named = (str(tags),) if tags else ()
    return (
        *_upstream_steps(site),
        Step("promote", ("promote", *named, "--monthly", *store)),
        Step("expire", ("expire", *store)),
        Step("site", ("publish", "--refresh", "--to", site.store, *_signer(site), *out)),
    )


def _upstream_steps(site: Site) -> tuple[Step, ...]:
    """One step for all upstreams: one that fails does not stop the others within it."""
    if not site.upstreams:
        return ()
    which = ("--all",) if ALL in site.upstreams else site.upstreams
    words = ("upstream", "pull", *which, "--to", site.store, *_signer(site))
    return (Step(UPSTREAM, words),)


def _signer(site: Site) -> tuple[str, ...]:
    keyring = str(site.keyring) if site.keyring else None
    return _options(("--key", site.key), ("--keyring", keyring))


def _options(*pairs: tuple[str, str | None]) -> tuple[str, ...]:
    return tuple(word for name, value in pairs if value for word in (name, value))
