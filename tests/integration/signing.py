# SPDX-License-Identifier: GPL-2.0-or-later
"""Throwaway OpenPGP keys for tests, in a gpg home of their own whose agent ends with the test."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class KeyHome:
    """A gpg home with secret keys."""

    folder: Path

    def gpg(self, *words: str | Path) -> bytes:
        """What gpg prints in this home."""
        argv = ["gpg", "--batch", "--no-tty", "--quiet", "--homedir", self.folder, *words]
        return subprocess.run(argv, check=True, capture_output=True).stdout

    def make(self, name: str, expires: str = "never") -> str:
        """The fingerprint of a new key without a passphrase."""
        self.gpg("--passphrase", "", "--quick-gen-key", name, "ed25519", "sign", expires)
        listed = self.gpg("--with-colons", "--list-keys", f"={name}").decode().splitlines()
        return next(line.split(":")[9] for line in listed if line.startswith("fpr:"))

    def export(self, fingerprint: str, *options: str) -> bytes:
        """The public half of a key."""
        return self.gpg(*options, "--export", fingerprint)


@contextlib.contextmanager
def key_home() -> Iterator[KeyHome]:
    """A new gpg home below /tmp: the path of an agent's socket has at most 107 characters."""
    with tempfile.TemporaryDirectory(prefix="fk-", dir="/tmp") as folder:
        os.environ["GNUPGHOME"] = folder
        try:
            yield KeyHome(Path(folder))
        finally:
            del os.environ["GNUPGHOME"]
            argv = ["gpgconf", "--homedir", folder, "--kill", "all"]
            subprocess.run(argv, check=True)
