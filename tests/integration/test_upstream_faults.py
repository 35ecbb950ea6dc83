# SPDX-License-Identifier: GPL-2.0-or-later
"""What can be wrong with upstreams' indexes, lists and signatures: none of it gives an image."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from builder.errors import InfrastructureError
from tests.upstreamworld import World
from tests.upstreamworld_indexes import CONTENT_ID, DEBIAN, UBUNTU
from tests.upstreamworld_lab import Lab
from tests.upstreamworld_lists import ALMA, CENTOS, OPENSUSE, ROCKY

ALMA_LIST = f"{ALMA}/10/cloud/x86_64/images/CHECKSUM"
CENTOS_LIST = f"{CENTOS}/10-stream/x86_64/images/CHECKSUM"
DEBIAN_INDEX = f"{DEBIAN}/trixie/latest/debian-13-genericcloud-amd64.json"
UBUNTU_INDEX = f"{UBUNTU}/streams/v1/index.sjson"
PRODUCTS = f"{UBUNTU}/streams/v1/{CONTENT_ID}.sjson"
ROCKY_LIST = (
    f"{ROCKY}/10.2/images/x86_64/Rocky-10-GenericCloud-Base-10.2-20260525.0.x86_64.qcow2.CHECKSUM"
)
LEAP_FOLDER = f"{OPENSUSE}/distribution/leap/16.0/appliances"
LEAP_TABLE = f"{LEAP_FOLDER}/@jsontable"
LEAP_LIST = f"{LEAP_FOLDER}/Leap-16.0-Minimal-VM.x86_64-Cloud-Build18.10.qcow2.sha256"
PAGE = "<!DOCTYPE html>\n<html><head><title>Maintenance</title></head><body>Soon</body></html>\n"
CHANGED = "was changed after it was signed"

Fault = Callable[[World], object]


def flip(url: str, *, behind: str = "") -> Fault:
    """One bit of what a URL has is another: the last digit of a word behind a text."""

    def fault(world: World) -> None:
        content = bytearray(world.path(url).read_bytes())
        place = content.index(behind.encode()) + len(behind) if behind else len(content) // 2
        # Another digit, or another letter of base64; a line break stays one.
        while not chr(content[place]).isalnum():
            place += 1
        content[place] = ord("1") if content[place] == ord("0") else ord("0")
        world.put(url, bytes(content))

    return fault


def gone(url: str) -> Fault:
    return lambda world: world.path(url).unlink()


def page(url: str) -> Fault:
    return lambda world: world.put(url, PAGE)


def signed_list(url: str, signer: str, change: Callable[[str], str]) -> Fault:
    """Another list, and a good signature of it."""

    def fault(world: World) -> None:
        made = world.put(url, change(world.path(url).read_text()))
        world.put(f"{url}.asc", world.keys.detached(signer, made))

    return fault


def alma_list(change: Callable[[str], str]) -> Fault:
    return signed_list(ALMA_LIST, "alma", change)


def leap_list(change: Callable[[str], str]) -> Fault:
    return signed_list(LEAP_LIST, "opensuse", change)


def latest_only(text: str) -> str:
    return re.sub(r"-10\.[0-9.-]+", "-latest", text)


def of_stranger(world: World) -> None:
    made = world.path(ALMA_LIST).read_bytes()
    world.put(f"{ALMA_LIST}.asc", world.keys.detached("stranger", made))


def shorter(digits: int) -> Callable[[str], str]:
    """All digests of a list, cut off."""
    return lambda text: re.sub(r"\b([0-9a-f]{64})\b", lambda found: found[1][:digits], text)


def other_name(text: str) -> str:
    """No line about the image, but one about a file whose name begins with its name."""
    return text.replace("Build18.10.qcow2", "Build18.10.qcow2.old")


def debian_digest(world: World) -> None:
    """The digest of another format's upload in the index."""
    found = json.loads(world.path(DEBIAN_INDEX).read_text())
    digests = [each["metadata"]["annotations"] for each in found["items"]]
    digests[-1].update(digests[-2])
    world.put(DEBIAN_INDEX, json.dumps(found))


@pytest.mark.parametrize(
    ("source", "name", "fault", "says"),
    [
        # One byte of what is signed.
        ("almalinux", "alma-10", flip(ALMA_LIST), CHANGED),
        ("ubuntu", "ubuntu-2404", flip(PRODUCTS, behind='"sha256": "'), CHANGED),
        ("ubuntu", "ubuntu-2404", flip(UBUNTU_INDEX, behind="2026 "), CHANGED),
        ("rocky", "rocky-10", flip(ROCKY_LIST, behind=" = "), CHANGED),
        ("opensuse-leap", "opensuse-16.0", flip(LEAP_LIST), CHANGED),
        # One byte of a signature.
        ("almalinux", "alma-10", flip(f"{ALMA_LIST}.asc"), "signature"),
        ("rocky", "rocky-10", flip(f"{ROCKY_LIST}.asc"), "signature"),
        # Somebody else's signature.
        ("almalinux", "alma-10", of_stranger, "a key that is not in the keyring"),
        # A signature that is gone; a list that is; an index that is.
        ("almalinux", "alma-10", gone(f"{ALMA_LIST}.asc"), "CHECKSUM.asc is not there (404)"),
        ("rocky", "rocky-10", gone(f"{ROCKY_LIST}.asc"), "CHECKSUM.asc is not there (404)"),
        ("opensuse-leap", "opensuse-16.0", gone(LEAP_LIST), ".sha256 is not there (404)"),
        ("centos", "centos-10", gone(CENTOS_LIST), "CHECKSUM is not there (404)"),
        ("debian", "debian-13-genericcloud", gone(DEBIAN_INDEX), "is not there"),
        # Pages with status 200 in place of each.
        ("almalinux", "alma-10", page(ALMA_LIST), CHANGED),
        ("almalinux", "alma-10", page(f"{ALMA_LIST}.asc"), "signature"),
        ("centos", "centos-10", page(CENTOS_LIST), "is no list of digests"),
        ("debian", "debian-13-genericcloud", page(DEBIAN_INDEX), "is no JSON document"),
        ("opensuse-leap", "opensuse-16.0", page(LEAP_TABLE), "is no JSON document"),
        ("rocky", "rocky-10", page(f"{ROCKY}/index.html"), "is no list of a folder"),
        ("ubuntu", "ubuntu-2404", page(PRODUCTS), "has no good signature"),
        # The digest of another file, of another algorithm, or half of one; all signed well.
        ("opensuse-leap", "opensuse-16.0", leap_list(other_name), "has no line for"),
        ("almalinux", "alma-10", alma_list(shorter(63)), "is no list of digests"),
        ("almalinux", "alma-10", alma_list(shorter(32)), "only a digest by md5"),
        ("almalinux", "alma-10", alma_list(shorter(40)), "only a digest by sha1"),
        ("debian", "debian-13-genericcloud", debian_digest, "have different digests of"),
        # Nothing but old words.
        ("almalinux", "alma-10", alma_list(latest_only), "has no version of alma-10"),
    ],
)  # fmt: skip
def test_what_is_wrong_gives_no_image(
    lab: Callable[[str], Lab], source: str, name: str, fault: Fault, says: str
) -> None:
    made = lab(source)
    assert made.find(name).candidate.url == made.world.newest[name].url
    fault(made.world)
    with pytest.raises(InfrastructureError) as raised:
        made.find(name)
    assert says in raised.value.message
    assert raised.value.hint
