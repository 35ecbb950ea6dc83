# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of formats, and what is left of a conversion that fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from errno import EACCES, ENOSPC
from pathlib import Path

import pytest

from builder.disk.formats import DEFAULT_FORMAT, FORMATS, Source, convert, find
from builder.errors import InfrastructureError, UsageError
from builder.models import BuildId, DiskIds
from builder.run import CommandError, Completed

BUILD = BuildId("debian-13", "20261120", 1_700_000_000)


class Pretend:
    """Writes the last argument as a file, then fails with `error`, if any."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error
        self.env: Mapping[str, str] | None = None

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        env: Mapping[str, str] | None = None,
        stdin: str | None = None,
        timeout: float = 0,
        capture: bool = False,
    ) -> Completed:
        del env, stdin, timeout, capture
        Path(argv[-1]).write_text("half")
        if self.error is not None:
            raise self.error
        return Completed(tuple(map(str, argv)), 0, "")


def failed(output: str) -> CommandError:
    return CommandError(Completed(("cp",), 1, output))


def source(tmp_path: Path, error: BaseException | None = None) -> Source:
    (tmp_path / "in").touch()
    return Source(tmp_path / "in", tmp_path, DiskIds.of(BUILD), BUILD.epoch, Pretend(error))


def test_the_default_is_qcow2() -> None:
    assert DEFAULT_FORMAT == "qcow2"


def test_no_two_formats_write_the_same_file() -> None:
    assert len({row.suffix for row in FORMATS.values()}) == len(FORMATS)


def test_an_unknown_format_offers_the_known_ones() -> None:
    with pytest.raises(UsageError, match="'vdi'") as caught:
        find("vdi")
    assert all(name in caught.value.hint for name in FORMATS)


def test_dots_in_the_name_stay(tmp_path: Path) -> None:
    made = convert("raw", source(tmp_path), tmp_path / "ubuntu-24.04")
    assert made == tmp_path / "ubuntu-24.04.raw"
    assert made.read_text() == "half"


@pytest.mark.parametrize(
    ("error", "seen", "text"),
    [
        (failed("cp: error writing: No space left on device"), InfrastructureError, "is full"),
        (OSError(ENOSPC, "No space left on device"), InfrastructureError, "is full"),
        (failed("cp: something else"), CommandError, "cp failed"),
        (OSError(EACCES, "Permission denied"), PermissionError, "denied"),
        (KeyboardInterrupt(), KeyboardInterrupt, "^$"),
    ],
)
def test_a_failure_leaves_nothing_and_keeps_what_was_there(
    tmp_path: Path, error: BaseException, seen: type[BaseException], text: str
) -> None:
    old = tmp_path / "name.raw"
    old.write_text("old")
    with pytest.raises(seen, match=text):
        convert("raw", source(tmp_path, error), tmp_path / "name")
    assert old.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "name.raw"]
