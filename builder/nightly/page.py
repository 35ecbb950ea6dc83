# SPDX-License-Identifier: GPL-2.0-or-later
"""A nightly as one page of HTML that needs nothing else; logs and builds are linked from it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import jinja2

from builder import templates
from builder.nightly import words
from builder.nightly.model import NightlyRun

TEMPLATE = "nightly.html.j2"
# Where the folder of builds is, from a nightly's own folder.
BUILDS = "../.."


def page(run: NightlyRun, builds: str = BUILDS) -> bytes:
    """The page; `builds` is the folder of builds as the page links to it."""
    return _template().render(run=run, builds=builds, words=words).encode()


@cache
def _template() -> jinja2.Template:
    return templates.markup(Path(__file__).parent).get_template(TEMPLATE)
