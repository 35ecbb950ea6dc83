# SPDX-License-Identifier: GPL-2.0-or-later
"""What two machines from one image must not share: identities, secrets, names, addresses.

Each function is one check, named and given its reason in `builder.checks.offline`.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from builder.checks.leftovers import found
from builder.checks.terms import Subject

# Files that make a machine unique, or with which two machines would share a secret: each is made
# on the first boot if it is missing.
UNIQUE_FILES: dict[str, str] = {
    "etc/NetworkManager/system-connections/*": "every clone would have the build's networks",
    "etc/hostid": "file systems would take all clones for one host",
    "etc/lvm/devices/*": "it names the disks of one machine",
    "etc/machine-info": "every clone would have the same description",
    "etc/multipath/wwids": "it names the disks of one machine",
    "etc/nvme/hostid": "storage servers would take all clones for one host",
    "etc/nvme/hostnqn": "storage servers would take all clones for one host",
    "etc/openvswitch/system-id.conf": "controllers would take all clones for one switch",
    "etc/ssl/private/ssl-cert-snakeoil.key": "every clone would have the same private key",
    "etc/udev/rules.d/70-persistent-*": "it names the network cards of one machine",
    "etc/zfs/zpool.cache": "it names the disks of one machine",
    "var/lib/cloud/data/*": "cloud-init would take the clone for a machine that it knows",
    "var/lib/cloud/instance": "cloud-init would take the clone for a machine that it knows",
    "var/lib/cloud/instances/*": "cloud-init would take the clone for a machine that it knows",
    "var/lib/cloud/sem/*": "cloud-init would leave out what it does once for a machine",
    "var/lib/dhcp/*": "clones would ask for the same address",
    "var/lib/dhcpcd/*": "clones would ask for the same address",
    "var/lib/NetworkManager/*": "clones would ask for the same address",
    "var/lib/shim-signed/mok/*": "every clone would sign kernel modules with the same key",
    "var/lib/systemd/credential.secret": "every clone could read the others' credentials",
    "var/lib/systemd/network/*": "clones would ask for the same address",
    "var/lib/systemd/random-seed": "every clone would start with the same random pool",
    "var/lib/urandom/random-seed": "every clone would start with the same random pool",
    "boot/efi/loader/random-seed": "every clone would start with the same random pool",
}
# Debian's open-iscsi makes the name on the first boot, unless there is one.
ISCSI = "etc/iscsi/initiatorname.iscsi"
ISCSI_NAME = re.compile(r"^\s*InitiatorName\s*=\s*\S")
# Names that any machine may have for itself, by address; others are those of one machine.
LOCAL_HOSTS: dict[str, tuple[str, ...]] = {
    "127.0.0.1": ("localhost", "localhost.localdomain", "localhost4"),
    "::1": ("localhost", "ip6-localhost", "ip6-loopback", "localhost6"),
    "fe00::0": ("ip6-localnet",),
    "ff00::0": ("ip6-mcastprefix",),
    "ff02::1": ("ip6-allnodes",),
    "ff02::2": ("ip6-allrouters",),
    "ff02::3": ("ip6-allhosts",),
}
LOOPBACK = ("127.0.0.1", "::1")


def machine_id(subject: Subject) -> Iterator[str]:
    """The machine id must be absent, empty or uninitialized."""
    text = subject.root.text("etc/machine-id")
    if text is not None and text.strip() not in ("", "uninitialized"):
        yield f"/etc/machine-id holds {text.strip()}"
    dbus = "var/lib/dbus/machine-id"
    if subject.root.exists(dbus) and subject.root.link(dbus) is None:
        yield f"/{dbus} is a file of its own, not a symlink to /etc/machine-id"


def ssh_host_keys(subject: Subject) -> Iterator[str]:
    """There must be no host keys."""
    yield from (f"/{path} exists" for path in subject.root.glob("etc/ssh/ssh_host_*key*"))


def unique_files(subject: Subject) -> Iterator[str]:
    """None of `UNIQUE_FILES` may exist."""
    yield from found(subject, UNIQUE_FILES)
    if any(ISCSI_NAME.match(line) for line in subject.root.lines(ISCSI)):
        yield f"/{ISCSI} has a name: storage servers would take all clones for one host"


def hostname(subject: Subject) -> Iterator[str]:
    """/etc/hostname must be absent, empty, localhost, or the name that was promised."""
    name = (subject.root.text("etc/hostname") or "").strip()
    if name not in ("", "localhost", subject.promise.hostname):
        yield f"/etc/hostname holds {name}"


def hosts(subject: Subject) -> Iterator[str]:
    """/etc/hosts must know this machine as localhost, each address once, and no other machine.

    Debian's images once had the build's own name there (#942325).
    """
    seen: dict[str, int] = {}
    for number, line in enumerate(subject.root.lines("etc/hosts"), 1):
        address, *names = line.split("#")[0].split() or [""]
        if not address:
            continue
        allowed = LOCAL_HOSTS.get(address)
        if allowed is None:
            yield f"/etc/hosts:{number} names {address}, another machine's or the build's address"
        elif others := [name for name in names if name not in allowed]:
            yield f"/etc/hosts:{number} calls {address} {' '.join(others)}"
        if address in seen:
            yield f"/etc/hosts:{number} names {address}, as line {seen[address]} does"
        seen[address] = number
        if address in LOOPBACK and "localhost" not in names:
            yield f"/etc/hosts:{number} does not call {address} localhost"
    yield from (f"/etc/hosts does not name {each}" for each in LOOPBACK if each not in seen)


def resolv_conf(subject: Subject) -> Iterator[str]:
    """/etc/resolv.conf must be the symlink that the network stack wants, or absent."""
    wanted = subject.promise.resolv_conf
    path = "etc/resolv.conf"
    target = subject.root.link(path)
    if not subject.root.exists(path):
        if wanted is not None:
            yield f"/{path} is missing; it must be a symlink to {wanted}"
    elif target is None:
        yield f"/{path} is a file, which names the build host's resolvers"
    elif wanted is None:
        yield f"/{path} is a symlink to {target}; it must be absent"
    elif _absolute(target) != _absolute(wanted):
        yield f"/{path} is a symlink to {target}; it must be one to {wanted}"


def _absolute(target: str) -> str:
    """The target of a symlink in /etc as seen from the root: `../run/x` is `/run/x`."""
    return posixpath.normpath(posixpath.join("/etc", target))
