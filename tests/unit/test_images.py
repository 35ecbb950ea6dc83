# SPDX-License-Identifier: GPL-2.0-or-later
"""images.yaml: what is right, and what each mistake says."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder import images, names
from builder.disk import formats
from builder.errors import UsageError

PROJECT = Path(__file__).parents[2]


def write(folder: Path, text: str) -> Path:
    (folder / images.FILE).write_text(text)
    return folder


def test_rows_keep_their_order(tmp_path: Path) -> None:
    project = write(
        tmp_path,
        "images:\n- {name: trixie, formats: [qcow2, vmdk]}\n- {name: debian-12, formats: []}\n",
    )
    assert images.read(project) == (
        images.Listed(names.parse("debian-13"), ("qcow2", "vmdk")),
        images.Listed(names.parse("debian-12"), ()),
    )


def test_no_file_is_no_images(tmp_path: Path) -> None:
    assert images.read(tmp_path) == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("images: [", "is not YAML"),
        ("", "the document"),
        ("images:\n- {name: debian-13}\n", "images.0.formats: Field required"),
        ("images:\n- {name: debian-13, formats: [], chanel: x}\n", "images.0.chanel"),
        ("images:\n- {name: debian-13, formats: qcow2}\n", "images.0.formats"),
        ("images:\n- {name: debian-13-20261120, formats: []}\n", "is one build"),
        ("images:\n- {name: debain-13, formats: []}\n", "debain"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        images.read(write(tmp_path, text))
    assert said in caught.value.message


def test_the_projects_own_list() -> None:
    rows = images.read(PROJECT)
    assert names.parse("debian-13") in [row.name for row in rows]
    for row in rows:
        for each in row.formats:
            formats.find(each)
