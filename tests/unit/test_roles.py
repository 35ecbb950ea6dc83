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


@pytest.mark.parametrize(
    ("name", "kernel"),
    [
        ("debian-13-slim-arm64", "linux-image-cloud-arm64"),
        # Where there is no cloud kernel, slim has the generic one.
        ("debian-13-slim-riscv64", "linux-image-riscv64"),
        ("debian-13-slim-ppc64el", "linux-image-powerpc64le"),
        ("ubuntu-2404-slim", "linux-image-generic"),
    ],
)
def test_slim_has_a_kernel_everywhere(ours: Catalogue, name: str, kernel: str) -> None:
    assert resolve(ours, parse(name)).kernel == kernel


def test_the_cloud_kernel_says_where_it_is_not(ours: Catalogue) -> None:
    with pytest.raises(UsageError) as caught:
        resolve(ours, parse("debian-13-cloud-riscv64"))
    assert caught.value.message == (
        "debian-13-cloud-riscv64: the architecture riscv64 and the role cloud cannot be combined:"
        " Debian builds the cloud kernel for amd64 and arm64 only"
    )


def test_slim_and_extras_say_why_they_do_not_combine(ours: Catalogue) -> None:
    with pytest.raises(UsageError) as caught:
        resolve(ours, parse("debian-13-extras-slim"))
    assert caught.value.message == (
        "debian-13-extras-slim: the roles slim and extras cannot be combined:"
        " slim leaves out the manual pages and locales that extras is made of"
    )
