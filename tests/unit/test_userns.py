# SPDX-License-Identifier: GPL-2.0-or-later
"""Root's own user namespace keeps all ids."""

from __future__ import annotations

from builder.install.userns import same


def test_ids_of_the_machine() -> None:
    assert same("         0          0 4294967295\n") == "0 0 4294967295\n"


def test_ids_of_a_container_are_the_containers() -> None:
    parents = "         0     100000      65536\n     70000     200000         10\n"
    assert same(parents) == "0 0 65536\n70000 70000 10\n"
