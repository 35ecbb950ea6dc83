# SPDX-License-Identifier: GPL-2.0-or-later
"""The key of a site's store: made without a passphrase, and tried without asking anybody.

A site's images are renewed by timers, and nobody is there to type a passphrase then.
"""

from __future__ import annotations

import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from builder.errors import InfrastructureError
from builder.run import Completed, needs, run
from builder.store.keys import HOME_VARIABLE, STATUS

# Seconds.
PATIENCE: Final = 120.0


def make(user_id: str) -> str:
    """The fingerprint of a new ed25519 key without a passphrase, in the user's gpg home."""
    # --yes: a key of the same name may be there, of a site that is no more.
    done = _gpg("--yes", "--passphrase", "", "--quick-gen-key", user_id, "ed25519", "sign", "never")
    made = _words(done, "KEY_CREATED")
    if done.returncode != 0 or len(made) < 3:
        raise InfrastructureError("gpg cannot make a key", hint=_said(done))
    return made[2]


def try_to_sign(fingerprint: str) -> None:
    """Sign something; InfrastructureError where that fails, or a passphrase would be asked for."""
    with tempfile.TemporaryDirectory(prefix="fai-forge-") as folder:
        given, out = Path(folder, "content"), Path(folder, "signed")
        given.write_bytes(b"a trial\n")
        how = ("--pinentry-mode", "error", "--local-user", fingerprint, "--output", out)
        done = _gpg(*how, "--detach-sign", given)
        if done.returncode == 0 and _words(done, "SIG_CREATED"):
            return
    asked = "No pinentry" in done.output or bool(_words(done, "PINENTRY_LAUNCHED"))
    raise InfrastructureError(
        f"gpg cannot sign with the key {fingerprint} without asking for a passphrase"
        if asked
        else f"gpg cannot sign with the key {fingerprint}",
        hint="take the passphrase off (gpg --edit-key), or give it to gpg-agent beforehand"
        if asked
        else _said(done),
    )


def expiry(fingerprint: str) -> datetime | None:
    """When the key expires; None if never, or if it is not there."""
    done = _gpg("--with-colons", "--list-secret-keys", fingerprint)
    fields = next((line.split(":") for line in done.output.splitlines() if line[:4] == "sec:"), [])
    seconds = fields[6] if len(fields) > 6 else ""
    return datetime.fromtimestamp(int(seconds), UTC) if seconds.isdigit() else None


@needs("gpg", package="gpg", purpose="sign a store")
def _gpg(*words: str | Path) -> Completed:
    home = os.environ.get(HOME_VARIABLE)
    return run(
        ["gpg", "--batch", "--no-tty", "--status-fd", "1", *words],
        env={HOME_VARIABLE: home} if home else None,
        timeout=PATIENCE,
        check=False,
    )


def _words(done: Completed, status: str) -> list[str]:
    """The words of gpg's line about a status."""
    start = f"{STATUS}{status}"
    lines = (line[len(STATUS) :].split() for line in done.output.splitlines() if start in line)
    return next(lines, [])


def _said(done: Completed) -> str:
    """What gpg said to people."""
    lines = [line for line in done.output.splitlines() if not line.startswith(STATUS)]
    return "\n".join([*lines, "gpg --list-secret-keys says which keys are there"])
