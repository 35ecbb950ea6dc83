# SPDX-License-Identifier: GPL-2.0-or-later
"""The checks that every finished tree has to pass, as a table: a name, the reason, the function."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from builder.checks import access, files, identity, software
from builder.checks.rootfs import Rootfs
from builder.checks.terms import Check, CheckResult, Promise, Subject
from builder.models import Package

# Enough to see what kind of file it is; the rest is counted.
SHOWN = 5

CHECKS: tuple[Check, ...] = (
    Check("machine-id", "clones would share addresses and journals", identity.machine_id),
    Check("ssh-host-keys", "clones could pose as each other", identity.ssh_host_keys),
    Check("unique-files", "clones would share secrets or identities", identity.unique_files),
    Check("build-files", "the build's own settings do not belong in it", identity.build_files),
    Check("apt-leftovers", "they are large, stale and differ each time", identity.apt_leftovers),
    Check("proxies", "the build host's proxy is nowhere else", identity.proxies),
    Check("logs", "they tell of the build, and differ each time", identity.logs),
    Check("resolv-conf", "the build host's resolvers are nowhere else", identity.resolv_conf),
    Check("hostname", "the build host's name would be every clone's", identity.hostname),
    Check("root-locked", "nobody may log in as root with a password", access.root_locked),
    Check("no-passwords", "a published password is known to all", access.no_passwords),
    Check("one-superuser", "a second root is a back door", access.one_superuser),
    Check("authorized-keys", "a published image lets nobody in", access.authorized_keys),
    Check("sshd-passwords", "guessed at as soon as it is reachable", access.sshd_passwords),
    Check("apt-sources", "an image must get its updates, and signed", software.apt_sources),
    Check("apt-uris", "the build's mirror is not the user's", software.apt_uris),
    Check("packages-finished", "dpkg would stop at the next upgrade", software.packages_finished),
    Check("packages-promised", "the image's classes promise them", software.packages_promised),
    Check("kernel", "without kernel, initrd and modules nothing starts", software.kernel),
    Check("world-writable", "any user could change the system", files.world_writable),
    Check("newer-than-epoch", "a second build would differ", files.newer_than_epoch),
    Check("known-owners", "a later user could get that id", files.known_owners),
)


def check(tree: Path, promise: Promise, packages: Sequence[Package]) -> tuple[CheckResult, ...]:
    """Run every check on a finished tree; nothing is changed and nothing is run in it.

    `packages` are the installed ones (`builder.manifest.collect.packages`).
    """
    subject = Subject(Rootfs(tree), promise, packages)
    return tuple(_result(each, subject) for each in CHECKS)


def _result(each: Check, subject: Subject) -> CheckResult:
    problems = iter(each.problems(subject))
    shown = list(islice(problems, SHOWN))
    more = sum(1 for _ in problems)
    detail = "; ".join(shown) + (f"; and {more} more" if more else "")
    return CheckResult(each.name, passed=not shown, detail=detail)
