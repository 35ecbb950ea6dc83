# SPDX-License-Identifier: GPL-2.0-or-later
"""Two machines from one image are two machines. The second one started during the tests before."""

from __future__ import annotations

import pytest

from builder.guest.guest import Guest
from builder.guest.twin import Twin, identity_of


@pytest.mark.needs_machine
@pytest.mark.guest_stage("changed")
def test_another_guest_has_other_keys_and_another_id(guest: Guest, twin: Twin) -> None:
    """No host key is in both, and each has a machine id of its own."""
    own, other = identity_of(guest), twin.identity()
    assert own.host_keys & other.host_keys == set()
    assert own.machine_id != other.machine_id
