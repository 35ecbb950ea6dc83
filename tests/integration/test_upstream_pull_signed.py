# SPDX-License-Identifier: GPL-2.0-or-later
"""Who signed an image of an upstream: pinned keys only, and never less than yesterday."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from builder.store.keys import Signer
from tests.integration.apiserver import Reply, serve
from tests.integration.signing import KeyHome
from tests.integration.upstreamworld import DAY, World, made


@pytest.fixture
def world(tmp_path: Path, gpg_home: KeyHome, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with made(tmp_path, gpg_home, monkeypatch) as world:
        world.ours.put("10.1")
        yield world


def refused(world: World, said: str) -> None:
    """Nothing of the image comes, and it is said why."""
    before = world.images()
    outcome = world.one()
    assert outcome.answer == "failed"
    assert said in outcome.reason
    assert world.images() == before


def test_an_unsigned_image_says_so(world: World) -> None:
    world.ours.write(world.upstreams)
    assert world.one().answer == "pulled"
    origin = world.manifest().origin
    assert (origin.signed_by, "not signed" in origin.vouched) == ("", True)


def test_a_key_that_is_not_pinned(world: World, gpg_home: KeyHome) -> None:
    """It is in the keyring, and still nobody asked for it."""
    pinned = world.ours.sign()
    other = Signer(gpg_home.make("somebody else"))
    world.ours.keyring.write_bytes(
        gpg_home.export(pinned.fingerprint) + gpg_home.export(other.fingerprint)
    )
    world.ours.write(world.upstreams)
    world.ours.signer = other
    world.ours.publish()
    refused(world, f"signed with the key {other.fingerprint}, which is not one of those")


def test_a_key_that_is_not_in_the_keyring(world: World, gpg_home: KeyHome) -> None:
    world.ours.sign()
    world.ours.write(world.upstreams)
    world.ours.signer = Signer(gpg_home.make("a stranger"))
    world.ours.publish()
    refused(world, "signed with a key that is not in the keyring")


def test_an_expired_key_unless_it_is_named(world: World, expired: Signer) -> None:
    world.ours.signer = expired
    world.ours.keyring.write_bytes(world.home.export(expired.fingerprint))
    world.ours.publish()
    path = world.ours.write(world.upstreams)
    refused(world, "signed with a key that has expired")
    path.write_text(f"{path.read_text()}\n".replace("  keys:", "  expired: [KEY]\n  keys:"))
    path.write_text(path.read_text().replace("KEY]", f"{expired.fingerprint}]"))
    assert world.one().answer == "pulled"
    assert world.manifest().origin.signed_by == expired.fingerprint


@pytest.fixture
def expired(gpg_home: KeyHome) -> Signer:
    """A key that signed while it was good, and has expired since."""
    gpg_home.gpg(
        "--passphrase", "", "--faked-system-time", "20200101T000000", "--quick-gen-key",
        "of yesterday", "ed25519", "sign", "1y",
    )  # fmt: skip
    listed = gpg_home.gpg("--with-colons", "--list-keys", "=of yesterday").decode().splitlines()
    key = next(line.split(":")[9] for line in listed if line.startswith("fpr:"))
    return _OfThen(key, gpg_home)


class _OfThen(Signer):
    """Signs as if it were the year in which the key was good."""

    def __init__(self, key: str, gpg_home: KeyHome) -> None:
        super().__init__(key)
        object.__setattr__(self, "_home", gpg_home)

    def detached(self, content: bytes, *, armor: bool = True) -> bytes:  # noqa: ARG002
        gpg_home: KeyHome = self._home  # type: ignore[attr-defined]
        given = gpg_home.folder / "content"
        given.write_bytes(content)
        return gpg_home.gpg(
            "--faked-system-time", "20200601T000000", "--local-user", self.fingerprint,
            "--armor", "--output", "-", "--detach-sign", given,
        )  # fmt: skip


def test_a_signature_that_is_gone_stops(world: World) -> None:
    """Its YAML file says unsigned now, and the store knows better."""
    signer = world.ours.sign()
    world.ours.write(world.upstreams)
    world.pull()
    world.ours.signer = None
    world.ours.write(world.upstreams)
    said = f"was signed by {signer.fingerprint} until 10.1-{DAY}, and has no signature now"
    refused(world, said)
    world.ours.put("10.2", "20261102")
    refused(world, said)


def test_a_signature_that_its_server_has_no_more(world: World) -> None:
    world.ours.sign()
    world.ours.write(world.upstreams)
    world.pull()
    world.ours.put("10.2", "20261102")
    world.server.routes["/ours/SHA256SUMS.asc"] = Reply(status=404)
    refused(world, "SHA256SUMS.asc is not there")


def test_a_list_that_was_changed_after_it_was_signed(world: World) -> None:
    world.ours.sign()
    world.ours.write(world.upstreams)
    path = "/ours/SHA256SUMS"
    world.server.routes[path] = serve(b"0" * 64 + f"  {world.ours.file('10.1')}\n".encode())
    refused(world, "was changed after it was signed")


def over_the_image(world: World, signature: bytes) -> None:
    """The makers sign each image, and no list."""
    signer = world.ours.sign()
    entry = {
        "over": "image",
        "file": "{file}.sig",
        "keyring": world.ours.keyring.name,
        "keys": [signer.fingerprint],
    }
    world.ours.write(world.upstreams, signature=entry)
    name = world.ours.file("10.1")
    good = signer.detached(world.ours.content[name], armor=False)
    world.server.routes[f"/ours/{name}.sig"] = serve(signature or good)


def test_a_signature_over_the_image(world: World) -> None:
    over_the_image(world, b"")
    assert world.one().answer == "pulled"
    origin = world.manifest().origin
    assert world.ours.signer
    assert origin.signed_by == world.ours.signer.fingerprint
    assert origin.vouched.startswith(f"{world.ours.file('10.1')}.sig, signed by")
    world.asked()
    assert world.one().answer == "unchanged"
    assert world.asked() == ["/ours/SHA256SUMS"]


def test_a_signature_over_another_image(world: World) -> None:
    """The image is not kept under any name that somebody could find."""
    signer = world.ours.sign()
    over_the_image(world, b"")
    assert world.ours.signer != signer
    name = world.ours.file("10.1")
    world.server.routes[f"/ours/{name}.sig"] = serve(world.ours.signer.detached(b"another"))  # type: ignore[union-attr]
    refused(world, f"{name} was changed after it was signed")
    assert not list((world.folder / "cache/incoming").rglob("*.qcow2"))


def test_a_signature_over_the_image_by_a_key_that_is_not_pinned(
    world: World, gpg_home: KeyHome
) -> None:
    other = Signer(gpg_home.make("another one"))
    name = world.ours.file("10.1")
    over_the_image(world, other.detached(world.ours.content[name], armor=False))
    keyring = world.upstreams / world.ours.keyring.name
    keyring.write_bytes(keyring.read_bytes() + gpg_home.export(other.fingerprint))
    refused(world, f"signed with the key {other.fingerprint}, which is not one of those")
    assert not list((world.folder / "cache/incoming").rglob("*.qcow2"))


def test_a_signature_that_nobody_looks_at_is_none(world: World) -> None:
    """Its YAML file says that the index is signed, which a list of digests is not."""
    signer = world.ours.sign()
    keys = {"keyring": world.ours.keyring.name, "keys": [signer.fingerprint]}
    world.ours.write(world.upstreams, signature={"over": "index", **keys})
    refused(world, "names who signs alma-10, and nothing of it is signed")


def test_a_signature_over_the_image_that_is_not_there(world: World) -> None:
    """Then the image need not come."""
    over_the_image(world, b"")
    world.server.routes.pop(f"/ours/{world.ours.file('10.1')}.sig")
    world.asked()
    refused(world, "qcow2.sig is not there")
    assert f"/ours/{world.ours.file('10.1')}" not in world.asked()


def test_a_keyring_that_is_not_installed(world: World) -> None:
    signer = world.ours.sign()
    keys = {"keyring": "none/here.gpg", "package": "our-keyring", "keys": [signer.fingerprint]}
    world.ours.write(world.upstreams, signature={"file": "{list}.asc", **keys})
    outcome = world.one()
    assert (outcome.answer, outcome.code) == ("failed", 2)
    assert outcome.hint == "apt-get install our-keyring"
