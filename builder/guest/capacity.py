# SPDX-License-Identifier: GPL-2.0-or-later
"""How many guests at a time: as many as the host has processors and memory for."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

from builder.guest import twin
from builder.guest.accel import KVM, TCG, attempts, verdict_of
from builder.guest.domain import CPUS, MEMORY_MIB
from builder.install.workspace import available_memory
from builder.paths import cache

MIB: Final = 1 << 20
# What an emulator needs beside the guest's memory, in MiB; when it emulates, it keeps what it has
# translated. An emulated Debian 13 of 2048 MiB had 1555 MiB of the host's after its tests.
OVERHEAD_MIB: Final = {KVM: 256, TCG: 512}
# What is left to everybody else.
SPARE_MIB: Final = 512


@dataclass(frozen=True)
class Host:
    """What a host has to give: processors, and bytes of memory without swapping."""

    processors: int
    memory: int


@dataclass(frozen=True)
class Plan:
    """How many guests run at a time, and why, in words."""

    jobs: int
    why: str


def host() -> Host:
    """This host, as far as we may use it."""
    return Host(len(os.sched_getaffinity(0)), available_memory())


def expected(accel: str, arch: str) -> str:
    """What guests will run under in the end, where `accel` is what was asked for.

    Where nobody has tried KVM yet, it may have to be emulation. Raises as `attempts` does.
    """
    return attempts(accel, arch, verdict_of(cache().guests, arch))[-1]


def plan(guests: int, accel: str, host: Host, wanted: int | None = None) -> Plan:
    """How many of `guests` run at a time under an acceleration; `wanted` overrides all reasons.

    An emulated guest that shares its processor misses its time limits, so it gets one of its own;
    its twin needs memory, too, but is gone before the tests are.
    """
    if guests <= 1:
        return Plan(1, "there is only one")
    if wanted is not None:
        return Plan(max(1, min(wanted, guests)), "as asked by --jobs")
    each = MEMORY_MIB + twin.MEMORY_MIB + 2 * OVERHEAD_MIB[accel]
    by_processors = host.processors // CPUS[accel]
    by_memory = (host.memory // MIB - SPARE_MIB) // each
    jobs = max(1, min(guests, by_processors, by_memory))
    if jobs == guests:
        return Plan(jobs, "processors and memory suffice")
    if by_memory < by_processors:
        return Plan(jobs, f"{host.memory // MIB} MiB of memory are free, {each} MiB for each")
    words = "processor" if host.processors == 1 else "processors"
    return Plan(jobs, f"{host.processors} {words}, {CPUS[accel]} for each")
