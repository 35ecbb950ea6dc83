# SPDX-License-Identifier: GPL-2.0-or-later
"""What may be wrong with an archive: for a while, nobody can know what is in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from tests.integration.aptarchive import MAIN, SECURITY, Debian, throwaway_key
from tests.integration.webserver import (
    Answer,
    Spoil,
    broken_off,
    missing,
    spoiling,
    tampered,
    truncated,
)


def unsigned(answer: Answer) -> Answer:
    """An InRelease file without its signature."""
    _, _, rest = answer.content.partition(b"\n\n")
    return replace(answer, content=rest.partition(b"-----BEGIN PGP SIGNATURE")[0])


@contextmanager
def spoilt(victim: str, spoil: Spoil, debian: Debian) -> Iterator[None]:
    """A new publication, of which the mirror spoils some files."""
    debian.publish()
    with spoiling(debian, victim, spoil):
        yield


@contextmanager
def strange_key(debian: Debian) -> Iterator[None]:
    with throwaway_key() as stranger:
        debian.publish(key=stranger)
    yield


@contextmanager
def expired(debian: Debian) -> Iterator[None]:
    debian.publish(valid=timedelta(minutes=1))
    yield


@contextmanager
def mid_sync(debian: Debian) -> Iterator[None]:
    """The new InRelease files are there, the indexes that they speak of not yet."""
    debian.publish()
    debian.lagging = "/binary-"
    yield
    debian.lagging = ""


@dataclass(frozen=True)
class Fault:
    """Something that is wrong within the block of `start`; `words` are in what is said of it."""

    start: Callable[[Debian], AbstractContextManager[None]]
    words: str


UNSIGNED = "no signature that its keyring knows"
HALF_UPDATED = "is half updated"
NO_INDEX = "any more"
UNREACHABLE = "cannot be reached"
# With an index of before at hand; where there is none, what is missing has other words.
FAULTS = {
    "unsigned": Fault(partial(spoilt, "InRelease", unsigned), UNSIGNED),
    "no signed release file": Fault(partial(spoilt, "InRelease", missing), NO_INDEX),
    "a stranger's key": Fault(strange_key, UNSIGNED),
    "expired": Fault(expired, "is expired"),
    "mid-sync": Fault(mid_sync, HALF_UPDATED),
    "InRelease cut": Fault(partial(spoilt, "InRelease", truncated), UNSIGNED),
    "InRelease changed": Fault(partial(spoilt, "InRelease", tampered), UNSIGNED),
    "indexes cut": Fault(partial(spoilt, "/binary-", truncated), HALF_UPDATED),
    "indexes half-downloaded": Fault(partial(spoilt, "/binary-", broken_off), UNREACHABLE),
    "indexes changed": Fault(partial(spoilt, "/binary-", tampered), HALF_UPDATED),
    "no indexes": Fault(partial(spoilt, "/binary-", missing), HALF_UPDATED),
    "no security archive": Fault(partial(spoilt, f"{SECURITY}/", missing), NO_INDEX),
    "no main archive": Fault(partial(spoilt, f"{MAIN}/", missing), NO_INDEX),
    "nobody answers": Fault(Debian.down, UNREACHABLE),
}
