# SPDX-License-Identifier: GPL-2.0-or-later
"""Which way into an image `boot` and `run` take."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from builder.cli.guests import login_of
from builder.manifest.model import Manifest


@pytest.mark.parametrize(
    ("packages", "login"),
    [
        (("apt", "cloud-init"), "cloud-init"),
        (("apt", "cloud-initramfs-growroot"), "credentials"),
        ((), "credentials"),
    ],
)
def test_the_packages_tell_the_way_in(packages: tuple[str, ...], login: str) -> None:
    manifest = SimpleNamespace(packages=[SimpleNamespace(name=name) for name in packages])
    assert login_of(cast(Manifest, manifest)) == login
