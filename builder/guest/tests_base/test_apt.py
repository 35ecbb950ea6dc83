# SPDX-License-Identifier: GPL-2.0-or-later
"""apt: its sources are verified, an archive is believed by its key alone, and updates are taken.

The archive is one of our own on the host; the image's own sources are not asked.
"""

from __future__ import annotations

import pytest

from builder.guest.archive import STRANGER, LocalArchive
from builder.guest.guest import Guest
from builder.guest.probe import NAME, STATE

MINUTES = 60.0
VERSIONS = "dpkg-query --show --showformat '${Package} ${Version}\\n'"


def test_sources_parse_and_are_http(guest: Guest) -> None:
    """apt understands its sources, and all of them are web addresses."""
    # Neither downloads nor needs the lists, which an image does not have.
    answer = guest.run("apt-get update --print-uris")
    assert answer.returncode == 0, answer.stderr
    assert answer.stderr.strip() == ""
    uris = [line.split()[0].strip("'") for line in answer.stdout.splitlines()]
    assert [uri for uri in uris if uri.endswith("/InRelease")]
    assert [uri for uri in uris if not uri.startswith(("http://", "https://"))] == []


def test_sources_are_verified(guest: Guest) -> None:
    """No source is exempt from signatures, and every key file that one names is there."""
    sources = "/etc/apt/sources.list /etc/apt/sources.list.d/"
    exempt = f"grep -rsniE '(trusted|allow-insecure) *[=:] *yes' {sources}"
    assert guest.run(exempt).stdout == ""
    named = guest.run(f"grep -rshoiE 'signed-by *[=:] *[^] ]+' {sources}").stdout
    paths = {line.split("=")[-1].split(":")[-1].strip() for line in named.splitlines()}
    for path in paths:
        guest.check(f"test -s {path}")
    insecure = "apt-config dump | grep -iE 'Allow(Unauthenticated|Insecure).* \"(true|1)\"'"
    assert guest.run(insecure).stdout == ""


def test_dpkg_is_whole(guest: Guest) -> None:
    """No package is half installed."""
    assert guest.check("dpkg --audit").strip() == ""


@pytest.mark.needs_machine
@pytest.mark.guest_stage("changed")
def test_an_archive_with_another_key_is_refused(guest: Guest, archive: LocalArchive) -> None:
    """Whoever cannot sign with the key that a source names cannot offer packages."""
    answer = guest.run(f"{archive.apt(key=STRANGER)} update 2>&1")
    assert answer.returncode != 0, answer.stdout
    assert "is not signed" in answer.stdout
    assert NAME not in guest.run(f"{archive.apt('apt-cache', STRANGER)} pkgnames").stdout.split()


@pytest.mark.needs_machine
@pytest.mark.guest_stage("changed")
def test_a_package_of_a_signed_archive_is_installed(guest: Guest, archive: LocalArchive) -> None:
    """apt has nothing to complain about, installs the package, and its service starts."""
    answer = guest.run(f"{archive.apt()} update 2>&1")
    assert answer.returncode == 0, answer.stdout
    assert [line for line in answer.stdout.splitlines() if line[:2] in ("W:", "E:")] == []
    guest.check(f"{archive.apt()} install {NAME}=1", timeout=2 * MINUTES)
    assert guest.check(f"systemctl is-active {NAME}; cat {STATE}").split() == ["active", "1"]


@pytest.mark.needs_machine
@pytest.mark.guest_stage("changed")
def test_security_updates_are_taken(guest: Guest, archive: LocalArchive) -> None:
    """An upgrade takes what an archive labelled as Debian's security archive has, and all of it.

    With --deb, the kernel is among it.
    """
    planned = guest.check(f"{archive.apt()} --simulate upgrade").splitlines()
    assert {line.split()[1] for line in planned if line.startswith("Inst ")} == {*archive.upgrades}
    assert all("Debian-Security" in line for line in planned if line.startswith("Inst "))
    guest.check(f"{archive.apt()} upgrade", timeout=10 * MINUTES)
    assert installed(guest, archive) == archive.upgrades
    assert guest.check(f"systemctl is-active {NAME}; cat {STATE}").split() == ["active", "2"]


@pytest.mark.needs_machine
@pytest.mark.guest_stage("rebooted")
def test_security_updates_survive_the_reboot(guest: Guest, archive: LocalArchive) -> None:
    """What was updated is still there, and what runs is the new version."""
    assert installed(guest, archive) == archive.upgrades
    assert guest.check(f"systemctl is-active {NAME}; cat {STATE}").split() == ["active", "2"]
    assert guest.check("dpkg --audit").strip() == ""


def installed(guest: Guest, archive: LocalArchive) -> dict[str, str]:
    """The versions that the guest has of the packages that were to be updated."""
    told = guest.check(f"{VERSIONS} {' '.join(archive.upgrades)}")
    return dict(line.split() for line in told.splitlines())
