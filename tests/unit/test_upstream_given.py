# SPDX-License-Identifier: GPL-2.0-or-later
"""Images that a site supplies: who supplies nothing, and files of this machine."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from builder.checksums import Checksum
from builder.downloads import files
from builder.downloads.client import Client
from builder.downloads.pieces import WrongContent
from builder.downloads.wanted import Wanted
from builder.errors import InfrastructureError, UsageError

CONTENT = b"a disk" * 1000


def _wanted(content: bytes = CONTENT) -> Wanted:
    return Wanted(checksum=Checksum("sha256", hashlib.sha256(content).hexdigest()))


def test_a_file_of_this_machine_comes_whole(tmp_path: Path) -> None:
    source = tmp_path / "a disk #1%20.qcow2"
    source.write_bytes(CONTENT)
    target = tmp_path / "target"
    fetched = files.fetch(Client("file://"), source.as_uri(), _wanted(), target)
    assert target.read_bytes() == source.read_bytes() == CONTENT
    assert fetched.size == len(CONTENT)


def test_another_file_of_this_machine_does_not_come(tmp_path: Path) -> None:
    source = tmp_path / "disk"
    source.write_bytes(CONTENT[:-1] + b"K")
    with pytest.raises(WrongContent):
        files.fetch(Client("file://"), source.as_uri(), _wanted(), tmp_path / "target")
    assert source.exists()
    assert not (tmp_path / "target").exists()


def test_a_file_that_is_not_there_says_its_path(tmp_path: Path) -> None:
    source = tmp_path / "disk"
    with pytest.raises(UsageError, match=str(source)):
        files.fetch(Client("file://"), source.as_uri(), _wanted(), tmp_path / "target")


def test_no_other_client_reads_files_of_this_machine(tmp_path: Path) -> None:
    source = tmp_path / "disk"
    source.write_bytes(CONTENT)
    with pytest.raises(InfrastructureError):
        files.fetch(
            Client("https://upstream.example"), source.as_uri(), _wanted(), tmp_path / "target"
        )
