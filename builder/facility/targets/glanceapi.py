# SPDX-License-Identifier: GPL-2.0-or-later
"""The image service as its API v2 has it, over openstacksdk's login, catalog and renewed tokens.

openstacksdk's own image resources differ between its versions (0.101 in Debian 12, 4 in Debian 13),
and read a file once only: a token that ends while it is sent would leave an empty image. Source:
https://docs.openstack.org/api-ref/image/v2/
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import parse_qsl, urlsplit

from pydantic import BaseModel, ConfigDict, ValidationError
from urllib3.exceptions import HTTPError, InvalidHeader
from urllib3.util import Retry

from builder.errors import InfrastructureError, UsageError
from builder.facility.targets.items import PIECE, meter, pieces
from builder.progress import Progress
from builder.store.place import OnBytes

PATCH: Final = "application/openstack-images-v2.1-json-patch"
# Seconds for each answer; what was uploaded is written to its store before there is one.
ANSWER, STORED = 60.0, 900.0
# What is answered by those who will have time later, and how often they are asked.
BUSY: Final = (429, 503)
ATTEMPTS: Final = 6
LONGEST_WAIT: Final = 120.0
HINTS: Final[Mapping[int, str]] = {
    401: "is the login in clouds.yaml still valid?",
    403: "the project's role may not do this; docs/targets.md says what is needed",
    409: "somebody else works on this image; call this again",
    413: "the project's quota of images is used up: remove some, or ask for more",
}


class Image(BaseModel):
    """An image as the service shows it; other fields are properties that others wrote."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: str
    name: str | None = None
    status: str
    visibility: str = "private"
    owner: str | None = None
    os_hidden: bool = False
    protected: bool = False
    size: int | None = None
    disk_format: str | None = None
    checksum: str | None = None
    os_hash_algo: str | None = None
    os_hash_value: str | None = None
    fai_forge_site: str = ""
    fai_forge_name: str = ""
    fai_forge_serial: str = ""
    fai_forge_sha256: str = ""
    fai_forge_state: str = ""


@dataclass(frozen=True)
class Body:
    """A file to be sent: from its beginning, each time that it is asked for."""

    path: Path
    size: int
    meter: Callable[[], OnBytes]

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            yield from pieces(file, self.meter())


class Glance:
    """The image service of one cloud, as one project sees it."""

    def __init__(self, cloud: str, sleep: Callable[[float], None] = time.sleep) -> None:
        openstack = _openstack()
        self.cloud = cloud
        self._sleep = sleep
        with self._told():
            self._connection = openstack.connect(
                cloud=cloud, app_name="fai-forge", api_timeout=ANSWER
            )
            self._images = self._connection.image
            self.project = str(self._connection.current_project_id)

    def images(self, **filters: str) -> tuple[Image, ...]:
        """All images that fit, shown and hidden ones, on however many pages."""
        return tuple(
            self._image(row)
            for hidden in ("false", "true")
            for row in self._pages("/images", {**filters, "os_hidden": hidden})
        )

    def shown(self, name: str) -> tuple[Image, ...]:
        """The images that are found by a name."""
        rows = self._pages("/images", {"name": name, "os_hidden": "false"})
        return tuple(self._image(row) for row in rows)

    def create(self, record: Mapping[str, Any]) -> Image:
        """Make an image without content."""
        return self._image(self._ask("POST", "/images", (201,), json=dict(record)).json())

    def upload(self, image: Image, path: Path, progress: Progress) -> None:
        """Give an image its content."""
        size = path.stat().st_size
        self._ask(
            "PUT",
            f"/images/{image.id}/file",
            (204,),
            data=Body(path, size, lambda: meter(progress, size)),
            headers={"Content-Type": "application/octet-stream"},
            timeout=STORED,
            # An image takes its content once: the rest is for the next call.
            connect_retries=0,
        )

    def show(self, image: Image) -> Image:
        """The image as it is now."""
        return self._image(self._ask("GET", f"/images/{image.id}", (200,)).json())

    def change(self, image: Image, **fields: object) -> Image:
        """Give fields that an image has other values, all of them at once."""
        operations = [
            {"op": "replace", "path": f"/{name}", "value": value} for name, value in fields.items()
        ]
        headers = {"Content-Type": PATCH}
        return self._image(
            self._ask(
                "PATCH", f"/images/{image.id}", (200,), json=operations, headers=headers
            ).json()
        )

    def delete(self, image_id: str) -> Literal["gone", "in use", "protected"]:
        """Remove an image, if it may be; no error if it is not there."""
        status = self._ask("DELETE", f"/images/{image_id}", (204, 403, 404, 409)).status_code
        if status == 409:
            return "in use"
        return "protected" if status == 403 else "gone"

    def sha256(self, image: Image) -> str:
        """The digest of an image's content, read back."""
        answer = self._ask("GET", f"/images/{image.id}/file", (200,), stream=True)
        digest = hashlib.sha256()
        with self._told(), answer:
            for piece in answer.iter_content(PIECE):
                digest.update(piece)
        return digest.hexdigest()

    def used(self) -> frozenset[str]:
        """The images that the project's servers were made from; none where it has no servers."""
        with self._told():
            endpoint = self._connection.endpoint_for("compute")
        if not endpoint:
            return frozenset()
        rows = self._pages("/servers/detail", {}, self._connection.compute, "servers")
        # One that starts from a volume has an empty text there.
        return frozenset(row["image"]["id"] for row in rows if row.get("image"))

    def _pages(
        self, path: str, query: dict[str, str], adapter: Any = None, key: str = "images"
    ) -> Iterator[dict[str, Any]]:
        while True:
            answer = self._ask("GET", path, (200,), adapter=adapter, params=query).json()
            yield from answer[key]
            links = answer.get(f"{key}_links", [])
            then = answer.get("next") or next(
                (link["href"] for link in links if link["rel"] == "next"), None
            )
            if not then:
                return
            following = dict(parse_qsl(urlsplit(then).query))
            if following == query:
                raise InfrastructureError(
                    f"{self.cloud} lists the same {key} again and again", hint="call this later"
                )
            query = following

    def _ask(
        self, method: str, path: str, expected: tuple[int, ...], adapter: Any = None, **more: Any
    ) -> Any:
        """One answer; who is busy is asked again, when they say."""
        # keystoneauth would ask again by itself, and not look at Retry-After.
        more["status_code_retries"] = 0
        for attempt in range(1, ATTEMPTS + 1):
            with self._told():
                answer = (adapter or self._images).request(path, method, raise_exc=False, **more)
            if answer.status_code in expected:
                return answer
            if answer.status_code not in BUSY or attempt == ATTEMPTS:
                break
            self._sleep(_wait(answer.headers.get("Retry-After"), attempt))
        status = answer.status_code
        raise InfrastructureError(
            f"{self.cloud} answers {method} {path} with {status}: {_reason(answer)}",
            hint=HINTS.get(status, "call this again later"),
        )

    def _image(self, row: Any) -> Image:
        try:
            return Image.model_validate(row)
        except ValidationError as error:
            raise InfrastructureError(
                f"{self.cloud} describes an image in a way that is not Glance's",
                hint="is the image service in its catalog the right one?",
            ) from error

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What goes wrong on the way, in words."""
        import requests
        from keystoneauth1 import exceptions as login
        from openstack import exceptions

        try:
            yield
        except exceptions.ConfigException as error:
            raise UsageError(
                f"the cloud {self.cloud} cannot be used: {error}",
                hint="clouds.yaml is in ~/.config/openstack or /etc/openstack, or where"
                " OS_CLIENT_CONFIG_FILE says",
            ) from error
        except login.Unauthorized as error:
            raise InfrastructureError(
                f"{self.cloud} does not accept the login", hint=HINTS[401]
            ) from error
        except (
            login.ClientException,
            exceptions.SDKException,
            requests.RequestException,
            HTTPError,
        ) as error:
            raise InfrastructureError(
                f"{self.cloud} cannot be talked to: {error}", hint="call this again"
            ) from error


def _openstack() -> Any:
    try:
        # Late: it takes a while to load, and only who has such a target needs it.
        import openstack
    except ImportError as error:
        raise InfrastructureError(
            f"the Python module openstacksdk, which Glance needs, cannot be used: {error}",
            hint="apt-get install python3-openstacksdk",
        ) from error
    return openstack


def _wait(asked: str | None, attempt: int) -> float:
    """How many seconds to wait, by an answer's Retry-After, a number or a date."""
    try:
        seconds = Retry().parse_retry_after(asked) if asked else float(2**attempt)
    except InvalidHeader:
        seconds = float(2**attempt)
    return min(seconds, LONGEST_WAIT)


def _reason(answer: Any) -> str:
    """The sentence of an answer: Glance sends HTML, what is before it often JSON."""
    words = " ".join(str(answer.text).split())
    if "<body>" in words:
        words = words.partition("<body>")[2].partition("</body>")[0]
        words = words.replace("<br />", " ").replace("<h1>", "").replace("</h1>", ":")
    return " ".join(words.split())[:200] or str(answer.reason)
