# SPDX-License-Identifier: GPL-2.0-or-later
"""Upstreams with a list of digests, or a listing: recorded ones, with our small images in them.

Each function writes all that one distribution serves. Versions that came since the recorded ones
(`World.later`) differ by the day or by the build.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from tests.upstreamworld import RECORDED, World, sha256

ARCHES: Final = {"amd64": "x86_64", "arm64": "aarch64"}
LIST: Final = RECORDED / "containerdisks"
ALMA: Final = "https://repo.almalinux.org/almalinux"
CENTOS: Final = "https://cloud.centos.org/centos"
ROCKY: Final = "https://dl.rockylinux.org/pub/rocky"
OPENSUSE: Final = "https://download.opensuse.org"
GET_OPENSUSE: Final = "https://get.opensuse.org/api/v0"


def series(release: str, arch: str) -> str:
    """Our name: alma-10, alma-10-arm64."""
    return release if arch == "amd64" else f"{release}-{arch}"


def with_digests(text: str, images: Mapping[str, bytes], digest: str = r"[0-9a-f]{64}") -> str:
    """A recorded list with other digests of some files; sizes in comments stay as they are."""
    for name, content in images.items():
        whole = re.escape(name)
        text, count = re.subn(
            rf"^({digest})([ *]+{whole})$|^(SHA256 \({whole}\) = ){digest}$",
            lambda found: (
                f"{sha256(content)}{found[2]}" if found[2] else f"{found[3]}{sha256(content)}"  # noqa: B023
            ),
            text,
            flags=re.MULTILINE,
        )
        assert count == 1, f"{name} is {count} times in the list"
    return text


def alma(world: World) -> None:
    """Recorded for 9 and 10; 8 has the shape of 9, and a minor number of two digits."""
    for release in ("8", "9", "10"):
        for arch, theirs in ARCHES.items():
            recorded = "10" if release == "10" else "9"
            text = (LIST / f"almalinux/almalinux{recorded}-{theirs}.checksum").read_text()
            if release == "8":
                text = text.replace("AlmaLinux-9", "AlmaLinux-8").replace("-9.8-", "-8.10-")
            number, end = {"8": ("8.10", ""), "9": ("9.8", ""), "10": ("10.2", ".0")}[release]
            folder = f"{ALMA}/{release}/cloud/{theirs}/images"
            before = {"8": "8.9", "9": "9.7", "10": "10.1"}[release]
            name = f"AlmaLinux-{release}-GenericCloud-{{}}-{{}}{end}.{theirs}.qcow2".format
            # A later day of an earlier minor number is no newer version.
            text += f"{'0' * 64}  {name(before, '20260601')}\n"
            image = series(f"alma-{release}", arch)
            for day in range(world.later.get(image, 0) + 1):
                file = name(number, f"{20260526 + day}")
                if day:
                    text += f"{'0' * 64}  {file}\n"
                content = world.image(f"{folder}/{file}")
                text = with_digests(text, {file: content})
                version = f"{number}-{20260526 + day}{end}"
                url, serial = f"{folder}/{file}", f"{20260526 + day}"
                world.expect(image, url, content, serial, version, "alma")
            made = world.put(f"{folder}/CHECKSUM", text)
            world.put(f"{folder}/CHECKSUM.asc", world.keys.detached("alma", made))


def centos(world: World) -> None:
    """Recorded; 9 has the names in two orders, and both have a `latest`."""
    for release in ("9", "10"):
        for arch, theirs in ARCHES.items():
            text = (LIST / f"centosstream/centos-stream{release}-{theirs}.checksum").read_text()
            newest = ""
            if release == "9" and arch == "amd64":
                # 180 versions in one file.
                text = (RECORDED / "osism/centos_stream9/CHECKSUM").read_text()
            names = re.findall(r"^SHA256 \((\S+)\)", text, flags=re.MULTILINE)
            wanted = re.compile(
                rf"CentOS-Stream-GenericCloud-(?:{theirs}-)?{release}-([0-9]+)\.([0-9]+)"
                rf"\.{theirs}\.qcow2"
            )
            versions = {
                (int(found[1]), int(found[2])): name
                for name in names
                if (found := wanted.fullmatch(name))
            }
            day, respin = max(versions)
            newest = versions[day, respin]
            folder = f"{CENTOS}/{release}-stream/{theirs}/images"
            image = series(f"centos-{release}", arch)
            for build in range(world.later.get(image, 0) + 1):
                # Another build of the same day.
                file = newest.replace(f"-{day}.{respin}.", f"-{day}.{respin + build}.")
                if build:
                    text = text.rstrip("\n") + "\n"
                    text += f"# {file}: 1 bytes\nSHA256 ({file}) = {'0' * 64}\n"
                content = world.image(f"{folder}/{file}")
                text = with_digests(text, {file: content})
                number = respin + build
                serial = f"{day}.{number}" if number else f"{day}"
                world.expect(image, f"{folder}/{file}", content, serial, f"{day}.{number}")
                world.put(f"{folder}/{file}.SHA256SUM", f"SHA256 ({file}) = {sha256(content)}\n")
            world.put(f"{folder}/CHECKSUM", text)


def rocky(world: World) -> None:
    """Derived: a folder for each point release, and one for the major one, which lags behind."""
    for release, minors in {"8": (9, 10), "9": (7, 8), "10": (1, 2)}.items():
        for arch, theirs in ARCHES.items():
            image = series(f"rocky-{release}", arch)
            later = world.later.get(image, 0)
            for minor in minors:
                _rocky(world, f"{release}.{minor}", f"{release}.{minor}", theirs, later)
            _rocky(world, release, f"{release}.{minors[0]}", theirs, later)
            number = f"{release}.{minors[-1]}"
            day = 20260525 + later
            folder = f"{ROCKY}/{number}/images/{theirs}"
            file = f"Rocky-{release}-GenericCloud-Base-{number}-{day}.0.{theirs}.qcow2"
            content = world.path(f"{folder}/{file}").read_bytes()
            url = f"{folder}/{file}"
            world.expect(image, url, content, f"{day}", f"{number}-{day}.0", "rocky")
    for other in ("8.4", "9.8-BETA", "RPM-GPG-KEY-Rocky-9", "fullfilelist"):
        world.put(f"{ROCKY}/{other}/README", "nothing of this is an image")


def _rocky(world: World, folder: str, number: str, theirs: str, later: int) -> None:
    """One folder: what is there is of the point release `number`."""
    release = number.partition(".")[0]
    where = f"{ROCKY}/{folder}/images/{theirs}"
    lines = ""
    for variant in ("Base", "LVM"):
        stem = f"Rocky-{release}-GenericCloud-{variant}"
        for day in range(later + 1):
            file = f"{stem}-{number}-{20260525 + day}.0.{theirs}.qcow2"
            url = f"{where}/{file}"
            content = world.image(url) if folder == number else world.put(url, b"old" * 99)
            line = f"SHA256 ({file}) = {sha256(content)}\n"
            made = world.put(f"{url}.CHECKSUM", f"# {file}: {len(content)} bytes\n{line}")
            world.put(f"{url}.CHECKSUM.asc", world.keys.detached("rocky", made))
            lines += line
        latest = f"{stem}.latest.{theirs}.qcow2"
        lines += f"# {latest}: {len(content)} bytes\nSHA256 ({latest}) = {sha256(content)}\n"
        world.put(f"{where}/{latest}", content)
    made = world.put(f"{where}/CHECKSUM", lines)
    world.put(f"{where}/CHECKSUM.asc", world.keys.detached("rocky", made))


def tumbleweed(world: World) -> None:
    """Recorded; Tumbleweed and MicroOS are in one list, with names that are replaced in place."""
    text = (LIST / "opensuse/microos/microos.SHA256SUM").read_text()
    other = (LIST / "opensuse/tumbleweed/tumbleweed.SHA256SUM").read_text()
    # An earlier snapshot is still there, as in the other recorded list.
    text += "".join(f"{line}\n" for line in other.splitlines() if "Cloud-Snapshot" in line)
    for arch, theirs in ARCHES.items():
        ports = "" if arch == "amd64" else "ports/aarch64/"
        folder = f"{OPENSUSE}/{ports}tumbleweed/appliances"
        listed = text.replace("x86_64", theirs)
        for name, stem in {
            "tumbleweed": f"openSUSE-Tumbleweed-Minimal-VM.{theirs}-1.0.0-Cloud",
            "microos": f"openSUSE-MicroOS.{theirs}-16.0.0-OpenStack-Cloud",
        }.items():
            image = series(f"opensuse-{name}", arch)
            for day in range(world.later.get(image, 0) + 1):
                snapshot = f"{20260207 + day}"
                file = f"{stem}-Snapshot{snapshot}.qcow2"
                if day:
                    listed += f"{'0' * 64}  {file}\n"
                content = world.image(f"{folder}/{file}")
                listed = with_digests(listed, {file: content})
                url = f"{folder}/{file}"
                world.expect(image, url, content, snapshot, snapshot, "opensuse")
        made = world.put(f"{folder}/SHA256SUMS", listed)
        world.put(f"{folder}/SHA256SUMS.asc", world.keys.detached("opensuse", made))


def leap(world: World) -> None:
    """Names and lists as recorded; the listing as openSUSE's servers answer to `?jsontable`."""
    for release, stem in {
        "15.6": "openSUSE-Leap-15.6-Minimal-VM.{arch}-15.6.0-Cloud",
        "16.0": "Leap-16.0-Minimal-VM.{arch}-Cloud",
    }.items():
        folder = f"{OPENSUSE}/distribution/leap/{release}/appliances"
        later = world.later.get("opensuse-16.0", 0)
        rows: list[dict[str, Any]] = [{"name": "iso/", "size": None, "mtime": 1780000000}]
        for arch, theirs in ARCHES.items():
            name = stem.format(arch=theirs)
            # Text would have Build18.10 before Build18.7.
            for build in ("18.7", f"18.{10 + later}"):
                made = datetime(2026, 6, 10 + (0 if build == "18.7" else 5 + later), tzinfo=UTC)
                file = f"{name}-Build{build}.qcow2"
                content = world.image(f"{folder}/{file}", made)
                for each in (file, f"{name.replace('-15.6.0', '')}.qcow2"):
                    # One space, as recorded for 15.6, and two for 16.0.
                    space = " " if release == "15.6" else "  "
                    digest = world.put(
                        f"{folder}/{each}.sha256", f"{sha256(content)}{space}{each}\n", made
                    )
                    sign = world.keys.detached("opensuse", digest)
                    world.put(f"{folder}/{each}.sha256.asc", sign, made)
                    world.put(f"{folder}/{each}", content, made)
                    for end in ("", ".sha256", ".sha256.asc"):
                        size = world.path(f"{folder}/{each}{end}").stat().st_size
                        row = {"name": f"{each}{end}", "size": f"{size}"}
                        rows.append({**row, "mtime": int(made.timestamp())})
            if release == "16.0":
                name = series("opensuse-16.0", arch)
                url = f"{folder}/{file}"
                world.expect(name, url, content, f"{made:%Y%m%d}", build, "opensuse")
        world.put(f"{folder}/@jsontable", json.dumps({"data": rows}))
    states = {"16.1": "Beta", "16.0": "Stable", "15.6": "EOL", "42.3": "EOL"}
    leaps = [{"name": "openSUSE Leap", "version": key, "state": states[key]} for key in states]
    world.put(f"{GET_OPENSUSE}/distributions.json", json.dumps({"Leap": leaps, "Tumbleweed": []}))
