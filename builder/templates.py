# SPDX-License-Identifier: GPL-2.0-or-later
"""How templates are read: an unknown name is an error, and in HTML and XML all text is escaped."""

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


def plain(folder: Path) -> jinja2.Environment:
    """The templates of other texts; what stands in them must be harmless, or quoted there."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        # YAML and unit files have no use for HTML's escapes.
        autoescape=False,  # noqa: S701
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
