# SPDX-License-Identifier: GPL-2.0-or-later
"""The image is small, stays so, and can be extended."""

from __future__ import annotations

import pytest

from builder.guest.archive import LocalArchive
from builder.guest.guest import Guest
from builder.guest.probe import DOCUMENTED


def test_there_is_no_documentation(guest: Guest) -> None:
    assert guest.check("find /usr/share/doc -type f ! -name copyright") == ""
    # base-files makes an index of info pages, with nothing in it.
    assert guest.check("find /usr/share/man /usr/share/info -type f ! -name dir") == ""
    assert guest.check("find /usr/share/locale -type f ! -name locale.alias") == ""


def test_licences_stay(guest: Guest) -> None:
    # Some packages only have a link to the folder of another one.
    packages = guest.check("dpkg-query --show --showformat '${Package}\\n'").split()
    files = " ".join(f"/usr/share/doc/{name}/copyright" for name in packages)
    assert guest.run(f"stat --dereference {files}").stderr == ""


@pytest.mark.needs_machine
def test_the_initramfs_has_only_drivers_of_disks(guest: Guest) -> None:
    drivers = guest.check("lsinitramfs /boot/initrd.img-$(uname -r)")
    modules = [line for line in drivers.splitlines() if ".ko" in line]
    assert any("virtio_blk" in line for line in modules)
    assert not [line for line in modules if "/net/" in line or "/gpu/" in line]


@pytest.mark.needs_machine
@pytest.mark.guest_stage("changed")
def test_packages_can_be_added_and_removed(guest: Guest, archive: LocalArchive) -> None:
    guest.check(f"{archive.apt()} update")
    # It recommends a package that is nowhere.
    guest.check(f"{archive.apt()} install {DOCUMENTED}")
    assert guest.check(DOCUMENTED).strip() == "1"
    files = f"/usr/share/doc/{DOCUMENTED} /usr/share/man/man1 /usr/share/locale"
    assert guest.check(f"find {files} -name '{DOCUMENTED}*' ! -type d") == ""
    assert guest.check(f"ls /usr/share/doc/{DOCUMENTED}").split() == ["copyright"]
    guest.check(f"{archive.apt()} purge {DOCUMENTED}")
    assert guest.check("dpkg --audit") == ""
