# SPDX-License-Identifier: GPL-2.0-or-later
"""What remotes make of names, versions, tokens and documents, without any server."""

from __future__ import annotations

import json
import os
import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from builder import names
from builder.distros import DISTROS
from builder.downloads import records
from builder.downloads.client import Client, public
from builder.downloads.documents import Document, Documents
from builder.errors import ForgeError, InfrastructureError, UsageError
from builder.facility import secret
from builder.facility.config import Facility
from builder.facility.kinds import SimplestreamsRemote, Token
from builder.facility.remotes import access, simplestreams
from builder.facility.site import Site
from builder.imports import inspecting, versions, vouching
from builder.imports.naming import facts
from builder.manifest.parts import Serial
from builder.paths import CACHE_VARIABLE
from builder.store import streams

LAB = Facility.model_validate({"name": "lab", "store": {"path": "s", "key": "A" * 40}})
AT = datetime(2026, 11, 20, 7, 42, tzinfo=UTC)


@pytest.mark.parametrize(
    ("version", "serial"),
    [
        ("20261120", "20261120"),
        ("20261120.1", "20261120.1"),
        ("20261120.10", "20261120.10"),
        ("20261120.0010", "20261120.10"),
        ("20261120.0", "20261120"),
        ("20261120_07:42", "20261120.742"),
        ("20261120_00:00", "20261120"),
        ("202611200742", "20261120.742"),
        ("20261120T074233Z", "20261120.742"),
        ("20261120-2542", "20261120.2542"),
        ("20260715.556894", "20260715"),
        ("2026-11-20", "20261120"),
        ("v10.2-20261120.3", "20261120.3"),
        ("Fedora-43-20251023.0", "20251023"),
        ("20261399", "20261119.5"),
        ("120261120", "20261119.5"),
        ("1.2.3", "20261119.5"),
        ("job 12345678901", "20261119.5"),
        ("", "20261119.5"),
    ],
)
def test_versions_as_serials(version: str, serial: str) -> None:
    assert versions.serial(version, datetime(2026, 11, 19, 0, 5, tzinfo=UTC)) == serial


def test_a_version_without_a_day_has_no_serial_of_its_own() -> None:
    assert versions.serial("1.2.3") is None
    assert versions.serial("1.2.3", AT.replace(hour=0, minute=0)) == "20261120"


@given(st.text(max_size=40) | st.from_regex(r"(19|20)[0-9]{6}[._T-]?[0-9:]{0,10}"))
def test_every_serial_is_one(version: str) -> None:
    serial = versions.serial(version, AT)
    assert serial is not None
    TypeAdapter(Serial).validate_python(serial)
    names.serial_key(serial)


def test_versions_sort_by_their_numbers() -> None:
    ordered = ["latest", "daily-latest", "1.0-rc1", "1.0", "1.9", "1.10", "9.8", "9.10", "10.2-1"]
    given_order = sorted(ordered)
    assert sorted(given_order, key=versions.key)[2:] == ordered[2:]
    assert {*sorted(given_order, key=versions.key)[:2]} == {"latest", "daily-latest"}


def test_versions_of_any_length_sort() -> None:
    long = "9" * 5000
    mixed = [f"1{long}.2", long, f"1{long}", "08"]
    assert sorted(mixed, key=versions.key) == ["08", long, f"1{long}", f"1{long}.2"]
    assert versions.key("007") == versions.key("7")


@pytest.mark.parametrize("zone", [timezone(timedelta(hours=-12)), timezone(timedelta(hours=12))])
def test_times_at_the_ends_of_time_are_no_days(zone: timezone) -> None:
    for moment in (datetime.max, datetime.min):
        assert versions.serial("1.2", moment.replace(tzinfo=zone)) in (None, "99991231.1159")
        with pytest.raises(ValidationError):
            TypeAdapter(records.Moment).validate_python("0001-01-01T00:00:00+12:00")
        with pytest.raises(ValidationError):
            TypeAdapter(records.Moment).validate_python("9999-12-31T23:59:59-12:00")


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("debian-13.qcow2", "qcow2"),
        ("a.zlib.qcow2", "qcow2-zlib"),
        ("noble-server-cloudimg-amd64.img", "qcow2"),
        ("noble-server-cloudimg-amd64-root.tar.xz", "rootfs.tar.xz"),
        ("a.RAW.XZ", "raw.xz"),
        ("a.qcow2.sha256", ""),
        ("a.iso", ""),
    ],
)
def test_names_tell_formats(name: str, form: str) -> None:
    assert inspecting.format_of(name) == form


def test_names_tell_what_an_image_is() -> None:
    found = facts("debian-13-hypervisor-arm64")
    assert (found.distro, found.release, found.codename) == ("debian", "13", "trixie")
    assert (found.arch, found.roles, found.title) == (
        "arm64",
        ("hypervisor",),
        "Debian 13 (trixie), hypervisor",
    )
    found = facts("talos-1.9-metal-aarch64")
    assert (found.distro, found.release, found.arch) == ("talos", "1.9", "arm64")
    assert (found.roles, found.title) == (("metal",), "talos-1.9-metal-aarch64")
    found = facts("router")
    assert (found.distro, found.release, found.arch) == ("router", "unknown", "amd64")


@given(st.from_regex(r"\A[a-z0-9][a-z0-9.-]{0,60}\Z"))
def test_every_series_has_facts(name: str) -> None:
    found = facts(name)
    assert all((found.distro, found.release, found.arch, found.title))
    assert all(found.roles)


def test_the_signer_is_in_the_line() -> None:
    assert vouching.signer_of(vouching.by_signature("SHA256SUMS", "A" * 40)) == "A" * 40
    assert vouching.signer_of(vouching.by_tls("SHA256SUMS")) == ""
    assert vouching.signer_of(vouching.ONLY_TLS) == ""


def test_urls_without_their_secrets() -> None:
    url = "https://me:pass@example.org:8443/a/b?X-Amz-Signature=s3cr3t#x"
    assert public(url) == "https://example.org:8443/a/b"


@pytest.mark.parametrize("path", ["../a", "a/../b", "/a", "a//b", "", "a\\b", "a\nb", "./a"])
def test_paths_lead_nowhere_else(path: str) -> None:
    with pytest.raises(UsageError, match="is no path below a URL"):
        records.path(path)


def test_paths_are_quoted() -> None:
    assert records.path("a b/c?d#e%2e") == "a%20b/c%3Fd%23e%252e"
    assert records.part("group/name") == "group%2Fname"


def test_a_token_is_ours_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "token"
    token = Token(file="token")
    with pytest.raises(UsageError, match="cannot be read"):
        secret.read(token, tmp_path)
    file.write_text(" s3cr3t\n")
    for mode in (0o644, 0o640, 0o604, 0o660):
        file.chmod(mode)
        with pytest.raises(UsageError, match="others than its owner"):
            secret.read(token, tmp_path)
    file.chmod(0o400)
    assert secret.read(token, tmp_path) == "s3cr3t"
    with monkeypatch.context() as patch:
        patch.setattr(os, "geteuid", lambda: 4711)
        with pytest.raises(UsageError, match="others than its owner"):
            secret.read(token, tmp_path)
    file.chmod(0o600)
    for content in ("", "two words", "X\r\nEvil: header", "é"):
        file.write_text(content)
        with pytest.raises(UsageError, match="holds no token") as caught:
            secret.read(token, tmp_path)
        assert not content or content not in caught.value.message


class Canned(Documents):
    """Documents that come from nowhere."""

    def __init__(self, content: dict[str, bytes]) -> None:
        super().__init__(Client("https://example.org"), Path("/nowhere"))
        object.__setattr__(self, "content", content)

    def get(self, url: str, *, accept: str = "", largest: int = 0) -> Document:  # noqa: ARG002
        content: dict[str, bytes] = vars(self)["content"]
        return Document(url, content[url.rpartition("/")[2]])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["items", "ftype", "path", "sha256", "size", "a", "versions"])
            | st.from_regex(r"\A2026112[0-9](\.[0-9]+)?\Z"),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
ITEM = {"ftype": "disk1.img", "path": "a.img", "sha256": "a" * 64, "size": 7}


@st.composite
def spoilt(draw: st.DrawFn) -> Any:
    """A good product in which one value is another."""
    item: dict[str, Any] = dict(ITEM)
    version: dict[str, Any] = {"items": {"disk1.img": item}}
    product: dict[str, Any] = {"versions": {"20261120": version}}
    places = [product, product["versions"], version, version["items"], item]
    place = draw(st.sampled_from(places))
    place[draw(st.sampled_from([*place, "more"]))] = draw(JSON)
    return product


@given(JSON | spoilt(), st.text(max_size=30))
def test_no_document_crashes_the_reader(product: Any, updated: str) -> None:
    site = Site(
        Facility.model_validate({"name": "lab", "store": {"path": "s", "key": "A" * 40}}), Path("/")
    )
    entry = SimplestreamsRemote.model_validate(
        {
            "kind": "simplestreams",
            "url": "https://example.org",
            "images": [{"name": "ubuntu-2404", "product": "p"}],
        }
    )
    stream = {"path": "streams/v1/p.json", "datatype": "image-downloads", "products": ["p"]}
    documents = Canned(
        {
            "index.json": json.dumps({"format": "index:1.0", "index": {"c": stream}}).encode(),
            "p.json": json.dumps({"products": {"p": product}, "updated": updated}).encode(),
        }
    )
    remote = simplestreams.SimplestreamsServer(
        "theirs", "https://example.org", entry, site, documents.client, documents
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streams.Streams, "_must_be_fresh", fresh)
        try:
            offers = remote.offers()
        except ForgeError as error:
            assert isinstance(error, UsageError | InfrastructureError)  # noqa: PT017
            return
    for offer in offers:
        names.serial_key(offer.serial)
        for image in offer.images:
            assert image.url.startswith("https://example.org/")
            assert len(image.digest) == 64


def fresh(_self: object, url: str, updated: str) -> None:
    """Without the memory of this machine."""
    streams.seconds(url, updated)


def test_freshness_is_remembered_by_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    site = Site(
        Facility.model_validate({"name": "lab", "store": {"path": "s", "key": "A" * 40}}), tmp_path
    )
    entry = SimplestreamsRemote(kind="simplestreams", url="https://example.org/x/", images=())
    remote = simplestreams.open_remote("theirs", entry, site)
    assert remote.url == "https://example.org/x"
    remote._streams._must_be_fresh("https://example.org/x/a", "")
    remote._streams._must_be_fresh("https://example.org/x/a", "Fri, 20 Nov 2026 07:42:00 +0000")
    remote._streams._must_be_fresh("https://example.org/x/b", "Fri, 20 Nov 2026 07:41:59 +0000")
    for older in ("Fri, 20 Nov 2026 07:41:59 +0000", ""):
        with pytest.raises(InfrastructureError, match="seen before"):
            remote._streams._must_be_fresh("https://example.org/x/a", older)


def test_the_examples_of_the_docs_are_configurations() -> None:
    text = (Path(__file__).parents[2] / "docs/remotes.md").read_text(encoding="utf-8")
    blocks = re.findall(r"(?m)^    [a-z]+:\n(?:      .*\n)+", text)
    assert blocks.pop(0).startswith("    remotes:")
    examples = [yaml.load(block, Loader=yaml.BaseLoader) for block in blocks]  # noqa: S506
    kinds = set()
    for example in examples:
        facility = {"name": "lab", "store": {"path": "s", "key": "A" * 40}, "remotes": example}
        for name, entry in Facility.model_validate(facility).remotes.items():
            kinds.add(entry.kind)
            for image in getattr(entry, "images", ()):
                assert facts(image.name).distro in (*DISTROS, "talos")
                access.pattern(getattr(image, "asset", ""), name)
    assert kinds == {"simplestreams", "github", "gitlab", "url"}
    assert len(examples) == 5
