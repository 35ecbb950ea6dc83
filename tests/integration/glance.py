# SPDX-License-Identifier: GPL-2.0-or-later
"""A small OpenStack on the loopback: Keystone's v3, Glance's v2 and Nova's list of servers.

It is made after their API references (https://docs.openstack.org/api-ref/identity/v3/, image/v2,
compute) and keeps what they say: discovery, tokens that end, pages, statuses, JSON patches.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

PROJECT = "5f0e4bd0d6a84a6a9c6a8c0f6a9d1c11"
USER, PASSWORD = "forge", "s3cret-and-long"
PATCH = "application/openstack-images-v2.1-json-patch"
PAGE = 2
# What a client cannot set.
READ_ONLY = ("id", "status", "owner", "size", "checksum", "os_hash_algo", "os_hash_value",
             "created_at", "updated_at", "schema", "self", "file", "virtual_size")  # fmt: skip
BOOLEANS = ("os_hidden", "protected")
NUMBERS = ("min_disk", "min_ram")
BASE = ("name", "visibility", "tags", "disk_format", "container_format", *BOOLEANS, *NUMBERS)
NEW: dict[str, Any] = {
    "status": "queued",
    "visibility": "shared",
    "os_hidden": False,
    "protected": False,
    "min_disk": 0,
    "min_ram": 0,
    "tags": [],
    "name": None,
    "size": None,
    "virtual_size": None,
    "checksum": None,
    "os_hash_algo": None,
    "os_hash_value": None,
    "disk_format": None,
    "container_format": None,
    "created_at": "2026-11-21T04:00:00Z",
    "updated_at": "2026-11-21T04:00:00Z",
    "schema": "/v2/schemas/image",
}


@dataclass
class Fault:
    """What is done in place of an answer, `times` times, to requests that match."""

    method: str
    path: str
    act: Callable[[Handler], None]
    times: int = 1


@dataclass
class Cloud:
    """What the services know."""

    images: dict[str, dict[str, Any]] = field(default_factory=dict)
    content: dict[str, bytes] = field(default_factory=dict)
    servers: list[dict[str, Any]] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    faults: list[Fault] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    # Ids that a store of the cloud still needs, such as RBD's clones.
    held: set[str] = field(default_factory=set)
    quota: int = 1 << 40
    may_publish: bool = False
    algorithm: str | None = "sha512"
    # Called after each change of an image.
    watch: Callable[[], None] = lambda: None
    url: str = ""

    def add(self, **fields: Any) -> str:
        """An image that was there before."""
        found = str(uuid.uuid4())
        self.images[found] = {**NEW, "id": found, "owner": PROJECT, "status": "active", **fields}
        return found

    def shown(self, name: str) -> list[dict[str, Any]]:
        """What somebody finds by a name."""
        return [
            each
            for each in self.images.values()
            if each["name"] == name and not each["os_hidden"] and each["status"] == "active"
        ]

    def spoil(self, method: str, path: str, act: Callable[[Handler], None], times: int = 1) -> None:
        self.faults.append(Fault(method, path, act, times))


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.cloud = Cloud(url=f"http://127.0.0.1:{self.server_port}")

    def handle_error(self, *_request: Any) -> None:
        """Keep quiet about clients that leave early."""


@contextmanager
def running() -> Iterator[Cloud]:
    with Server() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield server.cloud
        finally:
            server.shutdown()


def answering(status: int, text: str = "", **headers: str) -> Callable[[Handler], None]:
    """Another answer, as Glance writes its errors."""

    def act(handler: Handler) -> None:
        handler.drain()
        handler.fail(
            status, text, **{name.replace("_", "-"): each for name, each in headers.items()}
        )

    return act


def cut_after(count: int) -> Callable[[Handler], None]:
    """Nobody listens any more in the middle of an upload."""

    def act(handler: Handler) -> None:
        handler.rfile.read(count)
        handler.close_connection = True
        handler.connection.close()

    return act


class Handler(BaseHTTPRequestHandler):
    """All services, by the first part of the path."""

    server: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._do("GET")

    def do_POST(self) -> None:
        self._do("POST")

    def do_PUT(self) -> None:
        self._do("PUT")

    def do_PATCH(self) -> None:
        self._do("PATCH")

    def do_DELETE(self) -> None:
        self._do("DELETE")

    @property
    def cloud(self) -> Cloud:
        return self.server.cloud

    def drain(self) -> bytes:
        """What the client sends."""
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def send(self, status: int, content: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def document(self, status: int, document: object, **headers: str) -> None:
        content = json.dumps(document).encode()
        self.send(status, content, **{"Content-Type": "application/json", **headers})

    def fail(self, status: int, text: str = "", **headers: str) -> None:
        """An error as Glance's WSGI layer (webob) writes it."""
        body = f"<body><h1>{status}</h1>{text}<br /></body>"
        page = f"<html><head><title>{status}</title></head>{body}</html>"
        self.send(status, page.encode(), **{"Content-Type": "text/html; charset=UTF-8", **headers})

    def _do(self, method: str) -> None:
        parts = urlsplit(self.path)
        path, query = parts.path, dict(parse_qsl(parts.query))
        self.cloud.asked.append(f"{method} {path}")
        for fault in self.cloud.faults:
            if fault.times and fault.method == method and re.search(fault.path, path):
                fault.times -= 1
                fault.act(self)
                return
        if path.startswith("/identity"):
            self._identity(method)
        elif path.rstrip("/") == "/image":
            self._versions()
        elif self.headers.get("X-Auth-Token") not in self.cloud.tokens:
            self.drain()
            self.send(401, b"", **{"WWW-Authenticate": f'Keystone uri="{self.cloud.url}/identity"'})
        elif path.startswith("/image/v2/images"):
            self._image(method, path.removeprefix("/image/v2/images").strip("/").split("/"), query)
        elif path.endswith("/servers/detail"):
            self._servers(query)
        elif path.startswith("/compute"):
            links = [{"rel": "self", "href": f"{self.cloud.url}/compute/v2.1/"}]
            version = {"id": "v2.1", "status": "CURRENT", "version": "2.96", "links": links}
            self.document(200, {"version": version})
        else:
            self.fail(404)

    def _identity(self, method: str) -> None:
        url = f"{self.cloud.url}/identity/v3"
        if method == "GET":
            links = [{"rel": "self", "href": f"{url}/"}]
            version = {"id": "v3.14", "status": "stable", "media-types": [], "links": links}
            self.document(200, {"version": version})
            return
        wanted = json.loads(self.drain())["auth"]["identity"]["password"]["user"]
        if (wanted["name"], wanted["password"]) != (USER, PASSWORD):
            self.document(401, {"error": {"code": 401, "title": "Unauthorized", "message": "no"}})
            return
        token = uuid.uuid4().hex
        self.cloud.tokens.add(token)

        def service(kind: str, path: str) -> dict[str, object]:
            endpoint = {"id": kind, "interface": "public", "region": "one", "region_id": "one",
                        "url": f"{self.cloud.url}{path}"}  # fmt: skip
            return {"type": kind, "name": kind, "id": kind, "endpoints": [endpoint]}

        body = {
            "token": {
                "methods": ["password"],
                "expires_at": "2036-11-21T04:00:00.000000Z",
                "issued_at": "2026-11-21T04:00:00.000000Z",
                "project": {
                    "id": PROJECT,
                    "name": "site",
                    "domain": {"id": "default", "name": "Default"},
                },
                "user": {"id": "u1", "name": USER, "domain": {"id": "default", "name": "Default"}},
                "roles": [{"id": "r1", "name": "member"}],
                "is_domain": False,
                "catalog": [
                    service("identity", "/identity"),
                    service("image", "/image"),
                    service("compute", "/compute/v2.1"),
                ],
            }
        }
        self.document(201, body, **{"X-Subject-Token": token})

    def _versions(self) -> None:
        rows = [("v2.9", "CURRENT"), ("v2.7", "SUPPORTED"), ("v2.0", "SUPPORTED")]
        links = [{"rel": "self", "href": f"{self.cloud.url}/image/v2/"}]
        self.document(
            300,
            {"versions": [{"id": each, "status": status, "links": links} for each, status in rows]},
        )

    def _servers(self, query: dict[str, str]) -> None:
        start = int(query.get("marker", "0"))
        answer: dict[str, Any] = {"servers": self.cloud.servers[start : start + PAGE]}
        if start + PAGE < len(self.cloud.servers):
            more = f"{self.cloud.url}/compute/v2.1/servers/detail?marker={start + PAGE}"
            answer["servers_links"] = [{"rel": "next", "href": more}]
        self.document(200, answer)

    def _image(self, method: str, parts: list[str], query: dict[str, str]) -> None:
        if parts == [""]:
            (self._create if method == "POST" else lambda: self._list(query))()
            return
        image = self.cloud.images.get(parts[0])
        if image is None:
            self.drain()
            self.fail(404, f"No image found with ID {parts[0]}")
        elif parts[1:] == ["file"]:
            (self._upload if method == "PUT" else self._download)(image)
        else:
            {"GET": self._show, "PATCH": self._patch, "DELETE": self._delete}[method](image)

    def _list(self, query: dict[str, str]) -> None:
        hidden = query.get("os_hidden", "false") == "true"
        found = [
            each
            for each in self.cloud.images.values()
            if each["os_hidden"] == hidden
            and query.get("tag", "") in ("", *each["tags"])
            and all(each.get(key) == query[key] for key in ("owner", "name") if key in query)
        ]
        marker = query.get("marker")
        start = 1 + [each["id"] for each in found].index(marker) if marker else 0
        page = found[start : start + PAGE]
        answer: dict[str, Any] = {"images": page, "schema": "/v2/schemas/images",
                                  "first": f"/v2/images?{urlencode(query)}"}  # fmt: skip
        if start + PAGE < len(found):
            answer["next"] = f"/v2/images?{urlencode({**query, 'marker': page[-1]['id']})}"
        self.document(200, answer)

    def _allowed(self, name: str, value: object) -> bool:
        """Whether Glance's schema takes a field; the answer is sent if not."""
        kind = bool if name in BOOLEANS else int if name in NUMBERS else str
        if name.startswith("os_glance") or name in READ_ONLY:
            self.fail(403, f"Attribute '{name}' is read-only.")
        elif name == "visibility" and value == "public" and not self.cloud.may_publish:
            self.fail(403, "You are not authorized to complete publicize_image action.")
        elif name != "tags" and not isinstance(value, kind):
            self.fail(400, f"Provided object does not match schema 'image': {value!r}")
        else:
            return True
        return False

    def _create(self) -> None:
        fields = json.loads(self.drain())
        if all(self._allowed(name, value) for name, value in fields.items()):
            found = self.cloud.add(**{**fields, "status": "queued"})
            self.document(201, self.cloud.images[found])

    def _show(self, image: dict[str, Any]) -> None:
        self.document(200, image)

    def _patch(self, image: dict[str, Any]) -> None:
        content = self.drain()
        if self.headers["Content-Type"] != PATCH:
            self.fail(415)
            return
        changes = {each["path"][1:]: each["value"] for each in json.loads(content)}
        if unknown := set(changes) - set(image):
            self.fail(409, f"Property {min(unknown)} does not exist.")
            return
        if all(self._allowed(name, value) for name, value in changes.items()):
            image.update(changes)
            self.cloud.watch()
            self.document(200, image)

    def _delete(self, image: dict[str, Any]) -> None:
        if image["protected"]:
            self.fail(403, f"Image {image['id']} is protected and cannot be deleted.")
        elif image["id"] in self.cloud.held:
            self.fail(409, f"Image {image['id']} could not be deleted because it is in use")
        else:
            del self.cloud.images[image["id"]]
            self.send(204)

    def _upload(self, image: dict[str, Any]) -> None:
        content = self.drain()
        if len(content) < int(self.headers.get("Content-Length") or 0):
            return
        if image["status"] != "queued":
            self.fail(409, "Image status transition from active to saving is not allowed")
            return
        if sum(map(len, self.cloud.content.values())) + len(content) > self.cloud.quota:
            self.fail(413, "Project image_size_total limit exceeded")
            return
        self.cloud.content[image["id"]] = content
        image["size"], image["status"] = len(content), "active"
        if self.cloud.algorithm:
            image["os_hash_algo"] = self.cloud.algorithm
            image["os_hash_value"] = hashlib.new(self.cloud.algorithm, content).hexdigest()
            image["checksum"] = hashlib.md5(content).hexdigest()  # noqa: S324 - as Glance has it
        self.send(204)

    def _download(self, image: dict[str, Any]) -> None:
        self.send(
            200, self.cloud.content[image["id"]], **{"Content-Type": "application/octet-stream"}
        )
