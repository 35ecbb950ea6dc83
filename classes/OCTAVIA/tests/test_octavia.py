# SPDX-License-Identifier: GPL-2.0-or-later
"""The amphora: idle without a controller, and with its configuration an agent that answers."""

from __future__ import annotations

import json

import pytest

from builder.guest.guest import Guest

CERTS = "/etc/octavia/certs"
# What a controller would hand over, but for the address: nobody outside is to reach the test.
CONFIG = f"""
[DEFAULT]
debug = False
[haproxy_amphora]
base_cert_dir = /var/lib/octavia/certs
base_path = /var/lib/octavia
bind_host = 127.0.0.1
bind_port = 9443
haproxy_cmd = /usr/sbin/haproxy
[health_manager]
controller_ip_port_list = 127.0.0.1:5555
heartbeat_interval = 10
heartbeat_key = of-a-test
[amphora_agent]
agent_server_ca = {CERTS}/client_ca.pem
agent_server_cert = {CERTS}/server.pem
agent_request_read_timeout = 180
amphora_id = 4c7a1d3e-0f0d-4d3c-9f5e-0c1a5e7d9b21
amphora_udp_driver = keepalived_lvs
agent_tls_protocol = TLSv1.2
[controller_worker]
loadbalancer_topology = SINGLE
"""
# One key pair is authority, server and client at once.
KEYS = f"""
set -e
umask 077
mkdir -p {CERTS}
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=amphora \
    -addext subjectAltName=IP:127.0.0.1 -keyout {CERTS}/key.pem -out {CERTS}/client_ca.pem
cat {CERTS}/key.pem {CERTS}/client_ca.pem > {CERTS}/server.pem
"""
CURL = f"curl --silent --show-error --max-time 60 --cacert {CERTS}/client_ca.pem"
CLIENT = f"--cert {CERTS}/server.pem"
AGENT = "https://127.0.0.1:9443"


def agent_info(guest: Guest) -> dict[str, str]:
    """What the agent says of itself to a client that it trusts, once it listens."""
    wait = f"until {CURL} {CLIENT} --output /dev/null {AGENT}/; do sleep 1; done 2> /dev/null"
    guest.check(wait, timeout=240)
    found: dict[str, str] = json.loads(guest.check(f"{CURL} {CLIENT} {AGENT}/1.0/info"))
    return found


def test_no_agent_without_a_controller(guest: Guest) -> None:
    """The agent is enabled and waits; what it starts by itself is off."""
    states = {
        name: guest.run(f"systemctl is-enabled {name}; systemctl is-active {name}").stdout.split()
        for name in ("octavia-agent", "haproxy", "keepalived", "ipvsadm")
    }
    assert states.pop("octavia-agent") == ["enabled", "inactive"]
    assert set(map(tuple, states.values())) == {("disabled", "inactive")}


def test_only_netplan_configures_cards(guest: Guest) -> None:
    """A card that the agent is to move gets no address: nothing matches what nobody named."""
    status = guest.check("networkctl status --all --no-pager")
    files = [line.split(":")[1].strip() for line in status.splitlines() if "Network File:" in line]
    assert {
        path.rsplit("/", 1)[-1].startswith("10-netplan-") for path in files if path != "n/a"
    } == {True}


def test_the_kernel_has_what_the_agent_needs(guest: Guest) -> None:
    """Certificates go to an encrypted disk in memory; UDP and SCTP go through IPVS."""
    guest.check("modprobe --dry-run --all brd dm-crypt ip_vs ip_vs_rr nf_conntrack")


def test_logs_of_the_namespace_arrive(guest: Guest) -> None:
    """The socket where haproxy sends its log from its own network namespace is served."""
    guest.check("logger --socket /run/rsyslog/octavia/log --tag haproxy probe")
    wait = "until grep -qs probe /var/log/haproxy.log; do sleep 1; done"
    guest.check(f"ip netns add probe && {wait}; ip netns delete probe")


@pytest.mark.guest_stage("changed")
def test_the_agent_answers(guest: Guest) -> None:
    """With a configuration the agent starts under the name that controllers use, and knows haproxy.

    Keys go to an encrypted disk in memory, and a client without a certificate gets nothing.
    """
    guest.check(KEYS)
    guest.check(f"cat > /etc/octavia/amphora-agent.conf <<'END'\n{CONFIG}\nEND")
    guest.check("systemctl restart amphora-agent", timeout=240)
    installed = guest.check("dpkg-query -W -f '${Version}' haproxy")
    assert installed.startswith(agent_info(guest)["haproxy_version"].split("-")[0])
    assert "certfs-ramfs" in guest.check("findmnt --noheadings /var/lib/octavia/certs")
    assert guest.run(f"{CURL} {AGENT}/1.0/info").returncode != 0


@pytest.mark.guest_stage("rebooted")
def test_the_agent_comes_back(guest: Guest) -> None:
    """A reboot of the amphora needs no controller."""
    assert agent_info(guest)["api_version"] == "1.0"
    assert "certfs-ramfs" in guest.check("findmnt --noheadings /var/lib/octavia/certs")
