# SPDX-License-Identifier: GPL-2.0-or-later
"""A second guest of the same image, only to learn what it calls itself.

It starts in a thread while the first one is tested, lives until its host keys are on its console
and its machine id has been read, and is never waited for to settle.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from builder.errors import CheckError
from builder.guest.boot import boot
from builder.guest.guest import Guest

# Half of what a guest has: no test runs in it.
MEMORY_MIB = 1024


@dataclass(frozen=True)
class Identity:
    """What no two machines may share; `host_keys` are the blobs of the public keys."""

    machine_id: str
    host_keys: frozenset[str]


def identity_of(guest: Guest) -> Identity:
    """What a guest that lets us in calls itself."""
    return Identity(
        guest.check("cat /etc/machine-id").strip(),
        frozenset(key.blob for key in guest.host_keys),
    )


class Twin:
    """Boots with `start`; `identity` waits for it; leaving the block ends it, wherever it is."""

    def __init__(self, image: Path, like: Guest, timeout_factor: float) -> None:
        self._image = image
        self._like = like
        self._factor = timeout_factor
        self._found: Future[Identity] = Future()
        self._thread = threading.Thread(target=self._run, name="twin", daemon=True)
        self._lock = threading.Lock()
        self._guest: Guest | None = None
        self._stopped = False

    def start(self) -> None:
        """Boot it, without waiting for anything."""
        self._thread.start()

    def identity(self) -> Identity:
        """Wait until it has said what it is called; raises what its boot raised."""
        return self._found.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        """End the guest if it still runs, and wait until it is cleaned up."""
        with self._lock:
            self._stopped = True
            if self._guest is not None:
                self._guest.domain.destroy()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            with boot(
                self._image,
                arch=self._like.arch,
                firmware=self._like.firmware,
                accel=self._like.accel,
                login=self._like.login,
                timeout_factor=self._factor,
                memory_mib=MEMORY_MIB,
                ready=self._ready,
            ) as guest:
                self._found.set_result(identity_of(guest))
        except BaseException as error:
            if not self._found.done():
                self._found.set_exception(error)

    def _ready(self, guest: Guest) -> None:
        """Wait as long as needed, and no longer; from here on it can be ended."""
        with self._lock:
            if self._stopped:
                raise CheckError("the second guest is not wanted any more")
            self._guest = guest
        guest.wait_login()
