# SPDX-License-Identifier: GPL-2.0-or-later
"""Signatures by the real gpg and gpgv: what is accepted, and every kind that is not."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from builder.errors import InfrastructureError, UsageError
from builder.store import keys
from tests.integration.signing import KeyHome, key_home

TEXT = b'{\n "serial": 1\n}\n'


@dataclass(frozen=True)
class Keys:
    """A key home, the key that readers trust, and another one."""

    home: KeyHome
    ours: keys.Signer
    other: keys.Signer


@pytest.fixture(scope="module")
def signing() -> Iterator[Keys]:
    with key_home() as home:
        ours, other = home.make("store@example.org"), home.make("other@example.org")
        yield Keys(home, keys.signer(ours.lower()), keys.signer(f"0x{other}"))


@pytest.mark.parametrize("armored", [False, True])
def test_what_is_signed_is_verified(signing: Keys, tmp_path: Path, *, armored: bool) -> None:
    file = tmp_path / "keys"
    options = ("--armor",) if armored else ()
    # Two files in one, as people join them.
    both = (signing.other, signing.ours)
    file.write_bytes(b"".join(signing.home.export(each.fingerprint, *options) for each in both))
    ring = keys.read_keyring(file)
    text = signing.ours.detached(TEXT)
    assert text.startswith(b"-----BEGIN PGP SIGNATURE-----")
    for signature in (text, signing.ours.detached(TEXT, armor=False)):
        assert ring.verify(TEXT, signature, "it") == signing.ours.fingerprint
    assert ring.opened(signing.ours.clearsigned(TEXT), "it") == TEXT
    assert signing.other.keyring().verify(TEXT, signing.other.detached(TEXT), "it")


def test_a_changed_byte_is_refused(signing: Keys) -> None:
    ring, signature = signing.ours.keyring(), signing.ours.detached(TEXT)
    with pytest.raises(InfrastructureError, match="the index was changed after it was signed"):
        ring.verify(TEXT.replace(b"1", b"2"), signature, "the index")
    document = signing.ours.clearsigned(TEXT)
    assert b'"serial": 1' in document
    with pytest.raises(InfrastructureError, match="was changed after it was signed"):
        ring.opened(document.replace(b'"serial": 1', b'"serial": 2'), "the index")


def test_a_key_that_is_not_in_the_ring_is_refused(signing: Keys) -> None:
    ring = signing.ours.keyring()
    with pytest.raises(InfrastructureError, match="a key that is not in the keyring"):
        ring.verify(TEXT, signing.other.detached(TEXT), "it")
    with pytest.raises(InfrastructureError, match="a key that is not in the keyring"):
        ring.opened(signing.other.clearsigned(TEXT), "it")


def test_what_is_no_signature_is_refused(signing: Keys) -> None:
    ring = signing.ours.keyring()
    for nothing in (b"", b"no signature", TEXT):
        with pytest.raises(InfrastructureError, match="has no good signature"):
            ring.verify(TEXT, nothing, "it")
        with pytest.raises(InfrastructureError, match="has no good signature"):
            ring.opened(nothing, "it")


def test_a_signature_vouches_for_nothing_but_its_content(signing: Keys, tmp_path: Path) -> None:
    ring = signing.ours.keyring()
    good = tmp_path / "good"
    good.write_bytes(TEXT)
    whole = signing.home.gpg("-u", signing.ours.fingerprint, "--output", "-", "--sign", good)
    with pytest.raises(InfrastructureError):
        ring.verify(b"other", whole, "a signature that has its content in it")
    with pytest.raises(InfrastructureError, match="a kind that is not accepted"):
        ring.opened(whole, "a document that is not clearsigned")
    document = signing.ours.clearsigned(TEXT)
    with pytest.raises(InfrastructureError):
        ring.opened(document + document, "two documents in one")
    assert ring.opened(b"before\n\n" + document + b"\nafter\n", "one with words around") == TEXT
    weak = signing.home.gpg(
        "-u", signing.ours.fingerprint, "--output", "-", "--textmode", "--detach-sign", good
    )
    with pytest.raises(InfrastructureError, match="a kind that is not accepted"):
        ring.verify(TEXT, weak, "a signature of a text, whose line ends may change")
    both = signing.ours.detached(TEXT, armor=False) + signing.other.detached(TEXT, armor=False)
    with pytest.raises(InfrastructureError):
        ring.verify(TEXT, both, "two signatures")


def test_an_expired_key_is_refused(signing: Keys, tmp_path: Path) -> None:
    # It lived for a day, two years ago.
    past = ("--faked-system-time", "20240101T000000")
    name = "expired@example.org"
    signing.home.gpg(*past, "--passphrase", "", "--quick-gen-key", name, "ed25519", "sign", "1d")
    content = tmp_path / "content"
    content.write_bytes(TEXT)
    signature = signing.home.gpg(*past, "-u", name, "--output", "-", "--detach-sign", content)
    ring = keys.Keyring(signing.home.export(name), "old keys")
    with pytest.raises(InfrastructureError, match="a key that has expired") as raised:
        ring.verify(TEXT, signature, "it")
    assert "old keys" in raised.value.hint


def test_a_revoked_key_is_refused(signing: Keys, tmp_path: Path) -> None:
    signer = keys.signer(signing.home.make("revoked@example.org"))
    signature = signer.detached(TEXT)
    assert signer.keyring().verify(TEXT, signature, "it")
    made = signing.home.folder / "openpgp-revocs.d" / f"{signer.fingerprint}.rev"
    revocation = tmp_path / "revocation"
    # gpg puts a colon in front, so that nobody imports it without meaning to.
    revocation.write_text(made.read_text().replace(":-----BEGIN", "-----BEGIN"))
    signing.home.gpg("--import", revocation)
    with pytest.raises(InfrastructureError, match="a key that was revoked"):
        signer.keyring().verify(TEXT, signature, "it")


@pytest.mark.usefixtures("signing")
def test_a_key_that_is_not_there_cannot_sign() -> None:
    nobody = keys.signer("A" * 40)
    with pytest.raises(InfrastructureError, match="cannot sign with the key AAAA") as raised:
        nobody.detached(TEXT)
    assert "No secret key" in raised.value.hint
    with pytest.raises(InfrastructureError):
        nobody.keyring()


def test_a_secret_key_is_no_keyring(signing: Keys, tmp_path: Path) -> None:
    path = tmp_path / "keys"
    argv = ["gpg", "--batch", "--armor", "--export-secret-keys", signing.other.fingerprint]
    path.write_bytes(subprocess.run(argv, check=True, capture_output=True).stdout)
    with pytest.raises(UsageError, match="holds a private key"):
        keys.read_keyring(path)
