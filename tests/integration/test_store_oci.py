# SPDX-License-Identifier: GPL-2.0-or-later
"""Tags of OCI images in a real registry, and in some that answer strangely."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import bcrypt
import pytest

from builder.errors import InfrastructureError, UsageError
from builder.store import oci, registry
from builder.store.logins import Login
from builder.store.registry import Document, Registry
from builder.store.tags import TagRow
from tests.integration.extracted import extract
from tests.integration.ociregistry import OCI, RealRegistry, digest, serving

COMMIT = "a" * 40
PROGRAM = "usr/bin/docker-registry"
KIND = f"{OCI}.manifest.v1+json"
PASSWORD = "not-for-logs"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without logins."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    for name in ("DOCKER_CONFIG", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return extract(tmp_path_factory.mktemp("program"), ["docker-registry"]) / PROGRAM


@pytest.fixture(scope="module")
def real(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    with serving(program, tmp_path_factory.mktemp("registry")) as found:
        yield found


def row(name: str, source: str, tag: str) -> TagRow:
    return TagRow(name=name, src_build_tag=source, src_ref=COMMIT, tag=tag)


def promoted(*rows: TagRow) -> list[str]:
    """Plan and do it; the outcome of each row."""
    plan = oci.promotions(rows)
    for each in plan:
        if each.promotion.outcome == "create":
            oci.create(each)
    return [each.promotion.outcome for each in plan]


@pytest.mark.parametrize("docker", [False, True], ids=["oci", "docker"])
@pytest.mark.parametrize("many", [False, True], ids=["one", "index"])
def test_a_tag_is_copied_byte_by_byte_and_no_layer_moves(
    real: RealRegistry, docker: bool, many: bool
) -> None:
    name = f"starlingx/{'docker' if docker else 'oci'}-{'index' if many else 'one'}"
    pushed = (
        real.push_index(name, "build.1", "amd64", "arm64", docker=docker)
        if many
        else real.push_image(name, "build.1", "amd64", docker=docker)
    )
    before = len(real.asked())
    asked = row(f"{real.host}/{name}", "build.1", "v1")
    assert promoted(asked) == ["create"]
    assert promoted(asked) == ["there"]
    requests = real.asked()[before:]
    assert requests
    assert all(f"/v2/{name}/manifests/" in each for each in requests)
    assert sum(each.startswith("PUT") for each in requests) == 1

    found = Registry(f"{real.host}/{name}").get("v1")
    assert found is not None
    assert (found.content, found.digest) == (pushed, digest(pushed))
    assert found.media_type == json.loads(pushed)["mediaType"]
    by_digest = Registry(f"{real.host}/{name}").get(found.digest)
    assert by_digest == found


def test_a_tag_never_moves(real: RealRegistry) -> None:
    name = "starlingx/moved"
    first = real.push_image(name, "build.1", "first")
    real.push_image(name, "build.2", "second")
    real.push_image(name, "again", "first")
    assert promoted(row(f"{real.host}/{name}", "build.1", "v1")) == ["create"]
    (refused,) = oci.promotions([row(f"{real.host}/{name}", "build.2", "v1")])
    assert refused.promotion.outcome == "refused"
    assert f"it is on {digest(first)[:19]}, which is another image" in refused.promotion.reason
    # Another name of the same image.
    assert promoted(row(f"{real.host}/{name}", "again", "v1")) == ["there"]


def test_a_tag_that_somebody_wrote_meanwhile_stays(real: RealRegistry) -> None:
    name = "starlingx/race"
    real.push_image(name, "build.1", "first")
    (planned,) = oci.promotions([row(f"{real.host}/{name}", "build.1", "v1")])
    other = real.push_image(name, "v1", "other")
    with pytest.raises(InfrastructureError, match=rf"v1 of \S+ is on {digest(other)[:19]} now"):
        oci.create(planned)
    found = Registry(f"{real.host}/{name}").get("v1")
    assert found is not None
    assert found.content == other


@pytest.mark.parametrize("name", ["starlingx/there", "starlingx/nowhere"])
def test_what_is_not_there_is_refused(real: RealRegistry, name: str) -> None:
    real.push_image("starlingx/there", "build.1", "text")
    (found,) = oci.promotions([row(f"{real.host}/{name}", "build.9", "v1")])
    assert (found.promotion.outcome, found.promotion.reason) == (
        "refused",
        "the registry has no build.9",
    )


def write_logins(folder: Path, host: str, password: str) -> None:
    folder.mkdir(exist_ok=True)
    auth = base64.b64encode(f"user:{password}".encode()).decode()
    (folder / "config.json").write_text(json.dumps({"auths": {host: {"auth": auth}, "x": {}}}))


@pytest.fixture(scope="module")
def closed(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    """A registry that wants a login, with one image."""
    folder = tmp_path_factory.mktemp("closed")
    users = folder / "users"
    users.write_bytes(b"user:" + bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)) + b"\n")
    with serving(program, folder, f"auth: {{htpasswd: {{realm: closed, path: {users}}}}}") as found:
        found.login = ("user", PASSWORD)
        found.push_image("starlingx/closed", "build.1", "text")
        yield found


def test_a_login_of_docker_is_used(closed: RealRegistry, home: Path) -> None:
    write_logins(home / ".docker", closed.host, PASSWORD)
    asked = row(f"{closed.host}/starlingx/closed", "build.1", "by-docker")
    assert promoted(asked) == ["create"]


def test_a_login_of_netrc_is_used(closed: RealRegistry, home: Path) -> None:
    netrc = home / ".netrc"
    netrc.write_text(f"machine 127.0.0.1 login user password {PASSWORD}\n")
    netrc.chmod(0o600)
    assert promoted(row(f"{closed.host}/starlingx/closed", "build.1", "by-netrc")) == ["create"]


@pytest.mark.parametrize("password", [None, "wrong-word"])
def test_what_is_forbidden_is_not_absent(
    closed: RealRegistry, home: Path, password: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    if password:
        write_logins(home / ".docker", f"https://{closed.host}/v2/", password)
    for tag in ("build.1", "build.9"):
        with (
            caplog.at_level("DEBUG"),
            pytest.raises(InfrastructureError, match=rf"forbids to read {tag} \(401\)") as caught,
        ):
            promoted(row(f"{closed.host}/starlingx/closed", tag, "v1"))
        assert "docker login" in caught.value.hint
        assert "wrong-word" not in caplog.text + caught.value.message + caught.value.hint


@pytest.mark.parametrize("text", ["{", '{"auths": {"h": {"auth": "c2VjcmV0"}}}', '{"auths": 1}'])
def test_a_damaged_file_of_logins_is_named_and_not_quoted(
    closed: RealRegistry, home: Path, text: str
) -> None:
    (home / ".docker").mkdir()
    (home / ".docker/config.json").write_text(text)
    with pytest.raises(UsageError, match=r"config\.json is no file of logins") as caught:
        promoted(row(f"{closed.host}/starlingx/closed", "build.1", "v1"))
    assert "c2VjcmV0" not in caught.value.message
    assert caught.value.__cause__ is None


class Handler(BaseHTTPRequestHandler):
    """Answers as it is told, and remembers what it was asked."""

    server: Strange

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers.get("Authorization") or ""))
        self.server.answer(self)

    do_PUT = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def say(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content_Length": str(len(body)), **headers}.items():
            if value:
                self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)


class Strange(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer: Callable[[Handler], None] = lambda handler: handler.say(200)
        self.asked: list[tuple[str, str]] = []

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_port}"


@pytest.fixture
def strange() -> Iterator[Strange]:
    server = Strange()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


MANIFEST = b'{"schemaVersion": 2}'


def say(status: int, body: bytes = MANIFEST, **headers: str) -> Callable[[Handler], None]:
    return lambda handler: handler.say(status, body, **{"Content_Type": KIND, **headers})


def errors(*codes: str) -> bytes:
    return json.dumps({"errors": [{"code": code} for code in codes]}).encode()


def half(handler: Handler) -> None:
    handler.say(200, MANIFEST, Content_Length="1000", Content_Type=KIND)


def endless(handler: Handler) -> None:
    handler.send_response(200)
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(b"x" * 65536)
    except OSError:
        return


FAILURES: dict[str, tuple[Callable[[Handler], None], str]] = {
    "forbidden": (say(403, errors("DENIED")), r"forbids to read one \(403\)"),
    "unauthorized": (say(401, errors("UNAUTHORIZED")), r"forbids to read one \(401\)"),
    "no registry at all": (say(404, b"<html>not found</html>"), "answers 404, asked to read one"),
    "absent, says a proxy": (say(404, errors("ELSEWHERE")), "answers 404 ELSEWHERE"),
    "nonsense": (say(404, b"[" * 100_000), "answers 404"),
    "too many": (say(429, errors("TOOMANYREQUESTS")), "answers 429 TOOMANYREQUESTS"),
    "an error": (say(503, b""), "answers 503"),
    "moved": (say(307, b"", Location="http://127.0.0.1:1/"), "answers 307"),
    "another kind": (say(200, Content_Type="text/html"), "has one as text/html, which cannot"),
    "an old kind": (
        say(200, Content_Type="application/vnd.docker.distribution.manifest.v1+prettyjws"),
        "which cannot be copied",
    ),
    "no kind": (say(200, Content_Type=""), "has one as nothing known"),
    "another digest": (
        say(200, Docker_Content_Digest=f"sha256:{'0' * 64}"),
        "which is not that of what it sent",
    ),
    "a digest of another kind": (
        say(200, Docker_Content_Digest="md5:0"),
        "says the digest md5:0",
    ),
    "half of it": (half, "breaks off in the middle"),
    "too much": (endless, "sends more than 4 MiB"),
    "packed": (say(200, Content_Encoding="gzip"), "gives no proper answer"),
    "nothing": (lambda handler: handler.connection.close(), "cannot be reached|breaks off"),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_registry_that_fails_is_an_error(strange: Strange, failure: str) -> None:
    strange.answer, words = FAILURES[failure]
    with pytest.raises(InfrastructureError, match=words) as caught:
        Registry(f"{strange.host}/a/b").get("one")
    assert f"the registry of {strange.host}/a/b" in caught.value.message
    assert caught.value.hint


def test_no_proxy_is_asked_for_this_machine(
    strange: Strange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    strange.answer = say(200)
    assert Registry(f"{strange.host}/a").get("one") == Document(KIND, MANIFEST)


def test_an_answer_that_takes_too_long(strange: Strange, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "LONGEST", -1)
    strange.answer = say(200)
    with pytest.raises(InfrastructureError, match="takes more than"):
        Registry(f"{strange.host}/a").get("one")


@pytest.mark.parametrize("code", ["MANIFEST_UNKNOWN", "NAME_UNKNOWN", "NOT_FOUND"])
def test_what_a_registry_does_not_know_is_absent(strange: Strange, code: str) -> None:
    strange.answer = say(404, errors(code))
    assert Registry(f"{strange.host}/a").get("one") is None


def test_a_digest_of_another_kind_is_checked(strange: Strange) -> None:
    sha512 = hashlib.sha512(MANIFEST).hexdigest()
    strange.answer = say(200, Docker_Content_Digest=f"sha512:{sha512}")
    assert Registry(f"{strange.host}/a").get("one") == Document(KIND, MANIFEST)


def test_what_a_registry_kept_is_read_back(strange: Strange) -> None:
    def forgets(handler: Handler) -> None:
        put = handler.command == "PUT"
        handler.say(201) if put else say(404, errors("MANIFEST_UNKNOWN"))(handler)

    (planned,) = planned_on(strange)
    strange.answer = forgets
    with pytest.raises(InfrastructureError, match=r"v1 of \S+ is on nothing now"):
        oci.create(planned)


def planned_on(strange: Strange) -> tuple[oci.OciPromotion, ...]:
    def answer(handler: Handler) -> None:
        found = handler.path.endswith("/build.1")
        (say(200) if found else say(404, errors("MANIFEST_UNKNOWN")))(handler)

    strange.answer = answer
    return oci.promotions([row(f"{strange.host}/a", "build.1", "v1")])


def test_a_push_that_is_forbidden(strange: Strange) -> None:
    (planned,) = planned_on(strange)
    reading = strange.answer

    def answer(handler: Handler) -> None:
        say(403, errors("DENIED"))(handler) if handler.command == "PUT" else reading(handler)

    strange.answer = answer
    with pytest.raises(InfrastructureError, match=r"forbids to write v1 \(403\)"):
        oci.create(planned)


def wanting_tokens(realm: str, token: bytes) -> Callable[[Handler], None]:
    """A registry that hands out tokens itself, at /token."""
    challenge = f'Bearer realm="{realm}",service="the, registry"'

    def answer(handler: Handler) -> None:
        if handler.path.startswith("/token"):
            handler.say(200, token)
        elif handler.headers.get("Authorization") == "Bearer abc":
            say(200)(handler)
        else:
            say(401, errors("UNAUTHORIZED"), WWW_Authenticate=challenge)(handler)

    return answer


@pytest.mark.parametrize("token", [b'{"token": "abc"}', b'{"access_token": "abc", "x": 1}'])
@pytest.mark.parametrize("login", [None, Login("user", PASSWORD)])
def test_a_token_is_asked_for_once(strange: Strange, token: bytes, login: Login | None) -> None:
    strange.answer = wanting_tokens(f"http://{strange.host}/token", token)
    found = Registry(f"{strange.host}/a/b", login=lambda _: login)
    for _ in range(2):
        assert found.get("one") == Document(KIND, MANIFEST)
    paths = [path for path, _ in strange.asked]
    query = "/token?scope=repository%3Aa%2Fb%3Apull&service=the%2C+registry"
    assert paths == ["/v2/a/b/manifests/one", query, *["/v2/a/b/manifests/one"] * 2]
    basic = f"Basic {base64.b64encode(f'user:{PASSWORD}'.encode()).decode()}" if login else ""
    assert [auth for _, auth in strange.asked] == ["", basic, "Bearer abc", "Bearer abc"]


@pytest.mark.parametrize(
    ("realm", "token", "words"),
    [
        ("http://{host}/token", b'{"token": "other"}', r"forbids to read one \(401\)"),
        ("http://{host}/token", b"{}", r"forbids to read one \(401\)"),
        ("http://{host}/token", b"<html>", "gives no proper token"),
        ("http://{host}/none", b"", r"forbids to get a token \(401\)"),
        ("http://registry.invalid/token", b"", "at an address without https"),
        ("file:///etc/hostname", b"", "at an address without https"),
        ("http://[::1/token", b"", "at an address without https"),
        ("", b"", "at an address without https"),
    ],
)
def test_a_token_that_cannot_be_had(strange: Strange, realm: str, token: bytes, words: str) -> None:
    strange.answer = wanting_tokens(realm.format(host=strange.host), token)
    with pytest.raises(InfrastructureError, match=words) as caught:
        Registry(f"{strange.host}/a", login=lambda _: Login("user", PASSWORD)).get("one")
    assert PASSWORD not in caught.value.message + caught.value.hint


@pytest.mark.parametrize("challenge", ["", "Basic", "Bearer realm", "Negotiate abc"])
def test_a_challenge_that_is_not_understood(strange: Strange, challenge: str) -> None:
    strange.answer = say(401, errors("UNAUTHORIZED"), WWW_Authenticate=challenge)
    with pytest.raises(InfrastructureError, match=r"forbids to read one|is not understood"):
        Registry(f"{strange.host}/a", login=lambda _: None).get("one")
