# SPDX-License-Identifier: GPL-2.0-or-later
"""What a server may say to be believed, or to be sent our login: it is refused in words."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from pydantic import ValidationError

from builder.checksums import Checksums, Line
from builder.cli.upstream_check import plain
from builder.downloads.client import Absent, public
from builder.downloads.documents import Document, Documents
from builder.errors import InfrastructureError
from builder.imports.offers import Offer, OfferedFile
from builder.imports.vouching import by_signature, by_tls, signer_of
from builder.upstream import catalogue, finding
from builder.upstream.asking import Asking
from builder.upstream.candidates import Candidate
from builder.upstream.checking import Checked
from builder.upstream.finding import Found
from tests.unit.upstreamseeds import GITHUB, SEEDS, SHA, Servers

KEY = "F26ADFADBAE702EF7AF637459DA7EF23BFFCDF22"
NEWEST = "newest: {of: index}\n"
VERSION_FILE = f"""\
distro: cirros
os_distro: cirros
arches: {{amd64: x86_64}}
index:
  kind: version-file
  url: https://images.example.org/released
  image: https://images.example.org/{{version}}/cirros-{{version}}-{{arch}}-disk.img
unsigned: this is a test
{NEWEST}"""


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Documents by URL, in place of all servers."""
    answers: dict[str, bytes] = {}

    def get(_documents: Documents, url: str, **_how: Any) -> Document:
        if url not in answers:
            raise Absent(f"{url} is not there")
        return Document(url, answers[url])

    monkeypatch.setattr(Documents, "get", get)
    return answers


@pytest.mark.parametrize("version", ["0_6.3", "0~6.1", f"{'0' * 60}.1"])
def test_a_release_that_no_name_can_have(
    told: dict[str, bytes], tmp_path: Path, version: str
) -> None:
    path = tmp_path / "cirros.yaml"
    path.write_text(VERSION_FILE)
    told["https://images.example.org/released"] = version.encode()
    with pytest.raises(InfrastructureError, match="no name can have"):
        catalogue.read_file(path).series(Asking())


@pytest.mark.parametrize("version", ["../../x", "16.0 ", "16.0\n", "", "16-0"])
def test_a_release_of_opensuse_that_is_none(told: dict[str, bytes], version: str) -> None:
    path = Path(__file__).parents[2] / "upstreams" / "opensuse-leap.yaml"
    rows = {"Leap": [{"version": version, "state": "Stable"}]}
    told["https://get.opensuse.org/api/v0/distributions.json"] = json.dumps(rows).encode()
    with pytest.raises(InfrastructureError, match="no name can have"):
        catalogue.read_file(path).series(Asking())


@pytest.mark.parametrize(
    "begin",
    [b"file:///tmp/", b"FILE:/tmp/", b"https://[bad/", b"http://images.example.org/", b"https:///"],
)
def test_an_index_names_no_file_of_ours_and_no_nonsense(tmp_path: Path, begin: bytes) -> None:
    servers = Servers(
        SEEDS["fedora"], lambda content: content.replace(b"https://download.fedora", begin)
    )
    series = servers.seed.series(tmp_path)
    with servers.asked(), pytest.raises(InfrastructureError, match="is no https URL"):
        finding.newest(series, Asking())


@pytest.mark.parametrize("at", ["https://[bad/", "https://api.access.redhat.com:x/management"])
def test_an_image_of_red_hat_at_no_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    monkeypatch.setenv("RHEL_OFFLINE_TOKEN", "a token")
    servers = Servers(
        SEEDS["rhel"],
        lambda content: content.replace(b"https://api.access.redhat.com/management", at.encode()),
    )
    series = servers.seed.series(tmp_path)
    with servers.asked(), pytest.raises(InfrastructureError, match="at another server"):
        finding.newest(series, Asking())


@pytest.mark.parametrize(
    "url", ["https://evil.invalid/a", "http://api.github.com/a", "https://api.github.com:8443/a"]
)
def test_our_login_goes_to_no_address_that_an_answer_names(
    told: dict[str, bytes], tmp_path: Path, url: str
) -> None:
    path = tmp_path / "cirros.yaml"
    index = "{kind: github, repository: cirros-dev/cirros, token: {env: OURS}}"
    path.write_text(GITHUB.replace("{kind: github, repository: cirros-dev/cirros}", index))
    ((_, content),) = SEEDS["github"].answers.items()
    asked = "https://api.github.com/repos/cirros-dev/cirros/releases?per_page=100"
    (series,) = catalogue.read_file(path).series(Asking())
    told[asked] = content
    assert finding.newest(series, Asking()).candidate.url == "https://api.github.com/a"
    told[asked] = content.replace(b"https://api.github.com/a", url.encode())
    with pytest.raises(InfrastructureError, match="at another server"):
        finding.newest(series, Asking())


def test_a_signature_is_none_that_a_server_only_tells_of() -> None:
    assert signer_of(by_signature("SHA256SUMS", KEY)) == KEY
    tag = f"1.0, signed by {KEY}"
    assert signer_of(by_tls(f"the release {tag} of a/b")) == ""
    assert signer_of(by_signature(f"the release {tag}", KEY[::-1].replace("G", "A"))) != KEY


class Counted(tuple[Line, ...]):
    """Lines that count how often all of them are gone through."""

    times = 0

    def __iter__(self) -> Iterator[Line]:
        Counted.times += 1
        return super().__iter__()


def test_a_long_list_is_not_gone_through_for_each_of_its_lines() -> None:
    lines = Counted(Line(number, f"image-{number}", "sha256", SHA) for number in range(100))
    found = Checksums("a list", lines)
    assert all(found.of(name).value == SHA for name in found.names)
    assert Counted.times < 5


def asked_for(login: object, mirrors: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Who is asked when a file changed, while nobody answers."""
    seen: list[str] = []

    class Silent:
        def get(self, url: str, *_: object, **__: object) -> None:
            seen.append(url)
            raise Absent(f"{url} is not there")

    series = catalogue.read_file(Path(__file__).parents[2] / "upstreams" / "cirros.yaml")
    upstream = series.upstream.model_copy(update={"mirrors": mirrors})
    made = Candidate("a", "https://a.example/x", login=login)  # type: ignore[arg-type]
    with (
        patch.object(Asking, "client", lambda *_: Silent()),
        pytest.raises(Absent),
    ):
        Asking().modified(made.url, upstream, made.login)
    return seen


def test_no_mirror_sees_a_login_to_tell_a_day() -> None:
    mirrors = {"https://a.example/": ("https://b.example/",)}
    assert asked_for(None, mirrors) == ["https://a.example/x", "https://b.example/x"]
    assert asked_for(lambda: {}, mirrors) == ["https://a.example/x"]


@pytest.mark.parametrize("kind", ["fedora", "rhel", "debian", "github"])
def test_rows_that_are_all_wrong_are_told_by_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Words for all of them would fill the memory."""
    monkeypatch.setenv("RHEL_OFFLINE_TOKEN", "a token")
    wrong = {
        "fedora": b"[{},{},{}]",
        "rhel": b'{"body":[{},{},{}]}',
        "debian": b'{"kind":"List","items":[{},{},{}]}',
        "github": b'[{"tag_name":"1","created_at":"2026-01-01T00:00:00Z","assets":[{},{},{}]}]',
    }
    servers = Servers(SEEDS[kind], lambda _: wrong[kind])
    series = servers.seed.series(tmp_path)
    with servers.asked(), pytest.raises(InfrastructureError) as caught:
        finding.newest(series, Asking())
    cause = caught.value.__cause__
    assert isinstance(cause, ValidationError)
    rows = {tuple(part for part in each["loc"] if isinstance(part, int)) for each in cause.errors()}
    assert len(rows) == 1


def test_a_query_is_in_no_answer_for_programs(tmp_path: Path) -> None:
    """It may hold a signature that lets anybody in."""
    series = SEEDS["fedora"].series(tmp_path)
    made = Candidate("x", "https://a.example/x?Signature=a-secret")
    offer = Offer(
        "ours",
        series.name,
        "20261101",
        "upstream",
        (OfferedFile("x", "qcow2", made.url),),
        "nobody",
    )
    found = Found(series, made, offer)
    shown = plain(Checked(series.name, "ours", "new", found=found))
    assert shown["url"] == "https://a.example/x"


def test_an_address_that_is_shown_says_nothing_to_the_terminal() -> None:
    assert public("https://a.example/\x1b]0;x\x07/\x9bimage?b") == "https://a.example/?]0;x?/?image"
