# SPDX-License-Identifier: GPL-2.0-or-later
"""`fai-forge boot`: prove that an image works, by booting it."""

from __future__ import annotations

import argparse
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from builder import paths
from builder.cli import common, guests
from builder.cli.boot_progress import watcher
from builder.errors import UsageError
from builder.guest import capacity, promised
from builder.guest.accel import AUTO
from builder.guest.containers import SUFFIX
from builder.guest.kernel import kernel_debs
from builder.guest.reports.remember import Records
from builder.guest.reports.report import Report, dump
from builder.guest.reports.text import kept, lines
from builder.guest.trials import Order, Trial, boot_all, digest
from builder.install.supplies import Archive
from builder.planning.earlier import earlier
from builder.planning.published import open_store
from builder.store.memory import Memory

DESCRIPTION = """\
Boot an image under libvirt by each firmware kind that it promises, side by side where processors
and memory allow: log in by SSH, run the tests in it, reboot it once, and power it off. A build that
has the format rootfs.tar.xz is also started as a container. The image itself is never written to.

Beside the build (for a FILE: in --report-dir) are kept, for each kind: console, journals, what
systemd-analyze says, a screenshot of a failure, JUnit; and for all of them a report as page
(NAME-SERIAL.report.html) and for programs (NAME-SERIAL.boots.json). The verdicts go into the
build's manifest. Failures are compared with the report of an earlier build, and those that
known-issues.yaml explains do not count.

exit codes: 0, 3 if a test failed, 4 if the machine could not run a guest.

examples:
  fai-forge boot debian-13
  fai-forge boot debian-13 --firmware secureboot --reinstall-kernel
  fai-forge boot debian-13 --against /srv/images --keyring images.gpg
  fai-forge boot debian-13-slim --firmware container
  fai-forge boot ./some.qcow2 --firmware uefi --keep --report-dir reports
"""


def _arguments(parser: argparse.ArgumentParser) -> None:
    guests.add_guest(parser)
    parser.add_argument(
        "--firmware",
        action="append",
        metavar="KIND",
        help="bios, uefi, secureboot, ieee1275 or container; may be given more than once (default:"
        " those that the image has boot loaders for, and a container if it has the tarball; for a"
        " FILE: all that are installed)",
    )
    parser.add_argument(
        "--jobs", type=_positive, metavar="N", help="guests at a time (default: what the host can)"
    )
    parser.add_argument(
        "--keep",
        action="store_true",
        help="where a test fails, keep the guest's disk and say how to look into it",
    )
    parser.add_argument(
        "--no-twin",
        action="store_true",
        help="leave out the second guest, which must have other keys and another machine id",
    )
    parser.add_argument(
        "--reinstall-kernel",
        action="store_true",
        help="also let apt update the kernel, to itself in a higher version, and boot the result",
    )
    parser.add_argument(
        "--report-dir", type=Path, metavar="DIR", help="where logs go (default: beside the build)"
    )
    parser.add_argument(
        "--against",
        metavar="DIR|URL",
        help="compare with the newest earlier build there that has a report (default: OUT)",
    )
    parser.add_argument(
        "--keyring", metavar="FILE", type=Path, help="public keys that verify a signed store"
    )
    common.add_archive(parser)
    common.add_overlays(parser)
    common.add_json(parser)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def _call(arguments: argparse.Namespace) -> int:
    target = guests.find(arguments, (*guests.BOOTABLE, SUFFIX))
    trials = _trials(arguments, target)
    name = target.built.name if target.built else target.image.stem
    default = target.built.folder if target.built else arguments.out / "reports" / name
    folder = (arguments.report_dir or default).absolute()
    records = Records(folder, name, target.arch, target.built)
    before = _earlier(arguments, target)
    plan = capacity.plan(
        len(trials),
        capacity.expected(arguments.accel, target.arch),
        capacity.host(),
        arguments.jobs,
    )
    kinds = [trial.kind for trial in trials]
    at_once = f", {plan.jobs} at a time: {plan.why}" if len(trials) > 1 else ""
    print(f"booting {target.image.name} by {', '.join(kinds)}{at_once}", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="fai-forge-") as scratch:
        order = Order(
            name=name,
            arch=target.arch,
            folder=folder,
            tests=_tests(arguments, target),
            words=_words(arguments, target),
            digests={each: digest(each, target.manifest) for each in {t.image for t in trials}},
            accel=arguments.accel,
            timeout_factor=arguments.timeout_factor,
            debs=_debs(arguments, target, Path(scratch)),
            keep=arguments.keep,
            twin=not arguments.no_twin,
        )
        shown = watcher(kinds)
        try:
            outcome = boot_all(trials, order, before, plan.jobs, shown, records.add)
        finally:
            shown.finish()
    if arguments.json:
        print(dump(records.report(outcome.boots)), end="")
    else:
        for boot in outcome.boots:
            print("\n".join(lines(boot)))
        print(f"report: {records.page}")
    for line in kept(outcome, trials, target.arch):
        print(line, file=sys.stderr)
    outcome.require(target.image.name, records.page)
    return 0


def _trials(arguments: argparse.Namespace, target: guests.Target) -> tuple[Trial, ...]:
    """One for each kind that was asked for, in that order."""
    wanted = dict.fromkeys(arguments.firmware or guests.kinds(target))
    return tuple(guests.trial(target, kind) for kind in wanted)


def _earlier(arguments: argparse.Namespace, target: guests.Target) -> Report | None:
    """The report to compare with; a file that is no build has none."""
    if target.built is None:
        if arguments.against:
            raise UsageError(
                "--against compares builds of one image, and a file is none",
                hint="name a build, such as debian-13-20261121",
            )
        return None
    store = open_store(
        arguments.against or str(arguments.out),
        # Without a store to verify, OUT is meant, which nobody signs.
        arguments.keyring if arguments.against else None,
        Memory(paths.cache().stores),
        datetime.now(UTC),
        must_exist=arguments.against is not None,
    )
    return earlier(store, target.built.name, target.built.serial)


def _tests(arguments: argparse.Namespace, target: guests.Target) -> promised.Tests:
    if target.manifest is None:
        return promised.base()
    return promised.of_build(target.manifest, common.catalogue(arguments))


def _words(arguments: argparse.Namespace, target: guests.Target) -> tuple[str, ...]:
    """The arguments that repeat a boot, but for its kind: what is not as it is by default."""
    what = str(target.built) if target.built else str(target.image)
    options: dict[str, object] = {
        "--arch": arguments.arch,
        "--login": arguments.login,
        "--accel": arguments.accel if arguments.accel != AUTO else None,
        "--timeout-factor": arguments.timeout_factor if arguments.timeout_factor != 1 else None,
        "--mirror": arguments.mirror if arguments.reinstall_kernel else None,
        "--security-mirror": arguments.security_mirror if arguments.reinstall_kernel else None,
        "--site": arguments.site,
        "--out": arguments.out if target.built and arguments.out != common.DEFAULT_OUT else None,
        "--report-dir": arguments.report_dir,
    }
    words = [word for name, value in options.items() if value for word in (name, str(value))]
    for overlay in arguments.overlay:
        words += ["--overlay", overlay]
    if arguments.no_twin:
        words.append("--no-twin")
    if arguments.reinstall_kernel:
        words.append("--reinstall-kernel")
    return ("boot", what, *words)


def _debs(arguments: argparse.Namespace, target: guests.Target, folder: Path) -> tuple[Path, ...]:
    """The kernel's packages, if they are to come as an update."""
    if not arguments.reinstall_kernel:
        return ()
    if target.manifest is None:
        raise UsageError(
            "--reinstall-kernel needs to know the image's kernel",
            hint="name a build, not a file",
        )
    archive = Archive(
        paths.cache(), arguments.mirror, arguments.security_mirror, target.manifest.distro
    )
    return kernel_debs(target.manifest, archive, folder)


VERB = common.Verb("boot", "boot an image and test it", DESCRIPTION, _arguments, _call)
