# SPDX-License-Identifier: GPL-2.0-or-later
"""The archive rooms with real apt: the names of its files, its answers, its refusals."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.archive.aptroot import list_prefix, native_arch, open_root
from builder.archive.pool import DebCache
from builder.archive.predict import predict
from builder.archive.sources import Mirrors, Source, default_sources, host_mirrors, on_mirrors
from builder.errors import BuildError
from builder.run import run
from tests.integration.harness import Forge


@pytest.mark.parametrize(
    "uri",
    [
        "http://a.invalid/debian/",
        "http://a.invalid",
        "http://a.invalid:3128/deb_ian/a~b",
        "https://user:word@a.invalid/x",
        "http://[::1]:8080/debian",
        "http://a.invalid/a%20b/x",
        "http://a.invalid/\u00fc",
        "http://a.invalid//debian//x",
        "http://A.invalid/X+y=z,w'",
        "mirror+file:/run/x/main.list",
        "file:/srv/mirror",
    ],
)
def test_apt_gives_its_indexes_these_names(tmp_path: Path, uri: str) -> None:
    root = open_root(tmp_path, (Source(uri, ("sid",), ("main",), ""),), "amd64")
    printed = run(["apt-get", "update", "--print-uris"], env=root.environment, capture=True).output
    assert f" {list_prefix(uri)}_dists_sid_InRelease " in printed


def test_the_sources_of_an_image_are_not_the_machines() -> None:
    own = default_sources("debian", "trixie")
    assert [suite for source in own for suite in source.suites] == [
        "trixie",
        "trixie-updates",
        "trixie-security",
    ]
    assert own[-1].is_security
    moved = on_mirrors(own, Mirrors("http://near.invalid/d", "http://near.invalid/s"))
    assert {source.uri for source in moved} == {"http://near.invalid/d", "http://near.invalid/s"}


def test_the_seeds_apt_root_answers(seed: Forge, tmp_path: Path) -> None:
    """What apt says of the real archive: packages, versions, refusals; then one .deb of it."""
    own = default_sources("debian", "trixie")
    mirrored = on_mirrors(own, host_mirrors())
    root = open_root(seed.cache / "apt", mirrored, native_arch())
    releases = root.releases()
    assert [release.suite for release in releases] == [
        "trixie",
        "trixie-updates",
        "trixie-security",
    ]
    assert {release.label for release in releases} == {"Debian", "Debian-Security"}
    assert all(release.date is not None for release in releases)

    base = predict(root, ())
    more = predict(root, ("less",))
    added = [each.package.name for each in more if each not in base]
    assert "less" in added
    assert {"bash", "apt", "dpkg"} <= {each.package.name for each in base}
    assert len({each.package.key for each in more}) == len(more)

    with pytest.raises(BuildError, match=r"no such package: no-such-package$"):
        predict(root, ("less", "no-such-package"))
    with pytest.raises(BuildError, match=r"no such package: less$"):
        predict(root, ("less=0~nothing",))
    with pytest.raises(BuildError, match=r"no such package: mail-transport-agent$"):
        predict(root, ("mail-transport-agent",))
    with pytest.raises(BuildError, match="cannot install the packages of this image together"):
        predict(root, ("postfix", "exim4-daemon-light"))

    less = tuple(each for each in more if each.package.name == "less")
    debs = DebCache(tmp_path / "debs")
    first = debs.fetch(root, less, tmp_path / "one", lambda *_: None)
    assert (first.downloaded, first.bytes) == (1, less[0].package.size)
    assert debs.fetch(root, less, tmp_path / "two", lambda *_: None).downloaded == 0
    said = run(["dpkg-deb", "--field", tmp_path / "two" / less[0].paths[0]], capture=True).output
    assert f"Version: {less[0].package.version}\n" in said
