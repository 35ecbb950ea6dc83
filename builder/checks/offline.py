# SPDX-License-Identifier: GPL-2.0-or-later
"""The checks that every finished tree has to pass, as a table: a name, the reason, the function."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from builder.checks import (
    accounts,
    apt,
    boot,
    cmdline,
    identity,
    leftovers,
    permissions,
    promises,
    settings,
    software,
    sshd,
)
from builder.checks.rootfs import Rootfs
from builder.checks.terms import Check, CheckResult, Promise, Subject
from builder.errors import CheckError
from builder.models import Package

# Enough to see what kind of file it is; the rest is counted.
SHOWN = 5

CHECKS: tuple[Check, ...] = (
    # What two machines from one image must not share.
    Check("machine-id", "clones would share addresses and journals", identity.machine_id),
    Check("ssh-host-keys", "clones could pose as each other", identity.ssh_host_keys),
    Check("unique-files", "clones would share secrets or identities", identity.unique_files),
    Check("private-keys", "a published key is nobody's secret", leftovers.private_keys),
    Check("hostname", "the build host's name would be every clone's", identity.hostname),
    Check("hosts", "other machines' names and addresses are wrong elsewhere", identity.hosts),
    Check("resolv-conf", "the build host's resolvers are nowhere else", identity.resolv_conf),
    # What the build leaves behind.
    Check("build-files", "the build's own settings do not belong in it", leftovers.build_files),
    Check("stray-paths", "nothing needs them, or they tell of the build", leftovers.stray_paths),
    Check("backup-files", "they hold what the build's machine had", leftovers.backup_files),
    Check("empty-folders", "what is there is hidden, stale or private", leftovers.empty_folders),
    Check("logs", "they tell of the build, and differ each time", leftovers.logs),
    # Who gets in.
    Check("root-locked", "nobody may log in as root with a password", accounts.root_locked),
    Check("no-passwords", "a published password is known to all", accounts.no_passwords),
    Check("one-superuser", "a second root is a back door", accounts.one_superuser),
    Check("accounts", "an account that nobody knows is a back door", accounts.known_accounts),
    Check("powerful-groups", "their members are nearly root", accounts.powerful_groups),
    Check("account-files", "tools stop at files that disagree", accounts.account_files),
    Check("authorized-keys", "a published image lets nobody in", sshd.authorized_keys),
    Check("sshd-passwords", "guessed at as soon as it is reachable", sshd.sshd_passwords),
    Check("sshd-root", "root's name is known to all who guess", sshd.sshd_root),
    Check("sshd-trust", "what others say or write must not let in", sshd.sshd_trust),
    # Where packages come from.
    Check("apt-sources", "an image must get its updates, and signed", apt.apt_sources),
    Check("apt-foreign", "the build's mirror and others are not the user's", apt.apt_foreign),
    Check("apt-duplicates", "apt warns of each at every update", apt.apt_duplicates),
    Check("apt-keys", "they sign for every archive", apt.apt_keys),
    Check("apt-passwords", "a published password is known to all", apt.apt_passwords),
    Check("apt-leftovers", "they are large, stale and differ each time", apt.apt_leftovers),
    Check("proxies", "the build host's proxy is nowhere else", apt.proxies),
    # What is installed.
    Check("packages-finished", "dpkg would stop at the next upgrade", software.packages_finished),
    Check("packages-promised", "the image's classes promise them", software.packages_promised),
    Check("foreign-programs", "nobody updates them", software.foreign_programs),
    # How it starts.
    Check("kernel", "without kernel, initrd and modules nothing starts", boot.kernel),
    Check("kernel-flavour", "a second kernel may start instead", boot.kernel_flavour),
    Check("kernel-command-line", "it decides how the kernel starts", cmdline.kernel_command_line),
    Check("boot-loader", "the firmware starts it, or nothing", boot.boot_loader),
    Check("fstab", "a disk has another name on other machines", boot.fstab),
    Check("image-release", "a machine must know what it was made from", settings.image_release),
    Check("locale", "programs complain of a locale that is not there", settings.locale),
    # What its classes promise.
    Check("class-paths", "the image's classes promise them", promises.class_paths),
    Check("class-content", "the image's classes promise it", promises.class_content),
    Check("class-units", "the image's classes promise them", promises.class_units),
    Check("class-packages", "the image's classes promise to be without", promises.class_packages),
    Check("size-budget", "images grow unnoticed otherwise", promises.size_budget),
    # Modes, owners and times.
    Check("setuid", "each is a way to root that somebody must have looked at", permissions.setuid),
    Check("world-writable", "any user could change the system", permissions.world_writable),
    Check("root-owned", "their owner could change what root runs", permissions.root_owned),
    Check("special-files", "only a running system makes them", permissions.special_files),
    Check("newer-than-epoch", "a second build would differ", permissions.newer_than_epoch),
    Check("known-owners", "a later user could get that id", permissions.known_owners),
)


def check(tree: Path, promise: Promise, packages: Sequence[Package]) -> tuple[CheckResult, ...]:
    """Run every check on a finished tree; nothing is changed and nothing is run in it.

    `packages` are the installed ones (`builder.manifest.collect.packages`).
    """
    subject = Subject(Rootfs(tree), promise, packages)
    return tuple(_result(each, subject) for each in CHECKS)


def require(results: Sequence[CheckResult]) -> None:
    """Raise a CheckError that names every check that failed, if any has."""
    failed = [result for result in results if not result.passed]
    if failed:
        raise CheckError(
            f"the finished tree fails {len(failed)} of {len(results)} checks",
            hint="\n".join(f"{result.name}: {result.detail}" for result in failed),
        )


def _result(each: Check, subject: Subject) -> CheckResult:
    problems = iter(each.problems(subject))
    shown = list(islice(problems, SHOWN))
    more = sum(1 for _ in problems)
    detail = "; ".join(shown) + (f"; and {more} more" if more else "")
    return CheckResult(each.name, passed=not shown, detail=detail)
