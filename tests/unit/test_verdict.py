# SPDX-License-Identifier: GPL-2.0-or-later
"""Which lines of FAI's log mean failure, and which only look like it."""

from __future__ import annotations

import pytest

from builder.install.verdict import REPLACED_TASKS, SYMPTOMS, judge

# Lines as FAI 6.0, its programs, dpkg and apt print them, and what is made of each; in the order of
# the table.
BAD = [
    ("Skipping task_instsoft", "FAI skipped its task instsoft"),
    (
        "instsoft.TINY             FAILED with exit code 3.",
        "instsoft.TINY failed with exit code 3",
    ),
    (
        "TINY/10-tiny              FAILED with exit code 1.",
        "TINY/10-tiny failed with exit code 1",
    ),
    ("E: Unable to locate package nanoo", "the archive has no package nanoo"),
    (
        "WARNING: These unknown packages are removed from the installation list: nanoo vmi",
        "FAI dropped packages that the archive does not have: nanoo vmi",
    ),
    (
        "WARNING: Unknown action instal after PACKAGES",
        "a package_config has packages for instal, which FAI does not know",
    ),
    (
        "dpkg: error processing package grub-pc (--configure):",
        "the package grub-pc could not be installed",
    ),
    (
        "dpkg: error processing archive /pool/nano_8.deb (--unpack):",
        "the package /pool/nano_8.deb could not be installed",
    ),
    ("E: Sub-process /usr/bin/dpkg returned an error code (1)", "apt failed: Sub-process"),
    (
        "tar: ./usr/lib/x: Cannot write: No space left on device",
        "the disk or the memory for the build is full",
    ),
    (
        "WARNING: Skipping /cfg/hooks/instsoft.TINY because it's not executable.",
        "/cfg/hooks/instsoft.TINY is not executable, so FAI ignored it",
    ),
    ("Exit code task_instsoft: 471", "FAI's task instsoft failed with code 471"),
    ("ERROR: Cannot chroot into /target.", "FAI says: Cannot chroot into /target."),
    ("FATAL ERROR. Installation stopped.", "FAI says: Installation stopped."),
    ("FATAL ERROR: no base file", "FAI says: no base file"),
    (
        "ERROR /usr/sbin/install_packages: Can't read config file: /cfg/package_config/X",
        "FAI says: /usr/sbin/install_packages: Can't read config file",
    ),
]
GOOD = [
    *(f"Skipping task_{task}" for task in REPLACED_TASKS),
    "TINY/10-tiny              OK.",
    "Calling task_instsoft",
    "Calling hook: instsoft.BOOT",
    "Setting up liberror-perl (0.17030-1) ...",
    "Unpacking libgpg-error0:amd64 (1.51-4) ...",
    "Get:1 file:/pool/libgpg-error0.deb",
    "W: Skipping installation without enable flag for cloud.",
    "Selecting previously unselected package libgpg-error-l10n.",
    "dpkg: warning: while removing x, directory '/y' not empty so not removed",
    "NOTE: E: is a letter",
    "",
]


@pytest.mark.parametrize(("line", "meaning"), BAD)
def test_failure(line: str, meaning: str) -> None:
    finding = judge(line, 7)
    assert finding is not None
    assert finding.meaning.startswith(meaning)
    assert (finding.number, finding.line) == (7, line)
    assert finding.hint


@pytest.mark.parametrize("line", GOOD)
def test_no_failure(line: str) -> None:
    assert judge(line) is None


def test_every_symptom_has_its_line() -> None:
    """A row that no line above needs would be one that nobody has seen."""
    met = {next(s.meaning for s in SYMPTOMS if s.pattern.search(line)) for line, _ in BAD}
    assert met == {symptom.meaning for symptom in SYMPTOMS}
