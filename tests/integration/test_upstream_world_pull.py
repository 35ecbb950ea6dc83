# SPDX-License-Identifier: GPL-2.0-or-later
"""`fai-forge upstream pull --all` from all upstreams behind one nginx: all, nothing, and three."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.upstreamworld import served
from tests.upstreamworld_others import RHEL_LOGIN, RULES
from tests.upstreamworld_site import MISSING, check, images, new_site
from tests.upstreamworld_sources import new_version

# One of each way to sign, and one of nobody.
THREE = {
    "alma-10": "almalinux",
    "debian-13-genericcloud-arm64": "debian",
    "arch-rolling": "arch",
}


def test_all_then_nothing_then_three(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with (
        new_site(tmp_path, monkeypatch, capsys) as site,
        served(site.world, tmp_path / "nginx", RULES) as answering,
    ):
        newest = site.world.newest
        first = site.pulled(answering, "--all")
        answers = {each["name"]: each["answer"] for each in first["images"]}
        assert answers == dict.fromkeys(newest, "pulled") | dict.fromkeys(MISSING, "skipped")
        builds = site.index()
        assert set(builds) == set(newest)
        for name, wanted in newest.items():
            (build,) = builds[name]
            check(site, name, build, wanted)
        # Each image came once, whole.
        come = images(answering.told())
        lengths = [len(each.content) for each in newest.values()]
        remote = [len(each.content) for each in newest.values() if each.url.startswith("https:")]
        assert (len(come), sum(come.values())) == (len(remote), sum(remote))
        assert first["transferred"] == sum(lengths)

        before = len(answering.told())
        second = site.pulled(answering, "--all")
        again = answering.told()[before:]
        assert {each["answer"] for each in second["images"]} == {"unchanged", "skipped"}
        assert (second["transferred"], images(again)) == (0, {})
        assert site.index() == builds
        # What has an ETag is not sent again. What is sent are lists of folders, and a token.
        sent = {each.path for each in again if each.status == 200 and each.method != "HEAD"}
        assert {path for path in sent if not path.endswith("/")} == {f"/{RHEL_LOGIN}"}
        asked = [each for each in again if each.condition]
        assert [each.path for each in asked if each.status != 304] == []
        assert len(asked) > len(newest) / 2

        # Three versions of one, so that the fourth one takes the place of the oldest.
        for _ in range(2):
            new_version(site.world, THREE["alma-10"], "alma-10")
            site.pulled(answering, "alma-10")
        for name, source in THREE.items():
            new_version(site.world, source, name)
        before = len(answering.told())
        third = site.pulled(answering, "--all")
        pulled = {each["name"] for each in third["images"] if each["answer"] == "pulled"}
        assert pulled == set(THREE)
        come = images(answering.told()[before:])
        assert set(come) == {newest[name].url.removeprefix("https:/") for name in THREE}
        assert third["transferred"] == sum(come.values())
        now = site.index()
        assert {name for name in now if now[name] != builds[name]} == set(THREE)
        for name in THREE:
            check(site, name, now[name][-1], newest[name])
        assert [len(now[name]) for name in THREE] == [3, 2, 2]
        (gone,) = third["removed"]
        assert (gone["name"], gone["serial"]) == ("alma-10", builds["alma-10"][0].serial)
        # Its manifest stays.
        assert not list((tmp_path / "store/alma-10").rglob(f"*{gone['serial']}*.qcow2"))
