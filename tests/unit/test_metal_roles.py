# SPDX-License-Identifier: GPL-2.0-or-later
"""The project's roles for real machines and for Octavia: which classes they mean, and with whom."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.classes import Catalogue, load, own_overlays, resolve
from builder.errors import UsageError
from builder.models import ARCHES
from builder.names import parse

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def project() -> Catalogue:
    """The classes of this project itself."""
    return load(own_overlays(ROOT))


@pytest.mark.parametrize("role", ["hypervisor", "baremetal", "hypervisor-baremetal"])
def test_real_machines_get_firmware_and_the_generic_kernel(project: Catalogue, role: str) -> None:
    for arch in ("", *(f"-{c.token}" for c in project.of_kind("arch") if c.token != "amd64")):
        spec = resolve(project, parse(f"debian-13-{role}{arch}"))
        assert {"METAL", "GENERIC", "CLOUD_INIT", "SSHD"} <= set(spec.classes)
        assert spec.arch in ARCHES
        assert "cloud" not in (spec.kernel or "cloud")


def test_the_amphora_comes_with_cloud_init_and_the_cloud_kernel(project: Catalogue) -> None:
    spec = resolve(project, parse("debian-13-octavia"))
    assert {"CLOUD", "CLOUD_INIT", "NETPLAN", "OCTAVIA"} <= set(spec.classes)
    assert "METAL" not in spec.classes


@pytest.mark.parametrize("role", ["octavia", "slim"])
def test_guests_have_a_kernel_where_there_is_no_cloud_kernel(project: Catalogue, role: str) -> None:
    kernels = {
        arch: resolve(project, parse(f"debian-13-{role}-{arch}")).kernel
        for arch in ("amd64", "arm64", "ppc64el", "riscv64")
    }
    assert kernels == {
        "amd64": "linux-image-cloud-amd64",
        "arm64": "linux-image-cloud-arm64",
        "ppc64el": "linux-image-powerpc64le",
        "riscv64": "linux-image-riscv64",
    }


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("debian-13-octavia-hypervisor", "an amphora is a guest"),
        ("debian-13-baremetal-octavia", "an amphora is a guest"),
        ("debian-13-hypervisor-cloud", "no drivers"),
        ("debian-13-baremetal-cloud", "no drivers"),
        ("debian-13-slim-hypervisor", "what real machines start from"),
        ("debian-13-slim-baremetal", "what real machines start from"),
        ("debian-13-nocloud-octavia", "cloud-init"),
        ("ubuntu-2404-octavia", "no octavia-agent"),
        ("debian-13-cloud-riscv64", "amd64 and arm64 only"),
    ],
)
def test_what_does_not_combine_says_why(project: Catalogue, name: str, reason: str) -> None:
    with pytest.raises(UsageError) as error:
        resolve(project, parse(name))
    assert reason in error.value.message
