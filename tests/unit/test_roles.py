# SPDX-License-Identifier: GPL-2.0-or-later
"""The project's own roles: what they bring, what they leave out, and which do not combine."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.classes import Catalogue, load, own_overlays, resolve
from builder.errors import UsageError
from builder.names import parse

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def ours() -> Catalogue:
    """The project's classes."""
    return load(own_overlays(ROOT))


@pytest.mark.parametrize(
    ("name", "there", "left_out"),
    [
        ("debian-13", {"GENERIC", "CLOUD_INIT", "SSHD", "PROMPT", "NETPLAN", "QEMU_AGENT"}, set()),
        ("debian-13-cloud", {"CLOUD", "CLOUD_INIT", "QEMU_AGENT", "PROMPT"}, {"GENERIC"}),
        ("debian-13-nocloud", {"GENERIC", "SSHD", "PROMPT"}, {"CLOUD_INIT"}),
        ("debian-13-extras", {"GENERIC", "CLOUD_INIT", "PROMPT"}, set()),
        (
            "debian-13-slim",
            {"CLOUD", "SSHD", "BOOT"},
            {"GENERIC", "CLOUD_INIT", "PROMPT", "NETPLAN", "QEMU_AGENT"},
        ),
        ("debian-13-slim-nocloud", {"CLOUD", "NOCLOUD"}, {"GENERIC", "CLOUD_INIT"}),
    ],
)
def test_what_a_role_brings_and_leaves_out(
    ours: Catalogue, name: str, there: set[str], left_out: set[str]
) -> None:
    classes = set(resolve(ours, parse(name)).classes)
    assert there <= classes
    assert not left_out & classes


def test_slim_has_the_cloud_kernel_named_or_not(ours: Catalogue) -> None:
    plain, named = (resolve(ours, parse(n)) for n in ("debian-13-slim", "debian-13-slim-cloud"))
    assert plain.classes == named.classes
    assert plain.kernel == named.kernel == "linux-image-cloud-amd64"
    assert str(named.name) == "debian-13-slim-cloud"


def test_slim_and_extras_say_why_they_do_not_combine(ours: Catalogue) -> None:
    with pytest.raises(UsageError) as caught:
        resolve(ours, parse("debian-13-extras-slim"))
    assert caught.value.message == (
        "debian-13-extras-slim: the roles slim and extras cannot be combined:"
        " slim leaves out the manual pages and locales that extras is made of"
    )
