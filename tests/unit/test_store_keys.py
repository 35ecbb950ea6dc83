# SPDX-License-Identifier: GPL-2.0-or-later
"""Which key signs, which files are keyrings, and what gpgv's words mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.errors import InfrastructureError, UsageError
from builder.run import Completed
from builder.store import keys

FINGERPRINT = "0123456789ABCDEF0123456789ABCDEF01234567"
VALID = f"VALIDSIG {FINGERPRINT} 2026-11-21 1795279165 0 4 0 22 10 00 {FINGERPRINT}"
GOOD = ("NEWSIG", "GOODSIG 89ABCDEF01234567 Somebody", VALID)


def said(*lines: str, returncode: int = 0) -> Completed:
    return Completed(("gpgv",), returncode, "".join(f"[GNUPG:] {line}\n" for line in lines))


def test_a_key_is_named_by_its_whole_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(keys.KEY_VARIABLE, raising=False)
    with pytest.raises(UsageError, match="no key is given"):
        keys.signer(None)
    monkeypatch.setenv(keys.KEY_VARIABLE, FINGERPRINT)
    assert keys.signer(None).fingerprint == FINGERPRINT
    assert keys.signer("01" * 20).fingerprint == "01" * 20
    spaced = " ".join(FINGERPRINT[at : at + 4] for at in range(0, 40, 4)).lower()
    assert keys.signer(spaced).fingerprint == FINGERPRINT
    for short in ("89ABCDEF", "89ABCDEF01234567", "me@example.org", "--help"):
        with pytest.raises(UsageError, match="is no fingerprint"):
            keys.signer(short)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"plain text",
        b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n-----END PGP PUBLIC KEY BLOCK-----\n",
        b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nm*DE\n-----END PGP PUBLIC KEY BLOCK-----\n",
        b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDME\n",
        b"\x98\x33\x04-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDME\n"
        b"-----END PGP PUBLIC KEY BLOCK-----\n",
        b"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nmDME\n-----END PGP PRIVATE KEY BLOCK-----\n",
    ],
)
def test_what_is_no_keyring(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=str(path)):
        keys.read_keyring(path)
    with pytest.raises(UsageError, match="cannot be read"):
        keys.read_keyring(tmp_path / "none")


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_armor_is_taken_off(end: bytes) -> None:
    lines = (
        b"Key of a store",
        b"-----BEGIN PGP PUBLIC KEY BLOCK-----",
        b"Comment: made by hand",
        b"",
        b"mDME",
        b"AQIDBA==",
        b"=abcd",
        b"-----END PGP PUBLIC KEY BLOCK-----",
        b"",
    )
    one = end.join(lines)
    assert keys.plain_keys(one, "x") == bytes.fromhex("98330401020304")
    assert keys.plain_keys(one + one, "x") == bytes.fromhex("98330401020304") * 2


def test_one_good_signature_is_accepted() -> None:
    assert keys.judge(said(*GOOD), keys.BINARY, "it", "keys") == FINGERPRINT


@pytest.mark.parametrize(
    ("done", "words"),
    [
        (said(), "no good signature"),
        (said(*GOOD, returncode=2), "no good signature"),
        (said(*GOOD, *GOOD), "no good signature"),
        (said(*GOOD, "PLAINTEXT 62 0 x"), "no good signature"),
        (said("NEWSIG", VALID), "no good signature"),
        (said("NEWSIG", "GOODSIG 1 x"), "no good signature"),
        (said(*GOOD, "BADSIG 1 x"), "changed after it was signed"),
        (said("NEWSIG", "EXPKEYSIG 1 x", VALID), "a key that has expired"),
        (said("NEWSIG", "REVKEYSIG 1 x", VALID), "a key that was revoked"),
        (said("NEWSIG", "EXPSIG 1 x", VALID), "a signature that has expired"),
        (said("NEWSIG", "ERRSIG 1 22", "NO_PUBKEY 1", returncode=2), "not in the keyring"),
        (said(*GOOD[:2], VALID.replace(" 10 00 ", " 2 00 ")), "not accepted"),
        (said(*GOOD[:2], VALID.replace(" 10 00 ", " 10 01 ")), "not accepted"),
        (said(*GOOD[:2], "VALIDSIG"), "not accepted"),
        (said(), "it was verified with keys"),
        # A line of the signed text, or of a key's name, is no word of gpgv's.
        (Completed(("gpgv",), 0, "\n".join(GOOD)), "no good signature"),
    ],
)
def test_all_else_is_refused(done: Completed, words: str) -> None:
    with pytest.raises(InfrastructureError) as raised:
        keys.judge(done, keys.BINARY, "it", "keys")
    assert words in f"{raised.value} {raised.value.hint}"
