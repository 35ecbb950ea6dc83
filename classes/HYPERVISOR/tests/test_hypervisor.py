# SPDX-License-Identifier: GPL-2.0-or-later
"""A KVM host: libvirt, network, pool, Open vSwitch, memory settings, and a guest that runs."""

from __future__ import annotations

import base64

import pytest

from builder.guest.guest import Guest

pytestmark = pytest.mark.needs_machine

VIRSH = "virsh --connect qemu:///system"
EXAMPLES = "/usr/local/share/hypervisor"

# What libvirt calls the machine's own architecture, and its usual kind of machine.
MACHINES = {
    "amd64": ("x86_64", "pc"),
    "arm64": ("aarch64", "virt"),
    "ppc64el": ("ppc64", "pseries"),
    "riscv64": ("riscv64", "virt"),
}
IMAGES = "/var/lib/libvirt/images"
DISK, OUTPUT = f"{IMAGES}/probe.raw", f"{IMAGES}/probe.log"
GREETING = b"a guest of the guest"
# The first sector of a disk for PCs: it writes the text that follows it to the first serial line.
SECTOR = bytes.fromhex(
    "31c0"  # xor ax, ax
    "8ed8"  # mov ds, ax
    "be167c"  # mov si, 0x7c16: the text, behind these 22 bytes at 0x7c00
    "baf803"  # mov dx, 0x3f8
    "fc"  # cld
    "ac"  # next: lodsb
    "84c0"  # test al, al
    "7403"  # jz stop
    "ee"  # out dx, al
    "ebf8"  # jmp next
    "f4"  # stop: hlt
    "ebfd"  # jmp stop
)
DOMAIN = """
<domain type='qemu'>
  <name>probe</name>
  <memory unit='MiB'>64</memory>
  <os><type arch='{arch}' machine='{machine}'>hvm</type><boot dev='hd'/></os>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/>
      <source file='{disk}'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <interface type='network'>
      <source network='default'/>
      <model type='virtio'/>
      <rom enabled='no'/>
    </interface>
    <serial type='file'><source path='{output}'/></serial>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
  </devices>
</domain>
"""


def fields(text: str) -> dict[str, str]:
    """virsh's lines of `Name: value`."""
    pairs = (line.partition(":") for line in text.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


STAGES = [
    pytest.param("first"),
    pytest.param("after the reboot", marks=pytest.mark.guest_stage("rebooted")),
]


@pytest.mark.parametrize("boot", STAGES)
def test_the_default_network_is_up(guest: Guest, boot: str) -> None:
    """Guests get addresses behind the host's own, now and after each start."""
    said = fields(guest.check(f"{VIRSH} net-info default"))
    assert (said["Active"], said["Autostart"]) == ("yes", "yes"), boot
    assert "192.168.122.1/24" in guest.check("ip -4 -o address show dev virbr0")


@pytest.mark.parametrize("boot", STAGES)
def test_the_default_pool_is_up(guest: Guest, boot: str) -> None:
    """Disks have a place, now and after each start, and it is the same pool."""
    said = fields(guest.check(f"{VIRSH} pool-info default"))
    assert (said["State"], said["Autostart"]) == ("running", "yes"), boot
    assert said["UUID"] in guest.check("cat /etc/libvirt/storage/default.xml")


def test_guests_may_run_guests(guest: Guest) -> None:
    """The modules' configuration says so, and a module that is loaded has understood it."""
    options = guest.check("modprobe --showconfig").splitlines()
    assert {"options kvm_intel nested=1", "options kvm_amd nested=1"} <= set(options)
    loaded = guest.run("cat /sys/module/kvm_{intel,amd}/parameters/nested").stdout.split()
    assert set(loaded) <= {"1", "Y"}


def test_open_vswitch_answers(guest: Guest) -> None:
    """A bridge can be made, is known to the kernel, and can be removed; the host has a name."""
    try:
        guest.check("ovs-vsctl --timeout=30 add-br probe0")
        assert "openvswitch" in guest.check("ip -details link show probe0")
        assert guest.check("ovs-vsctl --timeout=30 list-br").split() == ["probe0"]
    finally:
        guest.run("ovs-vsctl --timeout=30 --if-exists del-br probe0")
    assert guest.check("ovs-vsctl --timeout=30 get Open_vSwitch . external_ids:system-id").strip()


def test_memory_is_shared_and_not_set_aside(guest: Guest) -> None:
    """KSM works, huge pages are there for those who ask, none is taken away from the host."""
    assert guest.check("cat /sys/kernel/mm/ksm/run").strip() == "1"
    huge = guest.check("cat /sys/kernel/mm/transparent_hugepage/enabled")
    assert "[madvise]" in huge
    assert guest.check("sysctl -n vm.nr_hugepages").strip() == "0"
    assert int(guest.check("sysctl -n vm.nr_overcommit_hugepages")) > 0
    guest.check("mountpoint /dev/hugepages")


@pytest.mark.parametrize("kind", ["bridge", "ovs"])
def test_the_examples_are_understood(guest: Guest, kind: str) -> None:
    """netplan and libvirt take the files that the documentation sends people to."""
    root = guest.check("mktemp -d").strip()
    guest.check(f"install -D -m 600 {EXAMPLES}/{kind}-netplan.yaml {root}/etc/netplan/60.yaml")
    guest.check(f"netplan generate --root-dir {root}")
    assert "br0" in guest.check(f"find {root} -name '*br0*'; rm -r {root}")
    guest.check(f"{VIRSH} net-define --validate {EXAMPLES}/{kind}-network.xml")
    guest.check(f"{VIRSH} net-undefine br0")


@pytest.mark.guest_stage("changed")
def test_a_guest_runs(guest: Guest) -> None:
    """A domain starts from its disk, with a card in the default network, without KVM."""
    arch, machine = MACHINES[guest.arch]
    sector = (SECTOR + GREETING + b"\r\n\0").ljust(510, b"\0") + b"\x55\xaa"
    domain = DOMAIN.format(arch=arch, machine=machine, disk=DISK, output=OUTPUT)
    guest.check(f"base64 -d > {DISK} <<< {base64.b64encode(sector).decode()}")
    guest.check(f"truncate -s 1M {DISK}")
    try:
        guest.check(f"cat > /root/probe.xml <<'END'\n{domain}\nEND")
        guest.check(f"{VIRSH} create --validate /root/probe.xml", timeout=120)
        assert guest.check(f"{VIRSH} domstate probe").strip() == "running"
        assert "vnet" in guest.check("ip -o link show master virbr0")
        if guest.arch == "amd64":
            wait = f"until grep -qs '{GREETING.decode()}' {OUTPUT}; do sleep 1; done"
            guest.check(wait, timeout=120)
    finally:
        guest.run(f"{VIRSH} destroy probe")
        guest.run(f"rm -f {DISK} {OUTPUT} /root/probe.xml")
