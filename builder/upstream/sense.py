# SPDX-License-Identifier: GPL-2.0-or-later
"""What nobody foresaw in what an upstream says: an error of that upstream, and of no other."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from builder.errors import ForgeError, InfrastructureError

log = logging.getLogger(__name__)


@contextmanager
def made(name: str) -> Iterator[None]:
    """Make an InfrastructureError of any other fault in what an image or a source says.

    None of the servers could be asked when their readers were written.
    """
    try:
        yield
    except ForgeError:
        raise
    except Exception as error:
        log.debug("%s", name, exc_info=True)
        raise InfrastructureError(
            f"what is said of {name} makes no sense to us ({type(error).__name__}: {error})",
            hint="tell us about it, with what --verbose says",
        ) from error
