# SPDX-License-Identifier: GPL-2.0-or-later
"""OpenPGP signatures: made by gpg with the publisher's key, verified by gpgv with a keyring file.

gpg asks its agent for the secret key and, where that has one, for its passphrase; neither comes
here. gpgv knows the keyring of the reader and nothing else: no trust, no key server.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import tempfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from builder.errors import InfrastructureError, UsageError
from builder.run import Completed, needs, run

KEY_VARIABLE: Final = "FAI_FORGE_SIGNING_KEY"
# gpg's own variable; the children of `run` do not inherit it.
HOME_VARIABLE: Final = "GNUPGHOME"
FINGERPRINT: Final = re.compile(r"[0-9A-F]{40}|[0-9A-F]{64}")
# Seconds. The agent may ask a person for a passphrase.
SIGNING, VERIFYING = 300.0, 60.0
# Of a whole image, on a slow disk.
VERIFYING_FILE: Final = 1800.0

BLOCK: Final = re.compile(
    rb"-----BEGIN PGP PUBLIC KEY BLOCK-----\s*?\n(.*?)-----END PGP PUBLIC KEY BLOCK-----", re.DOTALL
)
PRIVATE: Final = b"PRIVATE KEY BLOCK"

STATUS: Final = "[GNUPG:] "
# A good signature, and one that would be good if its key had not expired.
GOOD, OLD_KEY = "GOODSIG", "EXPKEYSIG"
# gpg's words for what is wrong with a signature, by doc/DETAILS of GnuPG; the first that it says.
FLAWS: Final = {
    "BADSIG": "was changed after it was signed",
    "EXPSIG": "has a signature that has expired",
    OLD_KEY: "is signed with a key that has expired",
    "REVKEYSIG": "is signed with a key that was revoked",
    "NO_PUBKEY": "is signed with a key that is not in the keyring",
    "ERRSIG": "has a signature that cannot be checked",
}
# SHA-256, SHA-384, SHA-512, and SHA-3 (RFC 4880, RFC 9580): others can be forged, or soon.
DIGESTS: Final = frozenset({"8", "9", "10", "12", "14"})
# RFC 4880, 5.2.1: a signature of bytes, and one of a text with any line ends.
BINARY, TEXT = "00", "01"


class Verifies(Protocol):
    """What can tell who signed something."""

    def verify(self, content: bytes, signature: bytes, what: str) -> str:
        """The fingerprint of the key that made a detached signature; InfrastructureError else."""

    def opened(self, document: bytes, what: str) -> bytes:
        """The text that a clearsigned document signs; InfrastructureError else."""


class Signs(Protocol):
    """What can sign."""

    def detached(self, content: bytes, *, armor: bool = True) -> bytes:
        """A signature apart from what it signs."""

    def clearsigned(self, text: bytes) -> bytes:
        """A text with its signature."""

    def keyring(self) -> Verifies:
        """What verifies these signatures."""


@dataclass(frozen=True)
class Signer:
    """The key that signs a store, by its fingerprint."""

    fingerprint: str

    def detached(self, content: bytes, *, armor: bool = True) -> bytes:
        """A signature apart from what it signs, as text or (without `armor`) as bytes."""
        form = ("--armor",) if armor else ()
        return self._sign((*form, "--detach-sign"), content)

    def clearsigned(self, text: bytes) -> bytes:
        """A text with its signature in one file; lines have fewer than 19,995 characters."""
        return self._sign(("--clearsign",), text)

    @needs("gpg", package="gpg", purpose="sign a store")
    def keyring(self) -> Keyring:
        """The public half of the key."""
        with tempfile.TemporaryDirectory(prefix="fai-forge-") as folder:
            out = Path(folder, "key")
            done = self._gpg("--output", out, "--export", self.fingerprint)
            if not out.exists():
                raise self._unusable(done)
            return Keyring(out.read_bytes(), f"the key {self.fingerprint}")

    @needs("gpg", package="gpg", purpose="sign a store")
    def _sign(self, how: Sequence[str], content: bytes) -> bytes:
        with tempfile.TemporaryDirectory(prefix="fai-forge-") as folder:
            given, out = Path(folder, "content"), Path(folder, "signed")
            given.write_bytes(content)
            options = ("--digest-algo", "SHA512", "--local-user", self.fingerprint)
            done = self._gpg(*options, "--output", out, *how, given)
            if done.returncode != 0 or f"{STATUS}SIG_CREATED " not in done.output:
                raise self._unusable(done)
            return out.read_bytes()

    def _gpg(self, *words: str | Path) -> Completed:
        home = os.environ.get(HOME_VARIABLE)
        return run(
            ["gpg", "--batch", "--no-tty", "--status-fd", "1", *words],
            env={HOME_VARIABLE: home} if home else None,
            timeout=SIGNING,
            check=False,
        )

    def _unusable(self, done: Completed) -> InfrastructureError:
        said = [line for line in done.output.splitlines() if not line.startswith(STATUS)]
        return InfrastructureError(
            f"gpg cannot sign with the key {self.fingerprint}",
            hint="\n".join([*said, "gpg --list-secret-keys says which keys are there"]),
        )


@dataclass(frozen=True)
class Keyring:
    """Public keys that somebody trusts, in gpg's binary form; `source` names them in errors.

    `expired` are the fingerprints of those that count although they have expired.
    """

    content: bytes
    source: str
    expired: frozenset[str] = frozenset()

    def verify(self, content: bytes, signature: bytes, what: str) -> str:
        """The fingerprint of the key that made this detached signature of `content`.

        InfrastructureError unless there is exactly one signature, good now, by a key of the ring;
        `what` names the content.
        """
        with tempfile.TemporaryDirectory(prefix="fai-forge-") as folder:
            signed, beside = Path(folder, "content"), Path(folder, "content.sig")
            signed.write_bytes(content)
            beside.write_bytes(signature)
            status = self._gpgv(Path(folder), beside, signed)
        return judge(status, BINARY, what, self.source, self.expired)

    def verify_file(self, path: Path, signature: bytes, what: str) -> str:
        """As `verify`, of a file that is too large to be read at once."""
        with tempfile.TemporaryDirectory(prefix="fai-forge-") as folder:
            beside = Path(folder, "content.sig")
            beside.write_bytes(signature)
            # Absolute: a name that begins with a dash would be an option.
            words = (beside, path.absolute())
            status = self._gpgv(Path(folder), *words, timeout=VERIFYING_FILE)
        return judge(status, BINARY, what, self.source, self.expired)

    def opened(self, document: bytes, what: str) -> bytes:
        """The text that a clearsigned document signs; nothing of what stands around it.

        InfrastructureError as with `verify`.
        """
        return self.opened_by(document, what)[0]

    def opened_by(self, document: bytes, what: str) -> tuple[bytes, str]:
        """As `opened`, and the fingerprint of the key that signs it."""
        with tempfile.TemporaryDirectory(prefix="fai-forge-") as folder:
            signed, out = Path(folder, "document"), Path(folder, "text")
            signed.write_bytes(document)
            status = self._gpgv(Path(folder), "--output", out, signed)
            fingerprint = judge(status, TEXT, what, self.source, self.expired)
            return out.read_bytes(), fingerprint

    @needs("gpgv", package="gpgv", purpose="verify signatures")
    def _gpgv(self, folder: Path, *words: str | Path, timeout: float = VERIFYING) -> Completed:
        keys = folder / "keyring"
        keys.write_bytes(self.content)
        return run(
            ["gpgv", "--homedir", folder, "--keyring", keys, "--status-fd", "1", *words],
            timeout=timeout,
            capture=True,
            check=False,
        )


def signer(option: str | None) -> Signer:
    """The signer that --key names, else $FAI_FORGE_SIGNING_KEY; UsageError for no fingerprint."""
    given = option or os.environ.get(KEY_VARIABLE, "")
    fingerprint = "".join(given.split()).upper().removeprefix("0X")
    if not fingerprint:
        raise UsageError(
            "a store is signed, and no key is given",
            hint=f"give its fingerprint with --key or {KEY_VARIABLE};"
            " gpg --list-secret-keys --fingerprint shows it",
        )
    if not FINGERPRINT.fullmatch(fingerprint):
        raise UsageError(
            f"{given} is no fingerprint",
            hint="a fingerprint has 40 hexadecimal digits; shorter ids and names can be forged",
        )
    return Signer(fingerprint)


def read_keyring(path: Path) -> Keyring:
    """A file of public keys, as text (armored) or as bytes; UsageError if it is none."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"the keyring {path} cannot be read: {error.strerror}",
            hint="gpg --export FINGERPRINT > FILE makes one",
        ) from error
    return Keyring(plain_keys(content, str(path)), str(path))


def plain_keys(content: bytes, source: str) -> bytes:
    """Public keys in their binary form, whatever form they come in; UsageError if they are none."""
    if PRIVATE in content:
        raise UsageError(
            f"{source} holds a private key", hint="a reader needs gpg --export, the public half"
        )
    blocks = BLOCK.findall(content)
    if blocks and any(byte >= 0x80 for byte in BLOCK.sub(b"", content)):
        # Half of the keys would be overlooked.
        raise UsageError(
            f"{source} holds keys as text and as bytes", hint="export all of them in one form"
        )
    try:
        keys = b"".join(_decoded(block) for block in blocks) if blocks else content
    except binascii.Error as error:
        raise UsageError(
            f"{source}: a key in it is damaged", hint="export or download it again"
        ) from error
    # The first byte of a packet has its highest bit set, and gpg's key box names itself.
    if not keys or (keys[0] < 0x80 and keys[8:12] != b"KBXf"):
        raise UsageError(
            f"{source} holds no public keys", hint="gpg --export FINGERPRINT > FILE makes such one"
        )
    return keys


def judge(done: Completed, kind: str, what: str, source: str, expired: Collection[str] = ()) -> str:
    """The fingerprint of the primary key that vouches for `what`, by what gpgv said.

    `kind` is BINARY or TEXT; keys of `expired` count although they have expired.
    InfrastructureError says why nobody does.
    """
    lines = [line[len(STATUS) :] for line in done.output.splitlines() if line.startswith(STATUS)]
    said = [line.split() for line in lines if line.strip()]
    words = [each[0] for each in said]
    flaw = next((text for word, text in FLAWS.items() if word in words), "has no good signature")
    valid = [each for each in said if each[0] == "VALIDSIG" and len(each) > 10]
    if valid and valid[0][10] in expired:
        words = [GOOD if word == OLD_KEY else word for word in words]
    # A text inside of the signature would be verified in place of the one that was asked about.
    texts = 1 if kind == TEXT else 0
    counts = [words.count(word) for word in ("NEWSIG", GOOD, "VALIDSIG", "PLAINTEXT")]
    if done.returncode == 0 and counts == [1, 1, 1, texts] and not FLAWS.keys() & set(words):
        digest, form, primary = valid[0][8:11] if valid else ("", "", "")
        if digest in DIGESTS and form == kind:
            return primary
        flaw = "has a signature of a kind that is not accepted"
    raise InfrastructureError(
        f"{what} {flaw}",
        hint=f"it was verified with {source}; do not use it before you know why",
    )


def _decoded(block: bytes) -> bytes:
    """The bytes of one armored block; RFC 4880, 6.2: headers, an empty line, base64, a checksum."""
    _, _, body = (b"\n" + block.replace(b"\r", b"")).partition(b"\n\n")
    lines = [line for line in body.split() if not line.startswith(b"=")]
    if not lines:
        raise binascii.Error("no content")
    return base64.b64decode(b"".join(lines), validate=True)
