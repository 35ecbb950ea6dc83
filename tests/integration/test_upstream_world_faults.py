# SPDX-License-Identifier: GPL-2.0-or-later
"""Half of all upstreams are broken, each in its own way; the others come, and later all do."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
import yaml

from tests.integration.apiserver import Reply, running
from tests.upstreamworld import World, served, sha512
from tests.upstreamworld_others import CIRROS, RULES
from tests.upstreamworld_site import MISSING, Site, check, new_site

PAGE: Final = b"<!DOCTYPE html>\n<html><head><title>Maintenance</title></head></html>\n"
LISTED: Final = "/download.opensuse.org/tumbleweed/appliances/SHA256SUMS"
RELEASES: Final = "https://fedoraproject.org/releases.json"
ROCKY: Final = "/dl.rockylinux.org/pub/rocky/9.8/images/x86_64/Rocky"
# By nginx: a server that is down, one that redirects to where there is no TLS, one that wants to be
# left alone for an hour.
SPOILT: Final = f"""
        location /cloud.debian.org/ {{ return 503; }}
        location ~ ^{ROCKY}.*qcow2$ {{ return 302 http://mirror.example.org/image.qcow2; }}
        location = /yum.oracle.com/templates/OracleLinux/ol8-template.json {{
            add_header Retry-After 3600 always;
            return 429;
        }}
"""


def spoil(world: World, folder: Path) -> dict[str, str]:
    """Break documents and images; what is said then, by the image's or the source's name."""
    newest = world.newest

    def change(name: str, to: Callable[[bytes], bytes]) -> bytes:
        return world.put(newest[name].url, to(newest[name].content))

    # An image that its digest is not of; one that its digest is of, and its signature is not.
    change("alma-10", other)
    alpine = change("alpine-3.24", other)
    world.put(f"{newest['alpine-3.24'].url}.sha512", f"{sha512(alpine)}\n")
    # A signature, a folder, a list's line that are gone.
    world.path(f"{newest['arch-rolling'].url}.sig").unlink()
    ubuntu = world.path(newest["ubuntu-2404"].url.replace("/server/releases/", "/"))
    ubuntu.parent.rename(ubuntu.parent.with_name("gone"))
    sums = world.path(f"{CIRROS}/0.6.3/SHA256SUMS").read_text()
    world.put(f"{CIRROS}/0.6.3/SHA256SUMS", sums.replace("x86_64-disk", "x86_64-uec"))
    # Web pages in place of an image, and of an index.
    change("centos-10", lambda _: PAGE)
    world.put(RELEASES, PAGE)
    # What the operator gave the digest of is another file.
    path = folder / "windows.yaml"
    content = yaml.safe_load(path.read_text())
    content["releases"][0]["index"]["images"][0]["sha256"] = "0" * 64
    path.write_text(yaml.safe_dump(content))
    return {
        "alma-10": "is not what its publisher says",
        "alpine-3.24": "was changed after it was signed",
        "arch-rolling": ".sig is not there (404)",
        "ubuntu-2404": "is not there (404)",
        "ubuntu-2404-arm64": "is not there (404)",
        "cirros-0.6": "has no line for cirros-0.6.3-x86_64-disk.img",
        "centos-10": "is a document, and no image",
        "fedora": "is no JSON document",
        "windows-2022": "is not what its publisher says",
        "opensuse-tumbleweed": "is larger than it may be",
        "opensuse-microos": "is larger than it may be",
        "rocky-9": "redirects to an address without https",
        "oracle-8": "asks to wait 3600 s",
        **{name: "answers 503" for name in newest if name.startswith("debian-")},
    }


def other(content: bytes) -> bytes:
    """One bit of it is another; it is still an image."""
    return content[:-1] + bytes([content[-1] ^ 1])


@contextmanager
def mended_afterwards(*folders: Path) -> Iterator[None]:
    """Put all files back as they were, with their times."""
    paths = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    before = {path: (path.read_bytes(), path.stat().st_mtime) for path in paths}
    yield
    for path, (content, modified) in before.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (modified, modified))


@pytest.fixture
def site(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Site]:
    with new_site(tmp_path, monkeypatch, capsys) as made:
        yield made


def test_what_is_broken_stops_nothing_else(site: Site) -> None:
    world, root = site.world, site.root
    folder = root / "upstreams"
    with mended_afterwards(world.www, folder), running() as api:
        wrong = spoil(world, folder)
        api.routes[LISTED] = Reply(endless=True)
        endless = f"        location = {LISTED} {{ proxy_pass {api.url}; proxy_buffering off; }}\n"
        with served(world, root / "nginx", RULES + SPOILT + endless) as answering:
            code, said = site.pull(answering, "--all")
    assert code == 4
    failed = {each["name"]: each for each in said["images"] if each["answer"] == "failed"}
    assert set(failed) == set(wrong)
    for name, sentence in wrong.items():
        assert sentence in failed[name]["reason"], name
        assert failed[name]["hint"]
    # Fedora's releases are not known, and so are none of its images.
    fedora = {name for name in world.newest if name.startswith("fedora")}
    there = set(world.newest) - set(wrong) - fedora
    assert {each["name"] for each in said["images"] if each["answer"] == "pulled"} == there
    assert set(site.index()) == there
    assert not [path for path in (root / "store").rglob("*.qcow2") if path.read_bytes() == PAGE]

    with served(world, root / "again", RULES) as answering:
        said = site.pulled(answering, "--all")
    answers = dict.fromkeys(there, "unchanged") | dict.fromkeys(MISSING, "skipped")
    rest = dict.fromkeys(set(world.newest) - there, "pulled")
    assert {each["name"]: each["answer"] for each in said["images"]} == answers | rest
    builds = site.index()
    for name, wanted in world.newest.items():
        check(site, name, builds[name][-1], wanted)
