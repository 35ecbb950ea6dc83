# SPDX-License-Identifier: GPL-2.0-or-later
"""`facility.yaml`: what may stand there, and what is said of what may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.errors import UsageError
from builder.facility import config
from builder.facility.amounts import in_words
from builder.facility.kinds import LibvirtTarget, StoreRemote
from builder.facility.schema import schema_text

ROOT = Path(__file__).parents[2]
KEY = "0123456789ABCDEF0123456789ABCDEF01234567"
TEXT = f"""\
apiVersion: fai-forge/v1
kind: Facility
name: north
store:
  path: images
  key: {KEY}
  quota: 200GiB
remotes:
  portal: {{kind: store, url: https://images.example.org, keyring: portal.gpg}}
series:
  - match: debian-13-slim
    keep: 5
  - match: debian-13*
    from: [portal]
    to: [pool]
targets:
  pool: {{kind: libvirt}}
"""


def parsed(tmp_path: Path, text: str) -> config.Facility:
    path = tmp_path / "facility.yaml"
    path.write_text(text)
    return config.read(path)


def test_what_the_committed_schema_says_is_what_the_model_says() -> None:
    assert (ROOT / config.SCHEMA).read_text() == schema_text()


def test_a_facility_is_read(tmp_path: Path) -> None:
    found = parsed(tmp_path, TEXT)
    assert found.store.quota == 200 * (1 << 30)
    assert isinstance(found.remotes["portal"], StoreRemote)
    assert found.targets == {"pool": LibvirtTarget(kind="libvirt")}


def test_the_first_row_that_matches_counts(tmp_path: Path) -> None:
    found = parsed(tmp_path, TEXT)
    kept = {
        name: row.keep
        for name in ("debian-13-slim", "debian-13", "debian-13-hypervisor-arm64", "debian-12")
        if (row := found.wanted(name))
    }
    assert kept == {"debian-13-slim": 5, "debian-13": 2, "debian-13-hypervisor-arm64": 2}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("from: [portal]", "from: [door]", "there is no remote 'door'"),
        ("to: [pool]", "to: [pond]", "there is no target 'pond'"),
        ("200GiB", "plenty", "a number and a unit are expected"),
        (KEY, KEY[:16], "key"),
        ("kind: libvirt", "kind: livbirt", "kind"),
        ("keyring: portal.gpg", "keyrig: portal.gpg", "keyring is missing"),
        ("name: north", "name: ../north", "name"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        parsed(tmp_path, TEXT.replace(old, new, 1))
    assert said in caught.value.message
    assert caught.value.hint


def test_bytes_in_words() -> None:
    assert [in_words(size) for size in (311_000_000, 3_221_225_472)] == ["311 MB", "3.2 GB"]
