# SPDX-License-Identifier: GPL-2.0-or-later
"""The command that makes a build again."""

from __future__ import annotations

from builder.models import BuildId
from builder.provenance import rebuild_command


def test_the_command_has_all_that_decides_the_bytes() -> None:
    build = BuildId("debian-13-lab", "20261120.1", 1790000000)
    command = rebuild_command(build, formats=["qcow2", "raw.xz"], overlays=["my classes"])
    assert command == (
        "SOURCE_DATE_EPOCH=1790000000 fai-forge build debian-13-lab --serial 20261120.1"
        " --format qcow2 --format raw.xz --overlay 'my classes'"
    )
