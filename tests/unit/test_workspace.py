# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a build's files are, and what killed builds leave of them."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from builder.errors import BuildError, InfrastructureError, UsageError
from builder.install import workspace as module
from builder.install.sandbox import ROOT
from builder.install.workspace import Workspace, fits, room
from builder.run import CommandError, Completed


def test_all_is_below_the_sandboxs_folder() -> None:
    space = Workspace()
    for path in (space.tree, space.pool, space.config, space.tools, space.scratch):
        assert path.is_relative_to(ROOT)


def test_memory_is_used_where_tree_and_disk_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "available_memory", lambda: 8 * module.GIB)
    assert fits(2 * module.GIB)
    assert not fits(3 * module.GIB)


def test_memory_is_what_the_kernel_can_give() -> None:
    assert 0 < module.available_memory() < 1 << 50


@pytest.mark.parametrize(
    ("error", "free", "full"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), 1 << 30, True),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), 1 << 30, True),
        (OSError(errno.EIO, "Input/output error"), 0, False),
        (BuildError("mmdebstrap failed", "tar: x: No space left on device"), 1 << 30, True),
        (CommandError(Completed(("tar",), 2, "No space left on device")), 1 << 30, True),
        (BuildError("the package nano could not be installed", "see dpkg"), 0, True),
        (BuildError("the package nano could not be installed", "see dpkg"), 1 << 30, False),
        (UsageError("no such name"), 0, False),
    ],
)
def test_a_full_disk_is_said_to_be_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, free: int, full: bool
) -> None:
    tight, roomy = tmp_path / "tight", tmp_path / "not/there/yet"
    tight.mkdir()
    monkeypatch.setattr(module, "_free", lambda folder: free if folder == tight else 1 << 40)
    with pytest.raises(InfrastructureError if full else type(error)) as caught, room(roomy, tight):
        raise error
    if full:
        assert isinstance(caught.value, InfrastructureError)
        assert caught.value.message == f"the file system of {tight} is full"
        # What was said is not lost: it may name the log.
        assert str(error.args[-1]) in caught.value.hint


def test_free_space_where_a_folder_will_be(tmp_path: Path) -> None:
    assert module._free(tmp_path / "not/there/yet") > 0


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.EEXIST, errno.ENOTDIR])
def test_what_may_not_be_written_is_named(tmp_path: Path, number: int) -> None:
    with pytest.raises(InfrastructureError) as caught, room(tmp_path):
        raise OSError(number, "Refused", "/srv/out/debian-13")
    assert caught.value.message == "/srv/out/debian-13 cannot be written: Refused"
    assert "--out" in caught.value.hint
