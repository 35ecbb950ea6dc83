# SPDX-License-Identifier: GPL-2.0-or-later
"""What differs between two sets of packages: tables of cases, and what holds for any two sets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.errors import UsageError
from builder.manifest.diff import BinaryChange, SourceChange, compare
from builder.models import Package

MAIN = "Debian:13.2/stable"
SECURITY = "Debian-Security:13/stable-security"
KINDS_SWAPPED = {
    "added": "removed",
    "removed": "added",
    "upgraded": "downgraded",
    "downgraded": "upgraded",
    "rebuilt": "rebuilt",
}


def package(text: str) -> Package:
    """`name version [source=S] [sv=V] [arch=A] [security] [both]`, the source's version as its."""
    name, version, *more = text.split()
    said = dict(word.split("=") for word in more if "=" in word)
    origins = {"security": (SECURITY,), "both": (SECURITY, MAIN)}
    return Package(
        name=name,
        version=version,
        arch=said.get("arch", "amd64"),
        source=said.get("source", name),
        source_version=said.get("sv", version),
        origins=next((origins[word] for word in more if word in origins), (MAIN,)),
    )


def kernel(version: str, *more: str) -> list[str]:
    """The packages of one kernel of Debian 13, whose ABI is its version."""
    upstream = version.partition("-")[0]
    source = f"source=linux-signed-amd64 sv={version.replace('-', '+')} {' '.join(more)}"
    image = f"linux-image-{upstream}+deb13-amd64"
    return [f"{image} {version} {source}", f"linux-image-amd64 {version} {source}"]


def changes(old: list[str], new: list[str], **held: tuple[str, ...]) -> tuple[SourceChange, ...]:
    by_name = {name.replace("_", "-"): versions for name, versions in held.items()}
    return compare(map(package, old), map(package, new), by_name)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (["a 1"], ["a 1"], []),
        ([], ["a 1"], [("a", "added", None, "1")]),
        (["a 1"], [], [("a", "removed", "1", None)]),
        (["a 1"], ["a 1.1"], [("a", "upgraded", "1", "1.1")]),
        (["a 1"], ["a 1~rc1"], [("a", "downgraded", "1", "1~rc1")]),
        (["a 2"], ["a 1:1"], [("a", "upgraded", "2", "1:1")]),
        # A binNMU, and one that is gone.
        (["a 1-1"], ["a 1-1+b1 sv=1-1"], [("a", "rebuilt", "1-1", "1-1")]),
        (["a 1-1+b1 sv=1-1"], ["a 1-1"], [("a", "downgraded", "1-1", "1-1")]),
        # Another set of binaries from the same source.
        (["a 1"], ["a 1", "b 1 source=a"], [("a", "rebuilt", "1", "1")]),
        (["a 1", "b 1 source=a"], ["a 1"], [("a", "rebuilt", "1", "1")]),
        # A new binary comes with an upgrade: not added, since the source was there.
        (["a 1"], ["a 2", "b 2 source=a"], [("a", "upgraded", "1", "2")]),
        # One of the binaries lagged behind, and catches up.
        (["a 2", "b 1 source=a"], ["a 2", "b 2 source=a"], [("a", "upgraded", "2", "2")]),
        # Up and down in one source.
        (["a 1", "b 2 source=a"], ["a 2", "b 1 source=a"], [("a", "downgraded", "2", "2")]),
        # A binary with versions of its own.
        (
            ["dmsetup 2:1.02.185 source=lvm2 sv=2.03.16"],
            ["dmsetup 2:1.02.205 source=lvm2 sv=2.03.31"],
            [("lvm2", "upgraded", "2.03.16", "2.03.31")],
        ),
        # It goes down although the source goes up: dpkg calls that a downgrade.
        (["a 2 sv=1"], ["a 1 sv=2"], [("a", "downgraded", "1", "2")]),
        # Two architectures of one source are one change.
        (
            ["c 1 arch=amd64", "c 1 arch=i386"],
            ["c 2 arch=amd64", "c 2 arch=i386"],
            [("c", "upgraded", "1", "2")],
        ),
        # A binary moves to another source, with its old source or without it.
        (
            ["login 1:4.13 source=sh", "passwd 1:4.13 source=sh", "mount 2.40 source=ul"],
            ["login 1:4.16 source=ul sv=2.41", "passwd 1:4.13 source=sh", "mount 2.40 source=ul"],
            [("ul", "upgraded", "2.40", "2.41")],
        ),
        (["x 9 source=one"], ["x 10 source=two sv=1"], [("two", "upgraded", "9", "1")]),
        (["x 9 source=one"], ["x 8 source=two sv=10"], [("two", "downgraded", "9", "10")]),
        # The same package from a source of another name did not change.
        (["x 9 source=one"], ["x 9 source=two"], []),
        # A kernel with a new ABI is one change, by its plain name.
        (kernel("6.12.8-1"), kernel("6.12.9-1"), [("linux", "upgraded", "6.12.8-1", "6.12.9-1")]),
        (kernel("6.12.9-1"), kernel("6.12.8-1"), [("linux", "downgraded", "6.12.9-1", "6.12.8-1")]),
        # Two changes, by name.
        (
            ["b 1", "a 1"],
            ["a 2", "c 1"],
            [
                ("a", "upgraded", "1", "2"),
                ("b", "removed", "1", None),
                ("c", "added", None, "1"),
            ],
        ),
    ],
)
def test_kinds(old: list[str], new: list[str], expected: list[tuple[object, ...]]) -> None:
    found = changes(old, new)
    assert [(each.name, each.kind, each.old, each.new) for each in found] == expected


def test_binaries_of_a_kernel_with_a_new_abi() -> None:
    (linux,) = changes(kernel("6.12.48-1"), kernel("6.12.57-1"))
    assert linux.binaries == (
        BinaryChange("linux-image-6.12.48+deb13-amd64", "amd64", "6.12.48-1", None),
        BinaryChange("linux-image-6.12.57+deb13-amd64", "amd64", None, "6.12.57-1"),
        BinaryChange("linux-image-amd64", "amd64", "6.12.48-1", "6.12.57-1"),
    )


@pytest.mark.parametrize(
    ("old", "new", "held", "security"),
    [
        # From the security archive, or from both.
        (["a 1"], ["a 2 security"], {}, True),
        (["a 1"], ["a 2 both"], {}, True),
        (["a 1"], ["a 2"], {}, False),
        # A point release has something newer than the security update that was missing.
        (["a 1"], ["a 3"], {"a": ("2",)}, True),
        (["a 2"], ["a 3"], {"a": ("2",)}, False),
        (["a 1"], ["a 3"], {"a": ("2", "0.5")}, True),
        (["a 1"], ["a 3"], {"a": ("4",)}, False),
        (["a 1"], ["a 3"], {"b": ("2",)}, False),
        # The security archive's own version, which apt takes from the point release.
        (["a 1"], ["a 2"], {"a": ("2",)}, True),
        # Down to the version that security has: different, and from there.
        (["a 3"], ["a 2 security"], {}, True),
        (["a 3"], ["a 2"], {"a": ("1", "2", "3")}, False),
        # A binNMU in the security archive.
        (["a 1-1"], ["a 1-1+b1 sv=1-1 security"], {}, True),
        (["a 1-1"], ["a 1-1+b1 sv=1-1"], {}, False),
        # One binary of the source is enough.
        (["a 1", "b 1 source=a"], ["a 2", "b 2 source=a security"], {}, True),
        # A kernel with a new ABI, from security, by a point release, and by one that overtook.
        (kernel("6.12.48-1"), kernel("6.12.57-1", "security"), {}, True),
        (kernel("6.12.48-1"), kernel("6.12.57-1"), {}, False),
        (kernel("6.12.48-1"), kernel("6.12.63-1"), {"linux_image_amd64": ("6.12.57-1",)}, True),
        (kernel("6.12.57-1"), kernel("6.12.63-1"), {"linux_image_amd64": ("6.12.57-1",)}, False),
        # The same without the metapackage: the source's version stands for the missing one.
        (kernel("6.12.48-1")[:1], kernel("6.12.57-1", "security")[:1], {}, True),
        (
            ["i-48 6.12.48-1 source=linux"],
            ["i-57 6.12.57-1+b1 source=linux sv=6.12.57-1"],
            {"i_57": ("6.12.57-1",)},
            True,
        ),
        (
            ["i-48 6.12.58-1 source=linux"],
            ["i-57 6.12.59-1 source=linux"],
            {"i_57": ("6.12.57-1",)},
            False,
        ),
        # It has a version of its own, so nobody knows what it follows.
        (["i-1 1 source=s"], ["i-2 9 source=s sv=2"], {"i_2": ("8",)}, False),
        # Another binary of a source whose version stays is no update, wherever it is from.
        (["a 1 security"], ["a 1 security", "b 1 source=a security"], {}, False),
        # Neither is a source that was not there before, or one that goes.
        ([], ["a 1 security"], {"a": ("1",)}, False),
        (["a 1 security"], [], {"a": ("1",)}, False),
    ],
)
def test_security(
    old: list[str], new: list[str], held: dict[str, tuple[str, ...]], security: bool
) -> None:
    (found,) = changes(old, new, **held)
    assert found.security is security


@pytest.mark.parametrize(
    ("old", "new", "held"),
    [
        # A point release took the security update over; or it was published there once more.
        ("a 2 security", "a 2", ()),
        ("a 2", "a 2 both", ("2",)),
        ("a 2", "a 2", ("1", "2", "3")),
    ],
)
def test_the_same_version_is_no_change(old: str, new: str, held: tuple[str, ...]) -> None:
    assert changes([old], [new], a=held) == ()


def test_a_version_that_is_none() -> None:
    with pytest.raises(UsageError, match="'1_0' is not the version") as caught:
        changes(["a 1"], ["a 1_0"])
    assert caught.value.hint


VERSIONS = st.sampled_from(["1-1", "1-1+b1", "2-1", "1:1-1"])
PACKAGES = st.builds(
    Package,
    name=st.sampled_from(["a", "b", "c"]),
    version=VERSIONS,
    arch=st.sampled_from(["amd64", "all"]),
    source=st.sampled_from(["s", "linux", "linux-signed-amd64"]),
    source_version=st.sampled_from(["1-1", "1+1", "2-1"]),
    origins=st.sampled_from([(), (MAIN,), (SECURITY, MAIN)]),
)
SETS = st.lists(PACKAGES, max_size=5, unique_by=lambda each: each.key).map(tuple)


@given(SETS)
def test_nothing_differs_from_itself(packages: tuple[Package, ...]) -> None:
    held = {each.name: ("1-1", "2-1") for each in packages}
    assert compare(packages, reversed(packages), held) == ()


@given(SETS, SETS)
def test_every_changed_binary_is_there_once(
    old: tuple[Package, ...], new: tuple[Package, ...]
) -> None:
    before = {each.key: each.version for each in old}
    after = {each.key: each.version for each in new}
    expected = {
        (key, before.get(key), after.get(key))
        for key in before.keys() | after.keys()
        if before.get(key) != after.get(key)
    }
    found = [
        (f"{each.name}:{each.arch}", each.old, each.new)
        for change in compare(old, new)
        for each in change.binaries
    ]
    assert len(found) == len(set(found))
    assert set(found) == expected


@given(
    st.dictionaries(st.sampled_from("abc"), VERSIONS),
    st.dictionaries(st.sampled_from("abc"), VERSIONS),
)
def test_swapped_sides_swap_the_kinds(old: dict[str, str], new: dict[str, str]) -> None:
    # One binary for each source: with more, a downgrade of one of them hides the others.
    def packages(versions: dict[str, str]) -> list[Package]:
        return [package(f"{name} {version}") for name, version in versions.items()]

    there = compare(packages(old), packages(new))
    back = compare(packages(new), packages(old))
    assert [(each.name, KINDS_SWAPPED[each.kind], each.new, each.old) for each in there] == [
        (each.name, each.kind, each.old, each.new) for each in back
    ]
