# SPDX-License-Identifier: GPL-2.0-or-later
"""The network that a user network of QEMU gives: IPv4 by DHCP, IPv6 by router advertisements."""

from __future__ import annotations

import pytest

from builder.guest.guest import Guest
from builder.guest.loopback import ADDRESSES, GATEWAY, NAME
from builder.guest.seed import HOSTNAME

STAGES = [
    pytest.param("first"),
    pytest.param("after the reboot", marks=pytest.mark.guest_stage("rebooted")),
]
LOOPBACK = ("127.0.0.1", "127.0.1.1", "::1")


@pytest.mark.needs_machine
def test_ipv4_default_route(guest: Guest) -> None:
    """One way out, learned by DHCP."""
    routes = guest.check("ip -4 route show default").splitlines()
    assert len(routes) == 1
    assert f"via {GATEWAY} " in routes[0]
    assert "proto dhcp" in routes[0]


@pytest.mark.needs_machine
def test_ipv6_address(guest: Guest) -> None:
    """The interface has an address beyond the link's own, and a way out."""
    # QEMU announces fec0::/64, which the kernel calls a site-local address.
    addresses = guest.check("ip -6 -o address show up").splitlines()
    assert any("fec0:" in line and "tentative" not in line for line in addresses), addresses
    assert guest.check("ip -6 route show default").strip()


@pytest.mark.needs_machine
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


@pytest.mark.needs_machine
@pytest.mark.guest_stage("changed")
def test_a_name_is_resolved(guest: Guest, name_server: int) -> None:
    """A program asks the C library, that asks the resolver, that asks a server over the network.

    The server is ours, given to the link as a person would, since a host may have none.
    """
    link = guest.check("ip -4 -o route show default").split(" dev ")[1].split()[0]
    try:
        guest.check(f"resolvectl dns {link} {GATEWAY}:{name_server}")
        told = guest.run(f"getent ahosts {NAME}; getent hosts other.{NAME}").stdout
    finally:
        guest.check(f"resolvectl revert {link} && networkctl reconfigure {link}")
    assert {line.split()[0] for line in told.splitlines()} == {*ADDRESSES}


@pytest.mark.parametrize("stage", STAGES)
def test_hostname_resolves(guest: Guest, stage: str) -> None:
    """The machine knows its own name, so that sudo does not wait for a name server.

    /etc/hosts has localhost, and no name of anybody else: Debian's images once had the name of the
    machine that built them (#942325).
    """
    name, full, *rest = guest.check("hostname; hostname --fqdn; cat /etc/hosts").splitlines()
    guest.check("getent hosts $(hostname)")
    entries = [line.partition("#")[0].split() for line in rest]
    known = {entry[0]: entry[1:] for entry in entries if entry}
    assert known["127.0.0.1"][0] == "localhost", stage
    ours = {"localhost", "ip6-localhost", "ip6-loopback", name, full}
    assert {other for address in LOOPBACK for other in known.get(address, ())} <= ours
    assert [address for address in known if address not in LOOPBACK and "." in address] == []


@pytest.mark.needs_cloud_init
@pytest.mark.parametrize("stage", STAGES)
def test_the_hostname_is_as_given(guest: Guest, stage: str) -> None:
    """The meta-data's name is the machine's, whole and short, and leads to 127.0.1.1."""
    short = HOSTNAME.partition(".")[0]
    told = guest.check("hostname; hostname --fqdn; cat /etc/hostname").split()
    assert told == [short, HOSTNAME, short], stage
    entries = [line.split() for line in guest.check("cat /etc/hosts").splitlines()]
    assert ["127.0.1.1", HOSTNAME, short] in entries
