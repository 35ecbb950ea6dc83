# SPDX-License-Identifier: GPL-2.0-or-later
"""Images in OpenStack, over openstacksdk, at a server that speaks as Keystone and Glance do."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from builder.errors import InfrastructureError, UsageError
from builder.facility.kinds import GlanceTarget
from builder.facility.targets.glance import GlanceImages
from builder.facility.targets.glanceapi import Glance
from builder.facility.targets.target import Item
from builder.progress import NoProgress
from tests.integration.glance import (
    PASSWORD,
    PROJECT,
    USER,
    Cloud,
    Handler,
    answering,
    cut_after,
    running,
)
from tests.published import manifest

QUIET = NoProgress()
MIB = 1 << 20
CLOUDS = """\
clouds:
  here:
    region_name: one
    auth:
      auth_url: {url}/identity/v3
      username: {user}
      password: {password}
      project_name: site
      user_domain_name: Default
      project_domain_name: Default
"""
PUT = """
import sys, time
from pathlib import Path
sys.path.insert(0, {root!r})
from builder.progress import NoProgress
from tests.integration.test_target_glance import item, target

class Slow(NoProgress):
    def stage(self, title):
        print(title, flush=True)
        if {stage!r} in title:
            time.sleep(60)

    def update(self, done, total, detail=""):
        if {stage!r} == "middle" and done > 1:
            print("middle", flush=True)
            time.sleep(60)

target(Path({state!r})).put(item(Path({store!r}), "20261121"), Slow())
"""


def item(folder: Path, serial: str, name: str = "debian-13") -> Item:
    """An image of some MiB, that no two serials share."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}-{serial}.qcow2"
    content = b"QFI\xfb" + (3).to_bytes(4, "big") + bytes(16) + (3 << 30).to_bytes(8, "big")
    content += hashlib.sha256(serial.encode()).digest() * (5 * MIB // 32)
    path.write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    return Item(path, "qcow2", len(content), sha256, manifest(serial, name=name), "release", True)


def target(state: Path, **more: Any) -> GlanceImages:
    entry = GlanceTarget.model_validate({"kind": "glance", "cloud": "here", "keep": 1, **more})
    return GlanceImages("cloud", entry, "north", state, pause=lambda _seconds: None)


@pytest.fixture(scope="module")
def server() -> Iterator[Cloud]:
    with running() as cloud:
        yield cloud


@pytest.fixture
def cloud(tmp_path: Path, server: Cloud, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """An empty cloud, and a clouds.yaml that leads there."""
    server.__init__(url=server.url)  # type: ignore[misc]
    path = tmp_path / "clouds.yaml"
    path.write_text(CLOUDS.format(url=server.url, user=USER, password=PASSWORD))
    for name in [name for name in os.environ if name.startswith("OS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(path))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return server


def only(cloud: Cloud, name: str = "debian-13") -> dict[str, Any]:
    (found,) = cloud.shown(name)
    return found


def test_an_image_arrives_and_is_described(tmp_path: Path, cloud: Cloud) -> None:
    new = item(tmp_path / "store", "20261121")
    placed = target(tmp_path, properties={"hw_vif_multiqueue_enabled": "true"}).put(new, QUIET)
    found = only(cloud)
    assert placed.answer == "placed"
    assert placed.reference == found["id"]
    assert cloud.content[found["id"]] == new.path.read_bytes()
    expected = {
        "visibility": "private",
        "disk_format": "qcow2",
        "container_format": "bare",
        "min_disk": 3,
        "min_ram": 512,
        "architecture": "x86_64",
        "os_distro": "debian",
        "os_version": "13",
        "os_type": "linux",
        "hw_firmware_type": "uefi",
        "os_secure_boot": "optional",
        "hw_disk_bus": "virtio",
        "hw_vif_multiqueue_enabled": "true",
        "image_build_date": "2026-11-21",
        "image_original_user": "debian",
        "uuid_validity": "last-1",
        "fai_forge_sha256": new.sha256,
        "tags": ["fai-forge"],
    }
    assert {name: found[name] for name in expected} == expected
    before = len(cloud.asked)
    assert target(tmp_path).put(new, QUIET).answer == "unchanged"
    assert not [
        each
        for each in cloud.asked[before:]
        if not each.startswith("GET") and "identity" not in each
    ]


def test_the_name_moves_and_older_ones_go(tmp_path: Path, cloud: Cloud) -> None:
    for serial in ("20261119", "20261120", "20261121"):
        target(tmp_path).put(item(tmp_path / "store", serial), QUIET)
    assert only(cloud)["fai_forge_serial"] == "20261121"
    (old,) = (each for each in cloud.images.values() if each["os_hidden"])
    assert old["name"] == "debian-13-20261120"
    assert [(each.serial, each.current) for each in target(tmp_path).held()] == [
        ("20261120", False),
        ("20261121", True),
    ]


def test_there_is_an_image_by_the_name_at_every_time(tmp_path: Path, cloud: Cloud) -> None:
    target(tmp_path).put(item(tmp_path / "store", "20261120"), QUIET)
    seen: list[list[str]] = []
    cloud.watch = lambda: seen.append(
        [each["fai_forge_serial"] for each in cloud.shown("debian-13")]
    )
    target(tmp_path).put(item(tmp_path / "store", "20261121"), QUIET)
    assert seen == [["20261120", "20261121"], ["20261121"]]


def test_an_older_build_can_come_back(tmp_path: Path, cloud: Cloud) -> None:
    old, new = (item(tmp_path / "store", serial) for serial in ("20261120", "20261121"))
    for each in (old, new, old):
        assert target(tmp_path).put(each, QUIET).answer == "placed"
    assert only(cloud)["fai_forge_serial"] == "20261120"
    assert len(cloud.images) == 2
    assert len([each for each in cloud.asked if each.startswith("PUT")]) == 2


def test_many_images_on_many_pages(tmp_path: Path, cloud: Cloud) -> None:
    serials = [f"202610{day}" for day in range(10, 17)]
    for serial in serials:
        cloud.add(
            name=f"debian-12-{serial}",
            tags=["fai-forge"],
            os_hidden=int(serial) % 2 == 0,
            fai_forge_site="north",
            fai_forge_name="debian-12",
            fai_forge_serial=serial,
            fai_forge_state="good",
        )
    assert [each.serial for each in target(tmp_path).held()] == serials
    new = item(tmp_path / "store", "20261121")
    assert [target(tmp_path).put(new, QUIET).answer for _ in "12"] == ["placed", "unchanged"]
    assert len(cloud.images) == 8


@pytest.mark.parametrize("owner", [PROJECT, "other"])
def test_an_image_of_somebody_else_is_not_touched(tmp_path: Path, cloud: Cloud, owner: str) -> None:
    foreign = cloud.add(name="debian-13", owner=owner, visibility="public")
    before = dict(cloud.images[foreign])
    if owner == PROJECT:
        with pytest.raises(UsageError, match="not ours"):
            target(tmp_path).put(item(tmp_path / "store", "20261121"), QUIET)
        assert list(cloud.images) == [foreign]
    else:
        # The provider's images cannot be renamed by us, and the project's own come first.
        target(tmp_path).put(item(tmp_path / "store", "20261121"), QUIET)
        assert len(cloud.images) == 2
    assert cloud.images[foreign] == before


def test_another_site_in_the_project_is_not_touched(tmp_path: Path, cloud: Cloud) -> None:
    marks = {
        "fai_forge_name": "debian-13",
        "fai_forge_serial": "20261101",
        "fai_forge_site": "south",
    }
    south = cloud.add(
        name="debian-13-20261101", tags=["fai-forge"], fai_forge_state="sent", **marks
    )
    target(tmp_path).put(item(tmp_path / "store", "20261121"), QUIET)
    assert south in cloud.images
    assert [each.serial for each in target(tmp_path).held()] == ["20261121"]


def test_a_token_that_ends_is_renewed(tmp_path: Path, cloud: Cloud) -> None:
    """Also in front of the upload, whose content then must be sent from its beginning."""
    new = item(tmp_path / "store", "20261121")

    def expire(handler: Handler) -> None:
        handler.drain()
        cloud.tokens.clear()
        handler.send(401, b"")

    cloud.spoil("PUT", "/file$", expire)
    cloud.spoil("PATCH", "/images/", expire)
    target(tmp_path).put(new, QUIET)
    assert cloud.content[only(cloud)["id"]] == new.path.read_bytes()
    assert len([each for each in cloud.asked if each == "POST /identity/v3/auth/tokens"]) == 3


def test_who_is_busy_is_asked_again_when_they_say(tmp_path: Path, cloud: Cloud) -> None:
    waited: list[float] = []
    patient = GlanceImages(
        "cloud",
        target(tmp_path).entry,
        "north",
        tmp_path,
        open=lambda name: Glance(name, sleep=waited.append),
    )
    cloud.spoil("POST", "/v2/images$", answering(429, "slow down", Retry_After="7"), times=2)
    cloud.spoil("GET", "/v2/images$", answering(503), times=1)
    patient.put(item(tmp_path / "store", "20261121"), QUIET)
    assert waited == [2.0, 7.0, 7.0]
    cloud.spoil("GET", "/v2/images$", answering(429, Retry_After="86400"), times=99)
    with pytest.raises(InfrastructureError, match="429"):
        patient.held()
    assert max(waited) == 120.0


@pytest.mark.parametrize("count", [0, 1, MIB, 5 * MIB])
def test_a_connection_that_is_cut(tmp_path: Path, cloud: Cloud, count: int) -> None:
    old, new = (item(tmp_path / "store", serial) for serial in ("20261120", "20261121"))
    target(tmp_path).put(old, QUIET)
    cloud.spoil("PUT", "/file$", cut_after(count))
    with pytest.raises(InfrastructureError):
        target(tmp_path).put(new, QUIET)
    assert only(cloud)["fai_forge_serial"] == "20261120"
    assert len(cloud.images) == 1
    target(tmp_path).put(new, QUIET)
    assert cloud.content[only(cloud)["id"]] == new.path.read_bytes()


def lying(field: str, value: object) -> Callable[[Cloud], None]:
    def lie(cloud: Cloud) -> None:
        def act(handler: Handler) -> None:
            (image,) = (each for each in cloud.images.values() if each["status"] == "active"
                        and each["fai_forge_state"] == "sent")  # fmt: skip
            handler.document(200, {**image, field: value})

        cloud.spoil("GET", "/v2/images/.", act)

    return lie


@pytest.mark.parametrize(
    ("lie", "said"),
    [
        (lying("size", 7), "it has 7 bytes"),
        (lying("os_hash_value", "0" * 128), "its sha512 differs"),
        (lying("status", "killed"), "its status is killed"),
        (lying("status", "queued"), "its status is queued"),
    ],
)
def test_a_server_that_has_something_else(
    tmp_path: Path, cloud: Cloud, lie: Callable[[Cloud], None], said: str
) -> None:
    old, new = (item(tmp_path / "store", serial) for serial in ("20261120", "20261121"))
    target(tmp_path).put(old, QUIET)
    lie(cloud)
    with pytest.raises(InfrastructureError, match=said):
        target(tmp_path).put(new, QUIET)
    assert [each["name"] for each in cloud.images.values()] == ["debian-13"]
    assert only(cloud)["fai_forge_serial"] == "20261120"


@pytest.mark.parametrize("algorithm", ["sha256", "md5", None])
def test_other_digests(tmp_path: Path, cloud: Cloud, algorithm: str | None) -> None:
    cloud.algorithm = algorithm
    target(tmp_path).put(item(tmp_path / "store", "20261121"), QUIET)
    read_back = any(each.startswith("GET") and each.endswith("/file") for each in cloud.asked)
    assert read_back == (algorithm is None)


def test_a_server_without_digests_that_has_something_else(tmp_path: Path, cloud: Cloud) -> None:
    cloud.algorithm = None
    cloud.spoil("GET", "/file$", lambda handler: handler.send(200, b"something else"))
    with pytest.raises(InfrastructureError, match="its content differs"):
        target(tmp_path).put(item(tmp_path / "store", "20261121"), QUIET)
    assert cloud.images == {}


def test_a_quota_that_is_used_up(tmp_path: Path, cloud: Cloud) -> None:
    target(tmp_path).put(item(tmp_path / "store", "20261120"), QUIET)
    cloud.quota = 6 * MIB
    with pytest.raises(InfrastructureError, match="image_size_total limit exceeded") as caught:
        target(tmp_path).put(item(tmp_path / "store", "20261121"), QUIET)
    assert "quota" in caught.value.hint
    assert [each["name"] for each in cloud.images.values()] == ["debian-13"]


def test_a_visibility_that_is_not_permitted(tmp_path: Path, cloud: Cloud) -> None:
    public = target(tmp_path, visibility="public")
    (found,) = public.check()
    assert not found.ok
    assert "publicize_image" in found.sentence
    target(tmp_path).put(item(tmp_path / "store", "20261120"), QUIET)
    with pytest.raises(InfrastructureError, match="403"):
        public.put(item(tmp_path / "store", "20261121"), QUIET)
    assert only(cloud)["fai_forge_serial"] == "20261120"
    cloud.may_publish = True
    assert [each.ok for each in public.check()] == [True]
    public.put(item(tmp_path / "store", "20261121"), QUIET)
    assert only(cloud)["visibility"] == "public"


@pytest.mark.parametrize("why", ["server", "store", "protected"])
def test_what_is_in_use_or_protected_stays(tmp_path: Path, cloud: Cloud, why: str) -> None:
    first = target(tmp_path).put(item(tmp_path / "store", "20261119"), QUIET).reference
    # The third page has the one that counts, and one that starts from a volume.
    cloud.servers = [{"id": str(number), "image": {"id": "none"}} for number in range(4)]
    cloud.servers += [{"id": "v", "image": ""}]
    if why == "server":
        cloud.servers += [{"id": "s", "image": {"id": first}}]
    elif why == "store":
        cloud.held.add(first)
    else:
        cloud.images[first]["protected"] = True
    for serial in ("20261120", "20261121"):
        target(tmp_path).put(item(tmp_path / "store", serial), QUIET)
    assert first in cloud.images
    (held,) = (each for each in target(tmp_path).held() if each.reference == first)
    assert held.in_use == (why == "server")
    with pytest.raises(UsageError, match="protected" if why == "protected" else "in use"):
        target(tmp_path).remove(held)


def test_the_current_one_is_not_removed(tmp_path: Path, cloud: Cloud) -> None:
    target(tmp_path).put(item(tmp_path / "store", "20261121"), QUIET)
    (held,) = target(tmp_path).held()
    with pytest.raises(UsageError, match="shown by its name"):
        target(tmp_path).remove(held)
    assert only(cloud)


def test_an_image_that_is_gone_is_no_error(tmp_path: Path, cloud: Cloud) -> None:
    for serial in ("20261120", "20261121"):
        target(tmp_path).put(item(tmp_path / "store", serial), QUIET)
    old = target(tmp_path).held()[0]
    target(tmp_path).remove(old)
    target(tmp_path).remove(old)
    assert len(cloud.images) == 1


@pytest.mark.parametrize("stage", ["Reading", "middle", "Verifying", "Giving"])
def test_killed_anywhere_it_goes_on(tmp_path: Path, cloud: Cloud, stage: str) -> None:
    old, new = (item(tmp_path / "store", serial) for serial in ("20261120", "20261121"))
    target(tmp_path).put(old, QUIET)
    program = PUT.format(
        root=str(Path(__file__).parents[2]),
        stage=stage,
        state=str(tmp_path),
        store=str(tmp_path / "store"),
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            assert any(stage.encode() in line for line in process.stdout)
        finally:
            process.send_signal(signal.SIGKILL)
    assert only(cloud)["fai_forge_serial"] == "20261120"
    target(tmp_path).put(new, QUIET)
    assert only(cloud)["fai_forge_serial"] == "20261121"
    assert {each["fai_forge_state"] for each in cloud.images.values()} == {"good"}
    assert len(cloud.images) == 2


def test_killed_between_the_two_requests(tmp_path: Path, cloud: Cloud) -> None:
    old, new = (item(tmp_path / "store", serial) for serial in ("20261120", "20261121"))
    old_id = target(tmp_path).put(old, QUIET).reference
    cloud.spoil("PATCH", old_id, answering(500))
    with pytest.raises(InfrastructureError, match="500"):
        target(tmp_path).put(new, QUIET)
    assert len(cloud.shown("debian-13")) == 2
    target(tmp_path).put(new, QUIET)
    assert only(cloud)["fai_forge_serial"] == "20261121"


@pytest.mark.parametrize(
    ("old", "new", "error", "said"),
    [
        (PASSWORD, "another-secret", InfrastructureError, "does not accept the login"),
        ("here:", "there:", UsageError, "the cloud here cannot be used"),
        ("http://127.0.0.1:", "http://127.0.0.1:1", InfrastructureError, "cannot be talked to"),
    ],
)
def test_a_login_that_does_not_work(
    tmp_path: Path, cloud: Cloud, old: str, new: str, error: type[Exception], said: str
) -> None:
    assert cloud.images == {}
    path = tmp_path / "clouds.yaml"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(error, match=said) as caught:
        target(tmp_path).put(item(tmp_path / "store", "20261121"), QUIET)
    (found,) = target(tmp_path).check()
    assert not found.ok
    for text in (str(caught.value), found.sentence):
        assert "secret" not in text


def test_check_leaves_nothing(tmp_path: Path, cloud: Cloud) -> None:
    assert [each.ok for each in target(tmp_path).check()] == [True]
    assert cloud.images == {}
