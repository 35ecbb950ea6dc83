# SPDX-License-Identifier: GPL-2.0-or-later
"""The `facility.yaml` that init writes: right as it stands, and with all of its examples."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from builder import documents
from builder.errors import UsageError
from builder.facility import initial, sitekey
from builder.facility.config import Facility
from builder.facility.initial import Wishes
from builder.facility.kinds import StoreRemote
from tests.unit.facilityworld import KEY
from tests.unit.stores import NOW

EXAMPLE = re.compile(r"^#(?=\S|  )", re.MULTILINE)


def parsed(text: str) -> Facility:
    return documents.parse(Facility, text, Path("facility.yaml"))


def test_what_is_written_is_right(tmp_path: Path) -> None:
    found = parsed(initial.text(Wishes(tmp_path / "facility.yaml", "north"), KEY))
    assert (found.name, found.store.path, found.store.key) == ("north", "images", KEY)
    assert (found.remotes, found.series, found.targets) == ({}, (), {})


def test_all_examples_in_it_are_right(tmp_path: Path) -> None:
    text = initial.text(Wishes(tmp_path / "facility.yaml", "north"), KEY)
    found = parsed(EXAMPLE.sub("", text))
    assert found.store.quota == 200 << 30
    assert found.series[0].to == found.custom.to == ("pool",)
    assert set(found.remotes) == {"portal"}
    assert set(found.targets) == {"pool"}
    assert found.overlays[0].folder == "our-classes"


def test_the_examples_beside_a_remote_are_right(tmp_path: Path) -> None:
    wishes = Wishes(
        tmp_path / "facility.yaml",
        "north",
        "/srv/our images",
        "https://images.example.org",
        tmp_path / "portal.gpg",
        series=("debian-13*", "debian-12"),
    )
    text = initial.text(wishes, KEY)
    for found in (parsed(text), parsed(EXAMPLE.sub("", text))):
        remote = found.remotes["portal"]
        assert isinstance(remote, StoreRemote)
        assert (remote.url, remote.keyring) == (wishes.remote, "portal.gpg")
        assert [row.match for row in found.series] == ["debian-13*", "debian-12"]
        assert found.store.path == "/srv/our images"


@pytest.mark.parametrize(
    "value",
    ["images", "/srv/a b", 'a"b: c', "x: y", "*a", "#a", "a #b", "ünïcode", "- a", "a:", "~"],
)
def test_any_path_is_what_it_was(tmp_path: Path, value: str) -> None:
    text = initial.text(Wishes(tmp_path / "facility.yaml", "north", value), KEY)
    assert parsed(text).store.path == value


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("kvm1.example.org", "kvm1"),
        ("KVM_1", "kvm-1"),
        ("1st", "site"),
        ("", "site"),
        ("a" * 70, "a" * 32),
        ("-a-", "a"),
    ],
)
def test_a_name_of_a_machine(host: str, name: str) -> None:
    assert initial.name_of(host) == name


@pytest.mark.parametrize("there", ["facility.yaml", "north.gpg", "images/x"])
def test_nothing_is_overwritten_and_no_key_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: str
) -> None:
    def forbidden(_user_id: str) -> str:
        pytest.fail("a key was made")

    monkeypatch.setattr(sitekey, "make", forbidden)
    path = tmp_path / there
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine")
    with pytest.raises(UsageError) as caught:
        initial.make(Wishes(tmp_path / "facility.yaml", "north"), NOW)
    assert "is there already" in caught.value.message
    assert path.read_text() == "mine"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"remote": "https://images.example.org"}, "belong together"),
        ({"keyring": Path("x")}, "belong together"),
        ({"remote": "https://a.example.org", "keyring": Path("/none")}, "/none"),
        ({"remote": "images.example.org", "keyring": Path("x")}, "no folder images.example.org"),
        ({"key": "abc"}, "store.key"),
        ({"file": Path("/none/facility.yaml")}, "no folder /none"),
    ],
)
def test_wishes_that_are_wrong_are_said_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: dict[str, object], said: str
) -> None:
    monkeypatch.setattr(sitekey, "make", lambda _user_id: KEY)
    known = {"file": tmp_path / "facility.yaml", "name": "north", **more}
    wishes = Wishes(**known)  # type: ignore[arg-type]
    with pytest.raises(UsageError) as caught:
        initial.make(wishes, NOW)
    assert said in caught.value.message
    assert list(tmp_path.iterdir()) == []
