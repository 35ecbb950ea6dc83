# SPDX-License-Identifier: GPL-2.0-or-later
"""One good answer of every kind of index, which tests then spoil; no server is asked."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from builder.downloads.client import Absent
from builder.downloads.documents import Document, Documents
from builder.store.memory import Memory
from builder.upstream import catalogue
from builder.upstream.model import ReleaseEntry
from builder.upstream.series import Series

ROOT: Final = Path(__file__).parents[2]
RECORDED: Final = ROOT / "tests" / "recorded" / "containerdisks"
SHA: Final = "0123456789abcdef" * 4
GITHUB: Final = """\
distro: cirros
os_distro: cirros
arches: {amd64: x86_64}
index: {kind: github, repository: cirros-dev/cirros}
file: 'cirros-(?P<version>[0-9.]+)-{arch}-disk\\.img'
unsigned: this is a test
releases: [{release: "0.6"}]
"""


@dataclass(frozen=True)
class Seed:
    """A source, one of its releases, and what its servers say, by regular expressions of URLs."""

    source: str
    release: str
    answers: Mapping[str, bytes]
    number: str | None = None
    codename: str | None = None

    def series(self, folder: Path) -> Series:
        """Its image for amd64, as if nobody signed: no program is called here."""
        path = ROOT / "upstreams" / f"{self.source}.yaml"
        if self.source == "github":
            path = folder / "cirros.yaml"
            path.write_text(GITHUB)
        source = catalogue.read_file(path)
        known = {each.release: each for each in source.upstream.releases}
        entry = known.get(self.release) or ReleaseEntry(
            release=self.release, number=self.number, codename=self.codename
        )
        found = next(each for each in source._of(entry) if each.arch == "amd64")
        unsigned = {"signature": None, "unsigned": "this is a test"}
        return replace(found, traits=found.traits.model_copy(update=unsigned))

    def answer(self, url: str) -> bytes:
        """What a server says, if nobody spoils it."""
        for pattern, content in self.answers.items():
            if re.search(pattern, url):
                return content
        raise Absent(f"{url} is not there")


def _page(*names: str) -> bytes:
    links = "".join(f'<a href="{name}">{name}</a> 2026-05-26 10:00  1.0M\n' for name in names)
    title = "<title>Index of /images</title><h1>Index of /images</h1>"
    return f'<html>{title}<pre><a href="../">../</a>\n{links}</pre></html>'.encode()


def _json(document: Any) -> bytes:
    return json.dumps(document, indent=1).encode()


def _recorded(path: str) -> bytes:
    return (RECORDED / path).read_bytes()


DEBIAN: Final = "debian-13-genericcloud-amd64-20250814-2204.qcow2"


def _debian_digest() -> str:
    """That of the recorded document."""
    items = json.loads(_recorded("debian/debian-13-genericcloud-amd64.json"))["items"]
    upload = next(each for each in items if each["data"].get("ref", "").endswith(DEBIAN))
    text = upload["metadata"]["annotations"]["cloud.debian.org/digest"].partition(":")[2]
    return base64.b64decode(text + "==").hex()


ROCKY: Final = "Rocky-10-GenericCloud-Base-10.2-20260525.0.x86_64.qcow2"
LEAP: Final = "Leap-16.0-Minimal-VM.x86_64-Cloud-Build18.7.qcow2"
ALPINE: Final = "nocloud_alpine-3.23.4-x86_64-uefi-cloudinit-r0.qcow2"
ARCH: Final = "Arch-Linux-x86_64-cloudimg-20260715.556894.qcow2"
UBUNTU: Final = "ubuntu-24.04-server-cloudimg-amd64.img"
TIME: Final = "2026-07-15T10:00:00Z"
STREAM: Final = "streams/v1/com.ubuntu.cloud:released:download.json"
PRODUCT: Final = "com.ubuntu.cloud:server:24.04:amd64"

SEEDS: Final[Mapping[str, Seed]] = {
    "checksums": Seed(
        "almalinux", "10", {"CHECKSUM$": _recorded("almalinux/almalinux10-x86_64.checksum")}
    ),
    "checksums of many builds": Seed(
        "centos", "10", {"CHECKSUM$": _recorded("centosstream/centos-stream10-x86_64.checksum")}
    ),
    "listing": Seed(
        "rocky",
        "10",
        {
            "CHECKSUM$": f"SHA256 ({ROCKY}) = {SHA}\n".encode(),
            "/images/x86_64/$": _page(ROCKY, f"{ROCKY}.CHECKSUM", "Rocky-10.latest.qcow2"),
            "/rocky/$": _page("10.1/", "10.2/", "9.8/", "fullfilelist"),
        },
    ),
    "jsontable": Seed(
        "opensuse-leap",
        "16.0",
        {
            "sha256$": f"{SHA}  {LEAP}\n".encode(),
            "jsontable$": _json(
                {"data": [{"name": LEAP, "size": 300, "mtime": 1750000000}, {"name": "iso/"}]}
            ),
        },
    ),
    "simplestreams": Seed(
        "ubuntu",
        "2404",
        {
            "index.json$": _json(
                {
                    "format": "index:1.0",
                    "updated": "Sat, 25 Jul 2026 10:00:00 +0000",
                    "index": {
                        "a": {
                            "datatype": "image-downloads",
                            "path": STREAM,
                            "products": [PRODUCT],
                        }
                    },
                }
            ),
            "download.json$": _json(
                {
                    "updated": "Sat, 25 Jul 2026 10:00:00 +0000",
                    "products": {
                        PRODUCT: {
                            "versions": {
                                day: {
                                    "label": "release",
                                    "items": {
                                        "disk1.img": {
                                            "ftype": "disk1.img",
                                            "path": f"server/{day}/{UBUNTU}",
                                            "sha256": SHA,
                                            "size": 300,
                                        }
                                    },
                                }
                                for day in ("20260725", "20260725.1")
                            }
                        }
                    },
                }
            ),
        },
        number="24.04",
        codename="noble",
    ),
    "debian": Seed(
        "debian",
        "13",
        {
            "json$": _recorded("debian/debian-13-genericcloud-amd64.json"),
            "SHA512SUMS$": f"{_debian_digest()}  {DEBIAN}\n".encode(),
        },
        number="13",
        codename="trixie",
    ),
    "fedora": Seed(
        "fedora",
        "43",
        {
            "releases.json$": _json(
                [
                    {
                        "version": version,
                        "arch": "x86_64",
                        "link": "https://download.fedoraproject.org/pub/fedora/linux/releases/"
                        f"43/Cloud/x86_64/images/Fedora-Cloud-Base-Generic-{name}.x86_64.qcow2",
                        "variant": "Cloud",
                        "subvariant": "Cloud_Base",
                        "sha256": SHA,
                        "size": "300",
                    }
                    for version, name in (("43", "43-1.6"), ("43", "43-1.10"), ("44 Beta", "x"))
                ]
            ),
            "composeinfo.json$": _json(
                {"payload": {"compose": {"date": "20251023", "label": "RC-1.10"}}}
            ),
            "images.json$": _json(
                {
                    "payload": {
                        "images": {
                            "Cloud": {
                                "x86_64": [{"path": "x", "size": 1, "checksums": {"sha256": SHA}}]
                            }
                        }
                    }
                }
            ),
            "CHECKSUM$": (
                f"SHA256 (Fedora-Cloud-Base-Generic-43-1.10.x86_64.qcow2) = {SHA}\n".encode()
            ),
        },
    ),
    "alpine": Seed(
        "alpine",
        "3.23",
        {
            "yaml$": b"- branch: v3.23\n  version: 3.23.4\n",
            "sha512$": f"{SHA}{SHA}".encode(),
            "cloud/$": _page(ALPINE, f"{ALPINE}.asc"),
            "alpine/$": _page("v3.23/", "v3.9/", "edge/"),
        },
    ),
    "gitlab": Seed(
        "arch",
        "rolling",
        {
            "package_files": _json(
                [
                    {
                        "id": 1,
                        "file_name": ARCH,
                        "size": 300,
                        "created_at": TIME,
                        "file_sha256": SHA,
                    }
                ]
            ),
            "packages": _json(
                [{"id": 1, "name": "images", "version": "20260715.556894", "created_at": TIME}]
            ),
        },
    ),
    "github": Seed(
        "github",
        "0.6",
        {
            "releases": _json(
                [
                    {
                        "tag_name": "0.6.3",
                        "created_at": TIME,
                        "assets": [
                            {
                                "name": "cirros-0.6.3-x86_64-disk.img",
                                "url": "https://api.github.com/a",
                                "browser_download_url": "https://github.com/b",
                                "size": 300,
                                "digest": f"sha256:{SHA}",
                                "updated_at": TIME,
                            }
                        ],
                    }
                ]
            )
        },
    ),
    "version-file": Seed(
        "cirros",
        "0.6",
        {
            "released$": b"0.6.3\n",
            "SUMS$": f"{SHA}  cirros-0.6.3-x86_64-disk.img\n".encode(),
        },
    ),
    "oracle": Seed(
        "oracle",
        "10",
        {
            "json$": _json(
                {
                    "base_url": "/templates/OracleLinux/OL10/u0/x86_64/",
                    "kvm": {"image": "OL10U0_x86_64-kvm-b266.qcow2", "sha256": SHA},
                }
            )
        },
    ),
    "rhel": Seed(
        "rhel",
        "9",
        {
            "cset": _json(
                {
                    "body": [
                        {
                            "filename": name,
                            "checksum": SHA,
                            "downloadHref": "https://api.access.redhat.com/management/v1/images/x",
                            "datePublished": TIME,
                        }
                        for name in ("rhel-9.8-x86_64-kvm.qcow2", "rhel-9.10-x86_64-kvm.qcow2")
                    ]
                }
            )
        },
    ),
}


@dataclass
class Servers:
    """Servers that say what is in a seed, spoiled; `said` has all of it."""

    seed: Seed
    spoil: Callable[[bytes], bytes] = bytes
    said: list[bytes] = field(default_factory=list)

    def get(self, _documents: Documents, url: str, **_how: Any) -> Document:
        """In place of `Documents.get`."""
        content = self.spoil(self.seed.answer(url))
        self.said.append(content)
        return Document(url, content)

    @contextmanager
    def asked(self) -> Iterator[Servers]:
        """Let these servers answer; nothing is remembered of an earlier answer."""
        with ExitStack() as stack:
            stack.enter_context(patch.object(Documents, "get", lambda *a, **k: self.get(*a, **k)))
            stack.enter_context(patch.object(Memory, "seen", lambda *_: 0))
            stack.enter_context(patch.object(Memory, "remember", lambda *_: None))
            yield self
