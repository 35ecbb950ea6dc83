# SPDX-License-Identifier: GPL-2.0-or-later
"""All upstreams behind one nginx: the newest of each is found and verified."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from builder import paths
from builder.imports.vouching import signer_of
from builder.upstream import catalogue, finding
from builder.upstream.asking import Asking
from builder.upstream.catalogue import Catalogue
from builder.upstream.series import Series
from tests.upstreamworld import Served, served
from tests.upstreamworld_others import OFFLINE_TOKEN, RULES
from tests.upstreamworld_sources import SOURCES, copies, new_world

NAMES = sorted(path.stem for path in SOURCES.glob("*.yaml"))
# What must be found whatever day it is; -arm64 where a star is. Of Ubuntu and Debian, the releases
# are those of distro-info.
SEED = [
    "alma-8*", "alma-9*", "alma-10*", "alpine-3.24*", "arch-rolling", "centos-9*", "centos-10*",
    "cirros-0.6*", "fedora-44*", "opensuse-16.0*", "opensuse-microos*", "opensuse-tumbleweed*",
    "oracle-8*", "oracle-9*", "oracle-10*", "rhel-8*", "rhel-9*", "rhel-10*", "rocky-8*",
    "rocky-9*", "rocky-10*", "sles-15", "sles-16", "windows-2019", "windows-2022",
]  # fmt: skip
# A site has none of these here.
MISSING = {"sles-15-arm64", "sles-16-arm64"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("world")
    with new_world(folder) as made, served(made, folder / "nginx", RULES) as answering:
        yield answering


@pytest.fixture(scope="module")
def sources(world: Served, tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    return catalogue.read([copies(world.world, tmp_path_factory.mktemp("site") / "upstreams")])


@pytest.fixture
def asking(world: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Asking:
    monkeypatch.setenv("RHEL_OFFLINE_TOKEN", OFFLINE_TOKEN)
    monkeypatch.setenv(paths.CACHE_VARIABLE, str(tmp_path / "cache"))
    return Asking(instead=world.instead, kept=tmp_path / "kept")


@pytest.mark.parametrize("name", NAMES)
def test_the_newest_is_found(name: str, world: Served, sources: Catalogue, asking: Asking) -> None:
    for series in sources.sources[name].series(asking):
        if series.name in MISSING:
            assert not series.supplied
            continue
        wanted = world.world.newest[series.name]
        found = finding.newest(series, asking)
        (file,) = found.offer.images
        assert file.url == wanted.url
        assert found.offer.serial == wanted.serial
        assert found.offer.version == wanted.version
        assert file.digest == hashlib.new(file.algorithm, wanted.content).hexdigest()
        assert signer_of(found.offer.vouched) == ("" if over_image(series) else wanted.signed_by)


def over_image(series: Series) -> bool:
    """Whether nobody can verify a signature before the image is there."""
    signature = series.traits.signature
    return signature is not None and signature.over == "image"


def test_nothing_is_left_out(world: Served, sources: Catalogue, asking: Asking) -> None:
    found = {each.name for source in sources.sources.values() for each in source.series(asking)}
    names = {each.rstrip("*") for each in SEED}
    names |= {f"{each[:-1]}-arm64" for each in SEED if each.endswith("*")}
    assert set(world.world.newest) == found - MISSING
    assert names == {each for each in found - MISSING if not each.startswith(("debian", "ubuntu"))}
    # The newest two of each, on both architectures.
    for distro in ("debian", "ubuntu"):
        assert sum(each.startswith(distro) for each in found) == 4
