# SPDX-License-Identifier: GPL-2.0-or-later
"""Upstreams whose index is a document of its own: Ubuntu, Debian, Fedora, Oracle.

As in `upstreamworld_lists`, each function writes all that one distribution serves.
"""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from typing import Any, Final

import distro_info

from tests.upstreamworld import RECORDED, World, sha256, sha512
from tests.upstreamworld_lists import ARCHES, series, with_digests

UBUNTU: Final = "https://cloud-images.ubuntu.com/releases"
CONTENT_ID: Final = "com.ubuntu.cloud:released:download"
DEBIAN: Final = "https://cloud.debian.org/images/cloud"
FEDORA: Final = "https://download.fedoraproject.org/pub/fedora/linux/releases"
COMPOSES: Final = "https://kojipkgs.fedoraproject.org/compose"
ORACLE: Final = "https://yum.oracle.com/templates/OracleLinux"
DPKG: Final = "adduser\t3.137ubuntu1\nbash\t5.2.21-2ubuntu4\nlibc6:amd64\t2.39-0ubuntu8\n"


def day() -> date:
    return datetime.now(UTC).date()


def ubuntu(world: World) -> None:
    """Derived: products as simplestreams has them, of all releases that distro-info knows today."""
    info = distro_info.UbuntuDistroInfo()
    known = [each for each in info.get_all("object") if each.release and each.release <= day()]
    lts = [each for each in known if "LTS" in each.version][-2:]
    products: dict[str, Any] = {}
    for each in known[-6:] + lts:
        number = each.version.split()[0]
        for arch in ("amd64", "arm64", "armhf", "amd64v3"):
            key = f"com.ubuntu.cloud:server:{number}:{arch}"
            name = series(f"ubuntu-{number.replace('.', '')}", arch)
            later = world.later.get(name, 0)
            versions = _ubuntu_versions(world, each.series, number, arch, later)
            products[key] = {
                "aliases": f"{number},{each.series}",
                "arch": arch,
                "os": "ubuntu",
                "release": each.series,
                "version": number,
                "versions": versions,
            }
            if each not in lts or arch not in ARCHES:
                continue
            newest = f"20260725.{later + 1}"
            url = f"{UBUNTU}/{versions[newest]['items']['disk1.img']['path']}"
            content = world.path(url.replace("/server/releases/", "/")).read_bytes()
            world.expect(name, url, content, newest, newest, "ubuntu")
    updated = format_datetime(
        datetime(2026, 7, 26, tzinfo=UTC) + timedelta(hours=sum(world.later.values()))
    )
    document = {
        "content_id": CONTENT_ID,
        "datatype": "image-downloads",
        "format": "products:1.0",
        "updated": updated,
        "products": products,
    }
    for end in ("json", "sjson"):
        index = {
            "format": "index:1.0",
            "updated": updated,
            "index": {
                CONTENT_ID: {
                    "datatype": "image-downloads",
                    "format": "products:1.0",
                    "path": f"streams/v1/{CONTENT_ID}.{end}",
                    "products": sorted(products),
                    "updated": updated,
                },
                "com.ubuntu.cloud:released:aws": {
                    "datatype": "image-ids",
                    "format": "products:1.0",
                    "path": f"streams/v1/com.ubuntu.cloud:released:aws.{end}",
                    "products": ["com.ubuntu.cloud:server:24.04:amd64"],
                },
            },
        }
        for name, found in (("index", index), (CONTENT_ID, document)):
            text = json.dumps(found, indent=1).encode()
            if end == "sjson":
                text = world.keys.clearsigned("ubuntu", text)
            world.put(f"{UBUNTU}/streams/v1/{name}.{end}", text)


def _ubuntu_versions(
    world: World, codename: str, number: str, arch: str, later: int
) -> dict[str, Any]:
    """Three days, and builds of the last one: .10 is the newest of ten, whatever text says."""
    found = {}
    for version in ("20260705", "20260725", *(f"20260725.{n + 1}" for n in range(later + 1))):
        folder = f"server/releases/{codename}/release-{version}"
        stem = f"ubuntu-{number}-server-cloudimg-{arch}"
        # The server redirects to the short path.
        short = f"{UBUNTU}/{folder.removeprefix('server/releases/')}"
        content = world.image(f"{short}/{stem}.img")
        packages = world.put(f"{short}/{stem}.manifest", DPKG)
        found[version] = {
            "label": "release",
            "pubname": f"ubuntu-{codename}-{number}-{arch}-server-{version}",
            "items": {
                name: {
                    "ftype": name,
                    "path": f"{folder}/{stem}{end}",
                    "sha256": sha256(body),
                    "md5": hashlib.md5(body, usedforsecurity=False).hexdigest(),
                    "size": len(body),
                }
                for name, end, body in (
                    ("disk1.img", ".img", content),
                    ("manifest", ".manifest", packages),
                    ("root.tar.xz", "-root.tar.xz", b"another file"),
                )
            },
        }
    return found


def debian(world: World) -> None:
    """Recorded for 11 to 13; later ones are derived. The build has a digest of something else."""
    info = distro_info.DebianDistroInfo()
    known = [each for each in info.get_all("object") if each.release and each.release <= day()]
    for each in known[-2:]:
        for arch in ARCHES:
            recorded = RECORDED / "containerdisks/debian"
            path = recorded / f"debian-{each.version}-genericcloud-{arch}.json"
            text = path.read_text() if path.exists() else ""
            if not text:
                text = (recorded / f"debian-13-genericcloud-{arch}.json").read_text()
                text = text.replace("trixie", each.series).replace(
                    "debian-13", f"debian-{each.version}"
                )
            _debian(world, each.series, each.version, arch, json.loads(text))


def _debian(world: World, codename: str, number: str, arch: str, template: dict[str, Any]) -> None:
    image, folder = series(f"debian-{number}-genericcloud", arch), f"{DEBIAN}/{codename}"
    later = world.later.get(image, 0)
    old = template["items"][0]["data"]["info"]["version"]
    version = old if not later else f"{int(old[:8]) + later}-{int(old[9:]) + later}"
    found = json.loads(json.dumps(template).replace(old, version))
    upload = next(
        each
        for each in found["items"]
        if each["metadata"]["labels"].get("upload.cloud.debian.org/image-format") == "qcow2"
    )
    url = f"{DEBIAN}/{upload['data']['ref']}"
    content = world.image(url)
    packed = base64.b64encode(hashlib.sha512(content).digest()).decode().rstrip("=")
    upload["metadata"]["annotations"]["cloud.debian.org/digest"] = f"sha512:{packed}"
    stem = f"debian-{number}-genericcloud-{arch}"
    text = json.dumps(found, indent=4)
    world.put(f"{folder}/latest/{stem}.json", text)
    world.put(f"{folder}/latest/{stem}.qcow2", content)
    world.put(f"{folder}/{version}/{stem}-{version}.json", text)
    for where, name in (("latest", stem), (version, f"{stem}-{version}")):
        listed = world.path(f"{folder}/{where}/SHA512SUMS")
        others = listed.read_text().splitlines() if listed.exists() else []
        kept = [line for line in others if not line.endswith(f"  {name}.qcow2")]
        lines = sorted([*kept, f"{sha512(content)}  {name}.qcow2"])
        world.put(f"{folder}/{where}/SHA512SUMS", "\n".join(lines) + "\n")
    world.expect(image, url, content, version.replace("-", "."), version)


def fedora(world: World) -> None:
    """Recorded for 39 to 41 Beta; 43 and later are derived from a recorded list of 44."""
    rows = json.loads((RECORDED / "containerdisks/fedora/releases.json").read_text())
    template = (RECORDED / "signed/Fedora-Cloud-44-1.7-aarch64-CHECKSUM").read_text()
    lines = template.partition("\n\n")[2].partition("-----BEGIN PGP SIGNATURE")[0]
    later = world.later.get("fedora-44", 0)
    # Text would have 1.10 before 1.7, and "45 Beta" behind 44.
    for release, label in (("43", "1.6"), ("44", "1.7"), ("44", f"1.{10 + later}"), ("45", "1.1")):
        beta = release == "45"
        for arch, theirs in ARCHES.items():
            folder = f"{FEDORA}/{'test/45_Beta' if beta else release}/Cloud/{theirs}/images"
            text = lines.replace("aarch64", theirs).replace("44-1.7", f"{release}-{label}")
            images = {}
            for flavour in ("Generic", "UEFI-UKI"):
                file = f"Fedora-Cloud-Base-{flavour}-{release}-{label}.{theirs}.qcow2"
                content = images[file] = world.image(f"{folder}/{file}")
                row = {
                    "version": "45 Beta" if beta else release,
                    "arch": theirs,
                    "link": f"{folder}/{file}",
                    "variant": "Cloud",
                    "subvariant": "Cloud_Base" + ("_UKI" if flavour != "Generic" else ""),
                    "sha256": sha256(content),
                    "size": str(len(content)),
                }
                if beta:
                    del row["sha256"]
                rows.insert(0 if flavour == "Generic" else len(rows), row)
            signed = world.keys.clearsigned("fedora", with_digests(text, images).encode())
            world.put(f"{folder}/Fedora-Cloud-{release}-{label}-{theirs}-CHECKSUM", signed)
            _compose(world, release, label, later)
            file = f"Fedora-Cloud-Base-Generic-44-1.{10 + later}.{theirs}.qcow2"
            if file in images:
                name, url, serial = series("fedora-44", arch), f"{folder}/{file}", 20260421 + later
                version = f"44-1.{10 + later}"
                world.expect(name, url, images[file], f"{serial}", version, "fedora")
    world.put("https://fedoraproject.org/releases.json", json.dumps(rows, indent=2))


def _compose(world: World, release: str, label: str, later: int) -> None:
    """The metadata of a release's compose, which has its day."""
    made = f"{20260421 + later}"
    compose = {
        "id": f"Fedora-{release}-{made}.0",
        "date": made,
        "respin": 0,
        "type": "production",
        "label": f"RC-{label}",
    }
    folder = f"{COMPOSES}/{release}/latest-Fedora-{release}/compose/metadata"
    header = {"type": "productmd.composeinfo", "version": "1.2"}
    content = {"header": header, "payload": {"compose": compose}}
    world.put(f"{folder}/composeinfo.json", json.dumps(content))
    images: dict[str, Any] = {"Cloud": {}}
    for theirs in ARCHES.values():
        file = f"Fedora-Cloud-Base-Generic-{release}-{label}.{theirs}.qcow2"
        path = world.path(f"{FEDORA}/{release}/Cloud/{theirs}/images/{file}")
        if path.exists():
            body = path.read_bytes()
            images["Cloud"][theirs] = [
                {
                    "arch": theirs,
                    "checksums": {"sha256": sha256(body)},
                    "format": "qcow2",
                    "path": f"Cloud/{theirs}/images/{file}",
                    "size": len(body),
                    "subvariant": "Cloud_Base",
                    "type": "qcow2",
                }
            ]
    header = {"type": "productmd.images", "version": "1.2"}
    payload = {"compose": compose, "images": images}
    world.put(f"{folder}/images.json", json.dumps({"header": header, "payload": payload}))


def oracle(world: World) -> None:
    """Derived: a document for each release and architecture, with what is there now."""
    for release, (update, build) in {"8": (10, 271), "9": (6, 265), "10": (0, 266)}.items():
        for arch, theirs in ARCHES.items():
            image = series(f"oracle-{release}", arch)
            later = world.later.get(image, 0)
            made = datetime(2026, 6, 1 + later, 12, 0, tzinfo=UTC)
            cloud = "" if arch == "amd64" else "-cloud"
            version = f"{release}U{update}"
            file = f"OL{version}_{theirs}-kvm{cloud}-b{build + later}.qcow2"
            base = f"/templates/OracleLinux/OL{release}/u{update}/{theirs}"
            url = f"https://yum.oracle.com{base}/{file}"
            content = world.image(url, made)
            found = {
                "base_url": base,
                "kvm": {"image": file, "sha256": sha256(content)},
                "ova": {"image": file.replace("kvm", "olvm"), "sha256": "0" * 64},
            }
            name = f"ol{release}{'_aarch64-cloud' if cloud else ''}-template.json"
            world.put(f"{ORACLE}/{name}", json.dumps(found))
            serial = f"{made:%Y%m%d}.1200"
            world.expect(image, url, content, serial, f"{version}.b{build + later}")
