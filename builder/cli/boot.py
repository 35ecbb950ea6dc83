# SPDX-License-Identifier: GPL-2.0-or-later
"""`fai-forge boot`: prove that an image works, by booting it."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from builder import paths
from builder.cli import common, guests
from builder.errors import CheckError, UsageError
from builder.guest import machines
from builder.guest.kernel import kernel_debs
from builder.guest.verdict import BootReport, verdict
from builder.install.supplies import Archive
from builder.manifest import document
from builder.manifest.model import Manifest, Verdict

DESCRIPTION = """\
Boot an image under libvirt, with each firmware kind that it promises, log in by SSH, run the tests
in it, reboot it once, and power it off. The image itself is never written to.

Console log, JUnit and the tests' output are kept beside the build (for a FILE: in --report-dir),
and the verdicts go into its manifest. The exit code is 3 if a test failed, 4 if the machine could
not run the guest.

examples:
  fai-forge boot debian-13
  fai-forge boot debian-13 --firmware secureboot --reinstall-kernel
  fai-forge boot ./some.qcow2 --firmware uefi --report-dir reports
"""


def _arguments(parser: argparse.ArgumentParser) -> None:
    guests.add_guest(parser)
    parser.add_argument(
        "--firmware",
        action="append",
        metavar="KIND",
        help="bios, uefi, secureboot or ieee1275; may be given more than once (default: those that"
        " the image has boot loaders for; for a FILE: all that are installed)",
    )
    parser.add_argument(
        "--reinstall-kernel",
        action="store_true",
        help="also install the kernel package again in the guest, and boot with the result",
    )
    parser.add_argument(
        "--report-dir", type=Path, metavar="DIR", help="where logs go (default: beside the build)"
    )
    common.add_archive(parser)
    common.add_overlays(parser)
    common.add_json(parser)


def _call(arguments: argparse.Namespace) -> int:
    target = guests.find(arguments)
    kinds = arguments.firmware or guests.firmware_kinds(target)
    for kind in kinds:
        machines.firmware(target.arch, kind)
    default = target.built.folder if target.built else arguments.out / "reports" / target.image.stem
    report_dir = (arguments.report_dir or default).absolute()
    tests = _class_tests(arguments, target)
    reports = []
    with tempfile.TemporaryDirectory(prefix="fai-forge-") as folder:
        debs = _debs(arguments, target, Path(folder))
        for kind in kinds:
            print(f"booting {target.image.name} with {kind} ...", file=sys.stderr, flush=True)
            report = verdict(
                target.image,
                report_dir=report_dir,
                arch=target.arch,
                firmware=kind,
                accel=arguments.accel,
                login=target.login,
                timeout_factor=arguments.timeout_factor,
                tests=tests,
                debs=debs,
            )
            reports.append(report)
            _remember(target, report)
            if not arguments.json:
                _print(report)
    if arguments.json:
        common.print_json([_answer(report) for report in reports])
    failed = [report.firmware for report in reports if not report.ok]
    if failed:
        raise CheckError(
            f"{target.image.name} failed with {', '.join(failed)}",
            hint=f"console logs and JUnit are in {report_dir}",
        )
    return 0


def _debs(arguments: argparse.Namespace, target: guests.Target, folder: Path) -> tuple[Path, ...]:
    """The kernel's packages, if they are to be installed again."""
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


def _class_tests(arguments: argparse.Namespace, target: guests.Target) -> Sequence[Path]:
    """What the image's classes promise: each overlay's own live tests."""
    if target.manifest is None:
        return ()
    known = common.catalogue(arguments)
    names = [each.name for each in target.manifest.classes]
    folders = known.overlays(names)
    here = {overlay.name for overlay in folders}
    for each in target.manifest.classes:
        if "/" in each.overlay and each.overlay not in here:
            raise UsageError(
                f"{target.built} has the class {each.name} of an overlay that is not given, so its"
                " tests cannot be run",
                hint=f"give {_where(target.manifest, each.overlay)} with --overlay",
            )
    return [test for one in folders for test in sorted((one.path / "tests").glob("test_*.py"))]


def _where(manifest: Manifest, overlay: str) -> str:
    """Where an overlay came from when the image was built."""
    label = overlay.partition("/")[0]
    found = (each.origin for each in manifest.build.commits if each.overlay == label)
    return next(found, None) or label


def _remember(target: guests.Target, report: BootReport) -> None:
    """Write a verdict into the build's manifest, in place of an older one."""
    if target.built is None:
        return
    known = document.load(target.built.manifest)
    entry = Verdict(
        name=report.firmware,
        verdict="passed" if report.ok else "failed",
        detail=_counted(report),
        log=report.junit.name if report.junit.parent == target.built.folder else None,
    )
    others = tuple(each for each in known.boots if each.name != entry.name)
    boots = tuple(sorted((*others, entry), key=lambda each: each.name))
    partial = target.built.manifest.with_suffix(".partial")
    partial.write_text(document.dump(known.model_copy(update={"boots": boots})), encoding="utf-8")
    partial.replace(target.built.manifest)


def _print(report: BootReport) -> None:
    """One line for a boot, and one for each test that failed."""
    word = "passed" if report.ok else "FAILED"
    print(f"{word}  {report.firmware:<11} {_counted(report)} in {report.seconds:.0f} s")
    for test in report.tests:
        if not test.passed:
            print(f"        {test.name}: {test.message.strip().splitlines()[-1:]}")
    print(f"        {report.console}")


def _counted(report: BootReport) -> str:
    again = "" if report.tries == 1 else f", at try {report.tries}"
    tests = f"{len(report.passed)} of {len(report.tests)} tests passed"
    return f"{tests} under {report.accel}{again}"


def _answer(report: BootReport) -> dict[str, object]:
    return {
        "firmware": report.firmware,
        "passed": report.ok,
        "accel": report.accel,
        "seconds": round(report.seconds, 1),
        "tries": report.tries,
        "tests": {test.name: test.message or "passed" for test in report.tests},
        "console": report.console,
        "junit": report.junit,
    }


VERB = common.Verb("boot", "boot an image and test it", DESCRIPTION, _arguments, _call)
