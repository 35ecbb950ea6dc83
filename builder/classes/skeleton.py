# SPDX-License-Identifier: GPL-2.0-or-later
"""A new class that is right from the start: a small example of each thing that a class may have."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from builder.classes.model import CLASS_NAME, FILE, FIRST, LAST, Kind
from builder.classes.overlays import FOLDER
from builder.errors import InfrastructureError, UsageError

# The orders in use (docs/maintainers.md); a role goes above the platforms that it may change.
ORDERS: Mapping[Kind, int] = {
    "distro": 100,
    "release": 200,
    "arch": 300,
    "platform": 650,
    "role": 700,
}

CLASS_YAML = """\
# Checked by schema/class.schema.json; docs/maintainers.md explains each field.
class: {name}
kind: {kind}
{token}summary: {summary}
order: {order}
{requires}"""

README_MD = """\
# {name}

{summary}.
"""

PACKAGE_CONFIG = """\
# One list for all images with this class. After "install-norec", names of classes narrow a list
# down to images that have one of them: PACKAGES install-norec TRIXIE ARM64
PACKAGES install-norec

"""

SCRIPT = """\
#!/bin/bash
# Put this class's files in place. $target is the new system, $ROOTCMD runs a command in it.
set -euo pipefail

fcopy -M /etc/motd.d/{word}
"""

MOTD = """\
This machine has the class {name}: {summary}.
"""

OFFLINE_YAML = """\
# What every image with this class must look like, before it is ever booted.
present: [/etc/motd.d/{word}]
"""

LIVE_TEST = '''\
"""What a booted image with the class {name} must show."""


def test_it_says_so_at_login(guest):
    assert "{name}" in guest.check("cat /etc/motd.d/{word}")
'''


@dataclass(frozen=True)
class Sketch:
    """What a new class is to be; `token` is empty for a platform."""

    name: str
    kind: Kind
    token: str
    summary: str
    requires: tuple[str, ...] = ()

    @property
    def word(self) -> str:
        """A word for file names."""
        return self.token or self.name.lower().replace("_", "-")


def sketch(
    name: str, kind: Kind, token: str | None, summary: str | None, requires: Sequence[str]
) -> Sketch:
    """What was asked for, with what was not said filled in; UsageError for a name that is none."""
    if re.fullmatch(CLASS_NAME, name) is None or name in (FIRST, LAST):
        raise UsageError(
            f"{name!r} is no name for a class",
            hint="a class is called by capitals, digits and _, such as OUR_ROLE",
        )
    if kind == "platform" and token:
        raise UsageError(
            "a class of kind platform has no token, since no image name says it",
            hint="leave --token out, or make it a role",
        )
    plain = "" if kind == "platform" else token or re.sub("[^a-z0-9]", "", name.lower())
    said = " ".join((summary or f"What {name} is for, in one line").split()).rstrip(".")
    return Sketch(name, kind, plain, said, tuple(requires))


def write(one: Sketch, root: Path) -> tuple[Path, ...]:
    """Write a class below `root`/classes/; returns its files. Nothing that exists is changed."""
    folder = root / FOLDER / one.name
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        raise UsageError(
            f"{folder}: there is such a folder already", hint="choose another name, or change it"
        ) from None
    except OSError as error:
        raise InfrastructureError(
            f"{folder} cannot be made: {error.strerror}", hint="choose another folder with --dir"
        ) from error
    words = {
        "name": one.name,
        "kind": one.kind,
        "token": f"token: {one.token}\n" if one.token else "",
        "summary": one.summary,
        "order": str(ORDERS[one.kind]),
        "requires": f"requires: [{', '.join(one.requires)}]\n" if one.requires else "",
        "word": one.word,
    }
    made = []
    for name, text in _files(one).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        values = {**words, "summary": _quoted(one.summary)} if name == FILE else words
        path.write_text(text.format_map(values), encoding="utf-8")
        path.chmod(0o755 if name.startswith("scripts/") else 0o644)
        made.append(path)
    return tuple(made)


def remove(one: Sketch, root: Path) -> None:
    """Take back what `write` wrote."""
    shutil.rmtree(root / FOLDER / one.name)


def _files(one: Sketch) -> Mapping[str, str]:
    return {
        FILE: CLASS_YAML,
        "README.md": README_MD,
        f"package_config/{one.name}": PACKAGE_CONFIG,
        f"files/etc/motd.d/{one.word}/{one.name}": MOTD,
        f"scripts/{one.name}/10-{one.word}": SCRIPT,
        "tests/offline.yaml": OFFLINE_YAML,
        f"tests/test_{one.word.replace('-', '_')}.py": LIVE_TEST,
    }


def _quoted(text: str) -> str:
    """A YAML scalar: in single quotes, in which only they are special."""
    return "'" + text.replace("'", "''") + "'"
