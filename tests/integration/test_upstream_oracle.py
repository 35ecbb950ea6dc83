# SPDX-License-Identifier: GPL-2.0-or-later
"""Oracle Linux: one JSON document for each template."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from builder.errors import InfrastructureError
from tests.integration.apiserver import Reply, serve
from tests.integration.upstreams import Upstreams, told, upstreams

YUM = "https://yum.oracle.com"
INDEX = f"{YUM}/templates/OracleLinux/ol10-template.json"
# As published with that image.
NAME = "OL10U0_x86_64-kvm-b266.qcow2"
DIGEST = "f88b0f73a5a48cbcb23a72cae33c93847c10fd183de6527ddf1ae807a84ca19e"
CHANGED = {"Last-Modified": "Thu, 26 Jun 2025 01:02:03 GMT"}


@pytest.fixture
def servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Upstreams]:
    with upstreams(tmp_path, monkeypatch) as made:
        made.use("oracle")
        yield made


def template(folder: str = "/templates/OracleLinux/OL10/u0/x86_64", **image: Any) -> str:
    known = {"image": NAME, "sha256": DIGEST} | image
    ova = {"image": "OL10U0_x86_64-olvm-b266.ova", "sha256": "0" * 64}
    return json.dumps({"base_url": folder, "kvm": known, "olvm": ova})


def put_image(servers: Upstreams, url: str) -> None:
    servers.put(url, Reply(b"image", headers=CHANGED))


@pytest.mark.parametrize("slash", ["", "/"])
def test_the_image_of_the_document(servers: Upstreams, slash: str) -> None:
    servers.put(INDEX, template(f"/templates/OracleLinux/OL10/u0/x86_64{slash}"))
    url = f"{YUM}/templates/OracleLinux/OL10/u0/x86_64/{NAME}"
    put_image(servers, url)
    found = servers.newest("oracle", "oracle-10")
    assert told(found) == (url, f"sha256:{DIGEST}", "20250626.102")
    assert found.offer.version == "10U0.b266"
    assert "not signed" in found.offer.vouched


def test_the_other_architecture_has_a_document_of_another_name(servers: Upstreams) -> None:
    name = "OL9U7_aarch64-kvm-cloud-b154.qcow2"
    folder = "/templates/OracleLinux/OL9/u7/aarch64"
    index = f"{YUM}/templates/OracleLinux/ol9_aarch64-cloud-template.json"
    servers.put(index, template(folder, image=name))
    put_image(servers, f"{YUM}{folder}/{name}")
    assert told(servers.newest("oracle", "oracle-9-arm64"))[0] == f"{YUM}{folder}/{name}"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("<html>busy</html>", "no JSON document"),
        ("[]", "ol10-template.json"),
        (json.dumps({"base_url": "/x"}), "no image kvm"),
        (template(sha256=DIGEST[:32]), "sha256"),
        (template(sha256=None), "sha256"),
        (template("/../../etc"), "no path below a URL"),
        (template(image=f"../{NAME}"), "no version of oracle-10"),
        (template(image=NAME.replace("10U0", "9U0")), "no version of oracle-10"),
    ],
)
def test_a_document_that_is_nonsense(servers: Upstreams, content: str, says: str) -> None:
    servers.put(INDEX, serve(content.encode(), "text/html"))
    with pytest.raises(InfrastructureError, match=says):
        servers.newest("oracle", "oracle-10")


def test_an_answer_of_another_server(servers: Upstreams) -> None:
    # As another name of this machine, which is another server to who asks.
    other = servers.server.url.replace("127.0.0.1", "localhost")
    moved = {"Location": f"{other}/elsewhere/ol10-template.json"}
    servers.put(INDEX, Reply(status=302, headers=moved))
    servers.put("https://elsewhere/ol10-template.json", template())
    with pytest.raises(InfrastructureError, match="answered by another server"):
        servers.newest("oracle", "oracle-10")


def test_an_image_of_which_nobody_tells_the_day(servers: Upstreams) -> None:
    servers.put(INDEX, template())
    servers.put(f"{YUM}/templates/OracleLinux/OL10/u0/x86_64/{NAME}", Reply(b"image"))
    with pytest.raises(InfrastructureError, match="nobody tells the day"):
        servers.newest("oracle", "oracle-10")
