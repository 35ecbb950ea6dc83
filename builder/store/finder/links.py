# SPDX-License-Identifier: GPL-2.0-or-later
"""Links from a page to a file of the store: the only way that a name gets into one.

Names come from an index that others may have written. What is no plain path below the store's root
(another scheme or host, a way up, a hidden file) is refused, not repaired.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from builder.errors import UsageError

SEGMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+~-]{0,254}")


def link(path: str, up: str = "") -> str:
    """The relative URL of a path in the store; `up` leads from the page to the store's root.

    Raises UsageError for what is not a safe path.
    """
    if up not in ("", "../") or not all(map(SEGMENT.fullmatch, path.split("/"))):
        raise UsageError(
            f"{path!r} cannot be linked: it is no plain path in the store",
            hint="is the index, or the manifest that names it, really yours?",
        )
    # A plus sign would reach some object stores as a space.
    return up + quote(path, safe="/~")
