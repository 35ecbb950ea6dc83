# SPDX-License-Identifier: GPL-2.0-or-later
"""The network that a user network of QEMU gives: IPv4 by DHCP, IPv6 by router advertisements."""

from __future__ import annotations

import pytest

from builder.guest.guest import Guest


def test_ipv4_default_route(guest: Guest) -> None:
    """One way out, learned by DHCP."""
    routes = guest.check("ip -4 route show default").splitlines()
    assert len(routes) == 1
    assert "via 10.0.2.2 " in routes[0]
    assert "proto dhcp" in routes[0]


@pytest.mark.needs_machine
def test_ipv6_address(guest: Guest) -> None:
    """The interface has an address beyond the link's own, and a way out."""
    # QEMU announces fec0::/64, which the kernel calls a site-local address.
    addresses = guest.check("ip -6 -o address show up").splitlines()
    assert any("fec0:" in line and "tentative" not in line for line in addresses), addresses
    assert guest.check("ip -6 route show default").strip()


def test_resolver(guest: Guest) -> None:
    """resolv.conf is the resolver's, and the resolver knows the server that DHCP named."""
    text = guest.check("cat /etc/resolv.conf")
    servers = [line.split()[1] for line in text.splitlines() if line.startswith("nameserver ")]
    assert servers
    if "127.0.0.53" in servers:
        assert guest.check("readlink -f /etc/resolv.conf").strip() == (
            "/run/systemd/resolve/stub-resolv.conf"
        )
        servers = guest.check("resolvectl dns").split()
    assert "10.0.2.3" in servers


def test_hostname_resolves(guest: Guest) -> None:
    """The machine knows its own name, so that sudo does not wait for a name server."""
    guest.check('getent hosts "$(hostname)"')
