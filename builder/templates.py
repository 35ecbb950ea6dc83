# SPDX-License-Identifier: GPL-2.0-or-later
"""How templates of HTML and XML are read: all text is escaped, and an unknown name is an error."""

from __future__ import annotations

from pathlib import Path

import jinja2


def markup(folder: Path) -> jinja2.Environment:
    """The templates in a folder; lines that hold only a statement leave nothing behind."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
