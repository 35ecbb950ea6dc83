# SPDX-License-Identifier: GPL-2.0-or-later
"""The image is small, stays so, and can be extended."""

from __future__ import annotations

import pytest

from builder.guest.guest import Guest

# A package with one file of each kind; the folder `debian` is what dpkg-deb wants to be told of.
PACKAGE = """
set -e
cd "$(mktemp -d)"
mkdir -p p/DEBIAN p/usr/bin p/usr/share/doc/forge-probe p/usr/share/man/man1 \
    p/usr/share/locale/de/LC_MESSAGES
printf 'Package: forge-probe\\nVersion: 1\\nArchitecture: all\\nMaintainer: x <x@x>\\n' \
    > p/DEBIAN/control
printf 'Description: a probe\\nRecommends: forge-nothing\\n' >> p/DEBIAN/control
printf '#!/bin/sh\\necho it works\\n' > p/usr/bin/forge-probe
chmod 0755 p/usr/bin/forge-probe
for file in doc/forge-probe/copyright doc/forge-probe/README.gz man/man1/forge-probe.1.gz \
    locale/de/LC_MESSAGES/forge-probe.mo; do
    echo x > p/usr/share/$file
done
dpkg-deb --root-owner-group --build p forge-probe.deb > /dev/null
apt-get install -y ./forge-probe.deb
"""


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


@pytest.mark.guest_stage("changed")
def test_packages_can_be_added_and_removed(guest: Guest) -> None:
    guest.check(PACKAGE)
    assert guest.check("forge-probe").strip() == "it works"
    files = "/usr/share/doc/forge-probe /usr/share/man/man1 /usr/share/locale"
    assert guest.check(f"find {files} -name 'forge-probe*' ! -type d") == ""
    assert guest.check("ls /usr/share/doc/forge-probe").split() == ["copyright"]
    guest.check("apt-get purge -y forge-probe")
    assert guest.check("dpkg --audit") == ""
