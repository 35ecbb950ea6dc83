# SPDX-License-Identifier: GPL-2.0-or-later
"""Who watches a guest from its start to its end, to keep what it leaves."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Protocol

from builder.guest.guest import Guest


class Watches(Protocol):
    """Somebody who is told how a boot goes."""

    def started(self, guest: Guest) -> None:
        """The machine runs; a second time, where the first did not start a kernel."""

    def reached(self, stage: str) -> None:
        """The start has come to one of `builder.guest.progress.STAGES`."""

    def ending(self, guest: Guest, *, ready: bool) -> None:
        """The guest is about to be taken away; it got `ready` before, or never did."""


@contextlib.contextmanager
def attended(
    guest: Guest, witness: Watches | None, ready: Callable[[Guest], None] | None = None
) -> Iterator[None]:
    """Get a guest ready, and tell the witness, if there is one, how far it is and when it ends.

    `ready` waits for a guest that nobody watches, in place of its own `wait_ready`. An interruption
    is not told: whoever interrupts us waits for our end, and not for evidence.
    """
    if witness is None:
        if ready is None:
            guest.wait_ready()
        else:
            ready(guest)
        yield
        return
    is_ready = False
    try:
        guest.wait_ready(witness.reached)
        is_ready = True
        yield
    except Exception:
        witness.ending(guest, ready=is_ready)
        raise
    witness.ending(guest, ready=True)
