# SPDX-License-Identifier: GPL-2.0-or-later
"""What tests in a guest can ask for beyond the guest: servers that it reaches, reviewed errors."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from builder.classes import reviewed_errors as reviewing
from builder.guest import journal
from builder.guest.archive import LocalArchive, local_archive
from builder.guest.guest import Guest
from builder.guest.loopback import serve_names
from builder.paths import cache
from builder.rundir import run_folder


@pytest.fixture(scope="session")
def archive(guest: Guest, request: pytest.FixtureRequest) -> Iterator[LocalArchive]:
    """A signed archive that the guest reaches, with what it needs to use it put into the guest.

    The packages of --deb are in it in a higher version, as security updates.
    """
    debs: Sequence[Path] = request.config.getoption("--deb")
    with (
        run_folder(cache().guests) as folder,
        local_archive(folder, guest.arch, debs) as served,
    ):
        place(guest, served.files())
        yield served


def place(guest: Guest, files: dict[str, bytes]) -> None:
    """Write files, which anybody may read, into a guest; one command for all of them."""
    words = []
    for path, content in files.items():
        text = base64.b64encode(content).decode()
        words.append(f"base64 -d <<< {text} | install -D -m 644 /dev/stdin {shlex.quote(path)}")
    guest.check("set -e; " + "\n".join(words))


@pytest.fixture(scope="session")
def name_server() -> Iterator[int]:
    """The UDP port of a name server that the guest reaches at `builder.guest.loopback.GATEWAY`."""
    with serve_names() as port:
        yield port


@pytest.fixture(scope="session")
def reviewed_errors(request: pytest.FixtureRequest) -> tuple[reviewing.Row, ...]:
    """The errors that may be in the journal: in any image, and in those of the classes tested."""
    folders = dict.fromkeys(item.path.parent for item in request.session.items)
    beside = [folder / reviewing.FILE for folder in folders if (folder / reviewing.FILE).is_file()]
    return reviewing.read([journal.BASE, *beside, *request.config.getoption("--reviewed-errors")])
