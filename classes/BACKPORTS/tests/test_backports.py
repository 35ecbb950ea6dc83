# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel that runs is the one of backports, and apt would keep it."""

import pytest


@pytest.mark.needs_machine
def test_the_kernel_is_from_backports(guest):
    version = guest.check("dpkg-query -W -f '${Version}' linux-image-$(uname -r)")
    assert "~bpo" in version


def test_apt_prefers_it(guest):
    pins = guest.check("apt-config dump Dir::Etc::PreferencesParts; cat /etc/apt/preferences.d/*")
    assert "Debian Backports" in pins
