# SPDX-License-Identifier: GPL-2.0-or-later
"""A registry of OCI images, through the HTTP API that all of them have (version 2).

Only manifests go through here: small documents that name an image's layers, or, in a multi-arch
index, other manifests. https is spoken, and http to this machine only. A registry that forbids
something is an error; only what it says is unknown is absent.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit
from urllib.request import parse_http_list, parse_keqv_list

import requests
from pydantic import BaseModel, ValidationError
from requests.auth import AuthBase, HTTPBasicAuth

from builder import web
from builder.errors import InfrastructureError
from builder.store import logins
from builder.store.logins import Login

# What a tag may point to; anything else is a kind of document that we would have to trust.
MEDIA_TYPES: Final = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
# Docker's own registry: where it is, and what else logins for it are filed under.
DOCKER: Final = "docker.io"
HOSTS: Final[Mapping[str, str]] = {
    DOCKER: "registry-1.docker.io",
    "index.docker.io": "registry-1.docker.io",
}
LOGIN_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "registry-1.docker.io": ("index.docker.io", DOCKER)
}
# How a registry says that something is not there, in the body of a 404. Any other 404 may come from
# something that is no registry.
ABSENT = {"MANIFEST_UNKNOWN", "NAME_UNKNOWN", "NOT_FOUND"}
# Seconds for all of an answer.
LONGEST = 120
# Bytes; registries take no larger manifest.
LARGEST = 4 << 20
PIECE = 512
LOG_IN = (
    "log in with docker login, or write the login into ~/.netrc; programs that hold logins are not"
    " asked"
)


@dataclass(frozen=True)
class Document:
    """A manifest: its type, and its very bytes, which its digest is made of."""

    media_type: str
    content: bytes

    @property
    def digest(self) -> str:
        """What a registry calls it."""
        return f"sha256:{hashlib.sha256(self.content).hexdigest()}"


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def codes(self) -> set[str]:
        """The codes of the errors in the body; none if it is not what a registry sends."""
        try:
            return {str(each["code"]) for each in json.loads(self.body)["errors"]}
        except (ValueError, TypeError, KeyError, RecursionError):
            return set()


class _Token(BaseModel):
    """What a registry's server of tokens sends; both names are in use."""

    token: str = ""
    access_token: str = ""


class _Header(AuthBase):
    """An Authorization header, or none; either way requests looks into no file by itself."""

    def __init__(self, value: str = "") -> None:
        self.value = value

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self.value:
            request.headers["Authorization"] = self.value
        return request


class Registry:
    """One repository of a registry: `name` is REGISTRY/PATH, already checked."""

    def __init__(
        self, name: str, login: Callable[[tuple[str, ...]], Login | None] = logins.find
    ) -> None:
        given, _, path = name.partition("/")
        self.name = name
        self.host = HOSTS.get(given, given)
        # There, images without an owner are kept in a folder that nobody writes.
        bare = self.host in LOGIN_NAMES and "/" not in path
        self.path = f"library/{path}" if bare else path
        self.scheme = (
            "http" if web.is_loopback(self.host.rpartition(":")[0] or self.host) else "https"
        )
        self._login = login
        self._auth: dict[str, AuthBase] = {}
        self._session = requests.Session()
        # No proxy reaches this machine's own addresses.
        self._session.trust_env = self.scheme == "https"

    def get(self, tag: str) -> Document | None:
        """The manifest that a tag, or a digest, names; None where the registry has none."""
        answer = self._ask("GET", tag, "pull", {"Accept": ", ".join(MEDIA_TYPES)})
        if answer.status == requests.codes.not_found and answer.codes() & ABSENT:
            return None
        self._expect(answer, requests.codes.ok, f"read {tag}")
        kind = answer.headers.get("Content-Type", "").partition(";")[0].strip()
        if kind not in MEDIA_TYPES:
            raise self._error(f"has {tag} as {kind or 'nothing known'}, which cannot be copied")
        document = Document(kind, answer.body)
        self._check_digest(document, answer)
        return document

    def put(self, tag: str, document: Document) -> None:
        """Let a tag name a manifest whose parts are there already."""
        headers = {"Content-Type": document.media_type}
        answer = self._ask("PUT", tag, "pull,push", headers, document.content)
        self._expect(answer, requests.codes.created, f"write {tag}")
        self._check_digest(document, answer)

    def _check_digest(self, document: Document, answer: _Answer) -> None:
        """Raise InfrastructureError unless the digest that the registry says is the content's."""
        said = answer.headers.get("Docker-Content-Digest", document.digest)
        algorithm, _, value = said.partition(":")
        known = algorithm in ("sha256", "sha512")
        if not known or hashlib.new(algorithm, document.content).hexdigest() != value:
            raise self._error(f"says the digest {said[:80]}, which is not that of what it sent")

    def _expect(self, answer: _Answer, status: int, what: str) -> None:
        if answer.status in (requests.codes.unauthorized, requests.codes.forbidden):
            raise self._error(f"forbids to {what} ({answer.status})", LOG_IN)
        if answer.status != status:
            codes = ", ".join(sorted(answer.codes()))
            raise self._error(f"answers {answer.status} {codes}".rstrip() + f", asked to {what}")

    def _ask(
        self,
        method: str,
        tag: str,
        actions: str,
        headers: Mapping[str, str],
        content: bytes | None = None,
    ) -> _Answer:
        """One request; a second time with a login or a token, if the registry wants one."""
        url = f"{self.scheme}://{self.host}/v2/{self.path}/manifests/{tag}"
        answer = self._send(method, url, headers, self._auth.get(actions, _Header()), content)
        if answer.status == requests.codes.unauthorized:
            challenge = answer.headers.get("WWW-Authenticate", "")
            self._auth[actions] = self._answer_to(challenge, actions)
            answer = self._send(method, url, headers, self._auth[actions], content)
        return answer

    def _answer_to(self, challenge: str, actions: str) -> AuthBase:
        """What a registry wants to see, made from a login if there is one."""
        scheme, _, rest = challenge.partition(" ")
        login = self._login((self.host, *LOGIN_NAMES.get(self.host, ())))
        basic = HTTPBasicAuth(login.user, login.password) if login else None
        if scheme.lower() == "basic" and basic:
            return basic
        if scheme.lower() != "bearer":
            return _Header()
        return _Header(f"Bearer {self._token(self._parsed(rest), actions, basic)}")

    def _parsed(self, challenge: str) -> dict[str, str]:
        """The words of a challenge: realm="...",service="..."."""
        try:
            return parse_keqv_list(parse_http_list(challenge))
        except (ValueError, IndexError):
            raise self._error("asks for a login in a way that is not understood") from None

    def _token(
        self, challenge: Mapping[str, str], actions: str, basic: HTTPBasicAuth | None
    ) -> str:
        """A token for this repository, from the server that the registry names."""
        realm = challenge.get("realm", "")
        query = {"scope": f"repository:{self.path}:{actions}"}
        if "service" in challenge:
            query["service"] = challenge["service"]
        self._check_realm(realm)
        answer = self._send("GET", realm, {}, basic or _Header(), params=query)
        self._expect(answer, requests.codes.ok, "get a token")
        try:
            token = _Token.model_validate_json(answer.body)
        except ValidationError:
            raise self._error("gives no proper token") from None
        return token.token or token.access_token

    def _check_realm(self, realm: str) -> None:
        """Raise InfrastructureError where a login would be sent for others to read."""
        try:
            parts = urlsplit(realm)
            scheme, host = parts.scheme, parts.hostname or ""
        except ValueError:
            scheme, host = "", ""
        here = self.scheme == "http" and web.is_loopback(host)
        if scheme != "https" and not (scheme == "http" and here):
            raise self._error("wants the login at an address without https")

    def _send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        auth: AuthBase,
        content: bytes | None = None,
        params: Mapping[str, str] | None = None,
    ) -> _Answer:
        """One request and its whole answer, which is not longer than a manifest may be."""
        # The digest is one of the bytes as they are kept, so none may be packed on the way.
        every = {"Accept-Encoding": "identity", **headers}
        try:
            with self._session.request(
                method,
                url,
                headers=every,
                auth=auth,
                data=content,
                params=params,
                timeout=web.TIMEOUTS,
                allow_redirects=False,
                stream=True,
            ) as answer:
                return _Answer(answer.status_code, answer.headers, self._body(answer))
        except requests.RequestException as error:
            raise self._error(web.reason(error)) from error

    def _body(self, answer: requests.Response) -> bytes:
        started, body = time.monotonic(), bytearray()
        for piece in answer.iter_content(PIECE):
            body += piece
            if len(body) > LARGEST:
                raise self._error(f"sends more than {LARGEST >> 20} MiB")
            if time.monotonic() - started > LONGEST:
                raise self._error(f"takes more than {LONGEST} seconds")
        # Older versions of urllib3 take a connection's early end for the answer's.
        expected = answer.headers.get("Content-Length", "")
        if expected.isdecimal() and len(body) != int(expected):
            raise self._error("breaks off in the middle")
        return bytes(body)

    def _error(self, words: str, hint: str = "try again later") -> InfrastructureError:
        return InfrastructureError(f"the registry of {self.name} {words}", hint=hint)
