# SPDX-License-Identifier: GPL-2.0-or-later
"""tags.yaml: what is right, and what each mistake says."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.errors import UsageError
from builder.store import tags

SHA1 = "dac417bd31ed36d455e94db4aabe5916367654d4"
SHA256 = "5" * 64
# The shape of the tag files of StarlingX's container images, and a row of ours.
BOTH = f"""\
---
images:
  - name: registry.invalid/starlingx/k8s-cni-sriov
    src_build_tag: master-centos-stable-20191203T153530Z.0
    src_ref: https://git.invalid/starlingx/integ/commit/{SHA1}
    # Tag determined based on release tag associated with upstream commit
    tag: stx.3.0-v2.2
  - name: debian-13-hypervisor
    src_build_tag: 20261119.1
    src_ref: {SHA256}
    tag: 13.10
"""
GOOD = {"name": "debian-13", "src_build_tag": "20261119", "src_ref": SHA1, "tag": "13.4"}
OCI = {**GOOD, "name": "registry.invalid/a/b", "src_build_tag": "one", "tag": "v1"}


def write(folder: Path, *rows: dict[str, str]) -> Path:
    lines = ["- {" + ", ".join(f'{key}: "{each[key]}"' for key in each) + "}" for each in rows]
    path = folder / tags.FILE
    path.write_text("\n".join(["images:", *lines, ""]))
    return path


def test_both_kinds_stand_in_one_file(tmp_path: Path) -> None:
    path = tmp_path / tags.FILE
    path.write_text(BOTH)
    oci, image = tags.read(path)
    assert (oci.is_oci, oci.tag, oci.commit) == (True, "stx.3.0-v2.2", SHA1)
    # No number: 13.10 is not 13.1.
    assert (image.is_oci, image.tag, image.commit) == (False, "13.10", SHA256)


@pytest.mark.parametrize(
    "change",
    [
        {"tag": "4"},
        {"tag": "202611"},
        {"tag": "rc1"},
        {"name": "ubuntu-2404-hypervisor-arm64", "src_build_tag": "20261119.12"},
        {"src_ref": f"https://git.invalid/?id={SHA1}"},
        {"src_ref": f"https://git.invalid/{'a' * 40}/{SHA1}"},
    ],
)
def test_rows_about_images(tmp_path: Path, change: dict[str, str]) -> None:
    (row,) = tags.read(write(tmp_path, {**GOOD, **change}))
    assert row.commit == SHA1
    assert not row.is_oci


@pytest.mark.parametrize(
    "name",
    ["localhost/a", "127.0.0.1:5000/a/b-c", "registry.invalid/a__b/c.d", "host:5000/a---b"],
)
def test_rows_about_oci_images(tmp_path: Path, name: str) -> None:
    (row,) = tags.read(write(tmp_path, {**OCI, "name": name}))
    assert row.is_oci


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({**GOOD, "tag": "latest"}, "latest is no tag of debian-13: tags are point releases"),
        ({**GOOD, "tag": "20261119"}, "20261119 is no tag of debian-13"),
        ({**GOOD, "tag": "arm64"}, "arm64 is no tag of debian-13"),
        ({**GOOD, "tag": "../4"}, "../4"),
        ({**GOOD, "tag": "4 5"}, "the field images.0.tag is '4 5'"),
        ({**GOOD, "tag": "RC1"}, "RC1 is no tag"),
        ({**GOOD, "name": "trixie"}, "in its canonical spelling"),
        ({**GOOD, "name": "debain-13"}, "debain"),
        ({**GOOD, "name": "debian-13-20261119"}, "is at the wrong place"),
        ({**GOOD, "src_build_tag": "13.4"}, "src_build_tag 13.4 is no serial"),
        ({**GOOD, "src_build_tag": "20261399"}, "the serial 20261399 is no date"),
        ({**GOOD, "src_ref": SHA1[:12]}, "src_ref must be a commit in full"),
        ({**GOOD, "src_ref": f"{SHA1}0"}, "src_ref must be a commit in full"),
        ({**GOOD, "sha": "x"}, "there is no field images.0.sha"),
        ({**OCI, "name": "starlingx/k8s"}, "starlingx/k8s is no OCI image: REGISTRY/PATH"),
        ({**OCI, "name": "registry.invalid/A"}, "is no OCI image"),
        ({**OCI, "name": "registry.invalid/a:v1"}, "is no OCI image"),
        ({**OCI, "name": "registry.invalid/../a"}, "is no OCI image"),
        ({**OCI, "name": "user@registry.invalid/a"}, "is no OCI image"),
        ({**OCI, "name": "https://registry.invalid/a"}, "is no OCI image"),
        ({**OCI, "tag": "-v1"}, "-v1 cannot be a tag of an OCI image"),
        ({**OCI, "src_build_tag": "a/b"}, "a/b cannot be a tag of an OCI image"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, row: dict[str, str], said: str) -> None:
    path = write(tmp_path, row)
    with pytest.raises(UsageError) as caught:
        tags.read(path)
    assert said in caught.value.message
    assert str(path) in caught.value.message
    assert caught.value.hint


def test_a_tag_stands_once(tmp_path: Path) -> None:
    tags.read(write(tmp_path, GOOD, {**GOOD, "tag": "4"}, {**GOOD, "name": "debian-12"}))
    with pytest.raises(UsageError, match=r"debian-13 has the tag 13\.4 twice"):
        tags.read(write(tmp_path, GOOD, {**GOOD, "src_build_tag": "20261120"}))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        tags.read(tmp_path / "none.yaml")


def test_the_schema_is_committed() -> None:
    project = Path(__file__).parents[2]
    assert (project / "schema/tags.schema.json").read_text() == tags.schema_text()
