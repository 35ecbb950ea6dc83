# SPDX-License-Identifier: GPL-2.0-or-later
"""Upstreams with listings, APIs, or nothing: Alpine, Arch, CirrOS, RHEL, SLES and Windows.

As in `upstreamworld_lists`, each function writes all that one distribution serves.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from tests.upstreamworld import RECORDED, World, sha256, sha512
from tests.upstreamworld import image as made
from tests.upstreamworld_lists import ARCHES, series

ALPINE: Final = "https://dl-cdn.alpinelinux.org/alpine"
GITLAB: Final = "https://gitlab.archlinux.org/api/v4/projects/archlinux/arch-boxes/packages"
ARCH: Final = "https://geo.mirror.pkgbuild.com/images"
CIRROS: Final = "https://download.cirros-cloud.net"
RHEL: Final = "https://api.access.redhat.com/management/v1/images"
RHEL_CDN: Final = "https://access.cdn.redhat.com/content"
RHEL_LOGIN: Final = "sso.redhat.com/auth/realms/redhat-external/protocol/openid-connect/token"
OFFLINE_TOKEN, ACCESS_TOKEN = "an-offline-token", "an-access-token"
# Red Hat's servers: a token for the offline one, and nothing without it. A real download is
# redirected to an address that lets in whoever knows it.
RULES: Final = f"""\
        location = /{RHEL_LOGIN} {{
            default_type application/json;
            if ($request_method != POST) {{ return 405; }}
            return 200 '{{"access_token": "{ACCESS_TOKEN}", "expires_in": 900}}';
        }}
        location ~ ^/api.access.redhat.com/management/v1/images/(?<digest>[0-9a-f]+)/download$ {{
            if ($http_authorization != "Bearer {ACCESS_TOKEN}") {{ return 401; }}
            return 307 http://localhost:$server_port/access.cdn.redhat.com/content/$digest/image.qcow2?_auth_=secret;
        }}
        location /api.access.redhat.com/ {{
            if ($http_authorization != "Bearer {ACCESS_TOKEN}") {{ return 401; }}
            default_type application/json;
            try_files $uri/offset-$arg_offset.json $uri/index.json =404;
        }}
        location /access.cdn.redhat.com/ {{
            if ($http_authorization != "") {{ return 400; }}
            if ($arg__auth_ != "secret") {{ return 403; }}
        }}
        location /cloud-images.ubuntu.com/releases/server/ {{
            rewrite ^/(.*?)/server/releases/(.*)$ http://$http_host/$1/$2 redirect;
        }}
"""


def alpine(world: World) -> None:
    """Branches, each with its images; their digests have no name beside them."""
    later = world.later.get("alpine-3.24", 0)
    for branch, last in {"v3.9": 6, "v3.23": 4, "v3.24": 1 + later}.items():
        for patch in range(last + 1):
            for arch, theirs in ARCHES.items():
                for firmware in ("uefi",) if arch == "arm64" else ("bios", "uefi"):
                    version = f"{branch[1:]}.{patch}"
                    _alpine(world, branch, version, arch, f"{theirs}-{firmware}")
    # The next one has no images yet.
    world.put(f"{ALPINE}/v3.25/releases/x86_64/README", "soon")
    world.put(f"{ALPINE}/edge/releases/cloud/README", "it has others")
    text = (RECORDED / "alpine/v3.13-x86-latest-releases.yaml").read_text()
    text = text.replace("v3.13", "v3.24").replace("arch: x86", "arch: x86_64")
    world.put(f"{ALPINE}/latest-stable/releases/x86_64/latest-releases.yaml", text)


def _alpine(world: World, branch: str, version: str, arch: str, machine: str) -> None:
    folder = f"{ALPINE}/{branch}/releases/cloud"
    made = datetime(2026, 6, 1 + int(version.rpartition(".")[2]), 10, 0, tzinfo=UTC)
    for other in ("nocloud_alpine-{}-{}-tiny-r0", "generic_alpine-{}-{}-cloudinit-r0"):
        world.put(f"{folder}/{other.format(version, machine)}.qcow2", b"another image", made)
    url = f"{folder}/nocloud_alpine-{version}-{machine}-cloudinit-r0.qcow2"
    content = world.image(url, made)
    world.put(f"{url}.sha512", f"{sha512(content)}\n", made)
    world.put(f"{url}.asc", world.keys.detached("alpine", content), made)
    if branch == "v3.24" and machine.endswith("-uefi"):
        serial = f"{made:%Y%m%d}.1000"
        world.expect(series("alpine-3.24", arch), url, content, serial, f"{version}.r0", "alpine")


def arch(world: World) -> None:
    """GitLab's packages with their files, and the folders that the images are in."""
    packages: list[dict[str, Any]] = []
    recorded = json.loads((RECORDED / "derived/arch-package_files.json").read_text())[0]
    # Text would have job 99999 behind 556894.
    for number, version in enumerate(
        ["20260701.549020", "20260715.99999", "20260715.556894"]
        + [f"{20260715 + n}.{560000 + n}" for n in range(1, world.later.get("arch-rolling", 0) + 1)]
    ):
        made = datetime.strptime(version[:8], "%Y%m%d").replace(tzinfo=UTC)
        rows: list[dict[str, Any]] = []
        for flavour in ("basic", "cloudimg"):
            file = f"Arch-Linux-x86_64-{flavour}-{version}.qcow2"
            url = f"{ARCH}/v{version}/{file}"
            content = world.image(url, made)
            generic = f"{GITLAB}/generic/images/v{version}/{file}"
            signature = world.keys.detached("arch", content, armor=False)
            for each in (url, generic):
                world.put(each, content, made)
                world.put(f"{each}.SHA256", f"{sha256(content)}  {file}\n", made)
                world.put(f"{each}.sig", signature, made)
            for end, body in (("", content), (".sig", signature)):
                row: dict[str, Any] = {"id": 10 * number + len(rows), "package_id": number + 1}
                row |= {"file_name": f"{file}{end}", "file_sha256": sha256(body)}
                row |= {"size": len(body), "created_at": f"{made:%Y-%m-%dT%H:%M:%S}.000Z"}
                rows.append({**recorded, **row})
        packages.append(
            {
                "id": number + 1,
                "name": "images",
                "version": f"v{version}",
                "package_type": "generic",
                "status": "default",
                "created_at": f"{made:%Y-%m-%dT%H:%M:%S}.000Z",
            }
        )
        world.put(f"{GITLAB}/{number + 1}/package_files/index.json", json.dumps(rows))
    world.put(f"{GITLAB}/index.json", json.dumps(packages))
    file = f"Arch-Linux-x86_64-cloudimg-{version}.qcow2"
    content = world.path(f"{ARCH}/v{version}/{file}").read_bytes()
    world.expect("arch-rolling", f"{ARCH}/v{version}/{file}", content, version[:8], version, "arch")


def cirros(world: World) -> None:
    """A file with the newest version, and lists of digests: of old versions by MD5 only."""
    later = world.later.get("cirros-0.6", 0)
    for number, version in enumerate(["0.3.0", *(f"0.6.{3 + n}" for n in range(later + 1))]):
        made = datetime(2024, 9, 26 + number, 12, 0, tzinfo=UTC)
        sums = ""
        for arch, theirs in ARCHES.items():
            file = f"cirros-{version}-{theirs}-disk.img"
            url = f"{CIRROS}/{version}/{file}"
            content = world.image(url, made)
            sums += f"{sha256(content)}  {file}\n"
            serial = f"{made:%Y%m%d}.1200"
            world.expect(series("cirros-0.6", arch), url, content, serial, version)
        weak = (RECORDED / "derived/cirros-0.3.0-MD5SUMS").read_text()
        world.put(f"{CIRROS}/{version}/MD5SUMS", weak.replace("0.3.0", version), made)
        if version != "0.3.0":
            world.put(f"{CIRROS}/{version}/SHA256SUMS", sums, made)
    world.put(f"{CIRROS}/version/released", f"{version}\n", made)


def rhel(world: World) -> None:
    """Derived from Red Hat's documentation: what a content set has, in pages."""
    world.put(f"https://{RHEL_LOGIN}.html", "nginx itself answers to a POST")
    for release, minors in {"8": (9, 10), "9": (8, 10), "10": (1, 2)}.items():
        for arch, theirs in ARCHES.items():
            image, rows = series(f"rhel-{release}", arch), []
            later = world.later.get(image, 0)
            for minor in minors:
                for kind, end in (("kvm", "qcow2"), ("boot", "iso"), ("kvm-uki", "qcow2")):
                    file = f"rhel-{release}.{minor}-{theirs}-{kind}.{end}"
                    name = f"{RHEL_CDN}/{file}/{later}"
                    content = made(name) if kind == "kvm" else file.encode()
                    digest = sha256(content)
                    if kind == "kvm":
                        world.put(f"{RHEL_CDN}/{digest}/image.qcow2", content)
                    rows.append(
                        {
                            "filename": file,
                            "checksum": digest,
                            "downloadHref": f"{RHEL}/{digest}/download",
                            "imageName": f"Red Hat Enterprise Linux {release}.{minor} {kind}",
                            "arch": theirs,
                            "datePublished": f"2026-{5 + minor % 2:02}-{12 + later}T08:00:00.000Z",
                        }
                    )
                    if kind == "kvm" and minor == minors[-1]:
                        world.expect(
                            image,
                            f"{RHEL}/{digest}/download",
                            content,
                            f"2026{5 + minor % 2:02}{12 + later}.800",
                            f"{release}.{minor}",
                        )
            where = f"{RHEL}/cset/rhel-{release}-for-{theirs}-baseos-isos"
            pagination = {"offset": 0, "limit": 100, "count": len(rows)}
            page = {"pagination": pagination, "body": rows}
            empty = {"pagination": {**pagination, "offset": 100, "count": 0}, "body": []}
            world.put(f"{where}/index.json", json.dumps(page))
            world.put(f"{where}/offset-100.json", json.dumps(empty))


def supplied(folder: Path, world: World) -> dict[str, dict[str, str]]:
    """What an operator has of SLES and Windows: files, by the series' release."""
    day = "2026-09-01"
    files = {
        "sles-15": ("SLES15-SP7-Minimal-VM.x86_64-Cloud-QU4.qcow2", "SP7.QU4"),
        "sles-16": ("SLES-16.0-Minimal-VM.x86_64-Cloud-QU0.qcow2", "16.0.QU0"),
        "windows-2019": ("windows-2019.qcow2", "17763.3650"),
        "windows-2022": ("windows-2022.qcow2", "20348.3091"),
    }
    found = {}
    for name, (file, version) in files.items():
        path, content = folder / file, made(f"{file} {day}")
        path.write_bytes(content)
        found[name] = {"arch": "amd64", "file": file, "date": day, "sha256": sha256(content)}
        if name.startswith("windows"):
            found[name]["version"] = version
        world.expect(name, path.resolve().as_uri(), content, day.replace("-", ""), version)
    return found
