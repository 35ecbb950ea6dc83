# SPDX-License-Identifier: GPL-2.0-or-later
"""Classes: reading `class.yaml`, checking the catalogue, and resolving names to ordered classes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from builder.classes import Catalogue, Overlay, load, own_overlays, resolve, series
from builder.classes.model import FILE, parse_size, parse_text, read
from builder.classes.schema import class_schema, schema_text
from builder.errors import UsageError
from builder.names import parse

ROOT = Path(__file__).parents[2]

# A small house: two distributions, three releases, two architectures, a few roles and platforms.
HOUSE = """
DEBIAN:     {kind: distro, token: debian, order: 100, defaults: [CLOUD_INIT, BOOT]}
UBUNTU:     {kind: distro, token: ubuntu, order: 100, disk_size: 4GiB}
BOOKWORM:   {kind: release, token: 12, order: 200, requires: [DEBIAN],
             conflicts: {ARM64: it never had that port}}
TRIXIE:     {kind: release, token: 13, order: 200, requires: [DEBIAN], packages: [zsh, apt]}
NOBLE:      {kind: release, token: 2404, order: 200, requires: [UBUNTU]}
AMD64:      {kind: arch, token: amd64, order: 300}
ARM64:      {kind: arch, token: arm64, order: 300}
BOOT:       {kind: platform, order: 150, requires: [KERNEL], disk_size: 2GiB, packages: [apt]}
KERNEL:     {kind: platform, order: 140, kernel: {amd64: linux-amd64, arm64: linux-arm64}}
CLOUD_INIT: {kind: platform, order: 160, formats: [qcow2]}
IGNITION:   {kind: platform, order: 160,
             conflicts: {CLOUD_INIT: only one of them can set up a machine}}
COREOS:     {kind: role, token: coreos, order: 600, requires: [IGNITION]}
BIG:        {kind: role, token: big, order: 500, disk_size: 1TiB, formats: [raw, vmdk]}
CLOUD:      {kind: role, token: cloud, order: 400, kernel: linux-cloud}
CONTAINER:  {kind: role, token: container, order: 450, disk_size: 1GiB,
             conflicts: {KERNEL: a container has none}}
PROXMOX:    {kind: role, token: proxmox, order: 700, requires: [DEBIAN]}
METAL:      {kind: role, token: metal, order: 710, requires: [BOOT]}
STICK:      {kind: role, token: stick, order: 720, conflicts: {METAL: a stick is no disk}}
"""

Write = Callable[[str], tuple[Overlay, ...]]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A writer of overlays: from a mapping of class names to fields, in YAML."""

    def overlays(text: str) -> tuple[Overlay, ...]:
        for name, fields in yaml.load(text, Loader=yaml.BaseLoader).items():  # noqa: S506
            folder = tmp_path / "classes" / name
            folder.mkdir(parents=True, exist_ok=True)
            document = {"class": name, "summary": f"About {name}"} | fields
            (folder / FILE).write_text(yaml.safe_dump(document), encoding="utf-8")
        return own_overlays(tmp_path)

    return overlays


@pytest.fixture
def house(write: Write) -> Catalogue:
    """The catalogue of HOUSE."""
    return load(write(HOUSE))


def classes(house: Catalogue, name: str) -> str:
    """The classes between FAI's first and last, as one line."""
    first, *chosen, last = resolve(house, parse(name)).classes
    assert (first, last) == ("DEFAULT", "LAST")
    return " ".join(chosen)


def test_classes_come_in_order_most_specific_last(house: Catalogue) -> None:
    assert classes(house, "debian-13") == "DEBIAN KERNEL BOOT CLOUD_INIT TRIXIE AMD64"
    assert classes(house, "ubuntu-2404-arm64") == "UBUNTU NOBLE ARM64"
    assert classes(house, "debian-13-big-cloud").endswith("TRIXIE AMD64 CLOUD BIG")


def test_roles_of_the_name_are_sorted_like_their_classes(house: Catalogue) -> None:
    spec = resolve(house, parse("trixie-proxmox-big-cloud-arm64-20261120"))
    assert str(spec.name) == "debian-13-cloud-big-proxmox-arm64-20261120"


def test_each_class_has_a_reason(house: Catalogue) -> None:
    assert dict(resolve(house, parse("debian-13-big-arm64")).why) == {
        "DEFAULT": "FAI's first class",
        "DEBIAN": "named by debian",
        "TRIXIE": "named by 13",
        "ARM64": "named by arm64",
        "BIG": "named by big",
        "BOOT": "default of DEBIAN",
        "KERNEL": "required by BOOT",
        "CLOUD_INIT": "default of DEBIAN",
        "LAST": "FAI's last class",
    }
    assert resolve(house, parse("trixie")).why["AMD64"] == "the default architecture"


def test_the_largest_disk_wins_and_the_last_kernel_and_formats(house: Catalogue) -> None:
    plain, big, cloud = (
        resolve(house, parse(n)) for n in ("debian-13", "debian-13-big", "debian-13-cloud-arm64")
    )
    assert plain.disk_size == 2 * 2**30
    assert resolve(house, parse("noble-container")).disk_size == 4 * 2**30
    assert (plain.kernel, plain.formats) == ("linux-amd64", ("qcow2",))
    assert (big.disk_size, big.formats) == (2**40, ("raw", "vmdk"))
    assert cloud.kernel == "linux-cloud"
    assert resolve(house, parse("debian-13-arm64")).kernel == "linux-arm64"
    assert resolve(house, parse("noble")).kernel is None


def test_the_rest_of_the_spec(house: Catalogue) -> None:
    spec = resolve(house, parse("debian-13-arm64"))
    assert (spec.title, spec.codename, spec.arch) == ("Debian 13 (trixie)", "trixie", "arm64")
    assert spec.packages == ("apt", "zsh")


def test_a_default_yields_to_a_class_that_conflicts_with_it(house: Catalogue) -> None:
    assert "CLOUD_INIT" not in classes(house, "debian-13-coreos").split()
    assert "IGNITION" in classes(house, "debian-13-coreos").split()


def test_a_default_yields_with_all_that_it_would_bring(house: Catalogue) -> None:
    chosen = classes(house, "debian-13-container").split()
    assert "BOOT" not in chosen
    assert "KERNEL" not in chosen


def test_defaults_of_the_more_specific_class_come_first(write: Write) -> None:
    house = load(
        write(
            """
            DEBIAN: {kind: distro, token: debian, order: 1, defaults: [A], disk_size: 1GiB}
            TRIXIE: {kind: release, token: 13, order: 2, requires: [DEBIAN]}
            AMD64: {kind: arch, token: amd64, order: 3}
            R: {kind: role, token: r, order: 9, defaults: [B]}
            A: {kind: platform, order: 4, conflicts: {B: no}}
            B: {kind: platform, order: 5, defaults: [C]}
            C: {kind: platform, order: 6}
            """
        )
    )
    assert classes(house, "debian-13") == "DEBIAN TRIXIE AMD64 A"
    assert classes(house, "debian-13-r") == "DEBIAN TRIXIE AMD64 B C R"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "debian-13-metal-stick",
            "the roles metal and stick cannot be combined: a stick is no disk",
        ),
        (
            "debian-12-arm64",
            "the release 12 and the architecture arm64 cannot be combined: it never had that port",
        ),
        (
            "debian-13-container-metal",
            "the roles metal (which brings KERNEL) and container cannot be combined:"
            " a container has none",
        ),
        (
            "ubuntu-2404-proxmox",
            "the role proxmox (which brings DEBIAN) and the distribution ubuntu cannot be combined:"
            " an image has one distribution",
        ),
    ],
)
def test_a_conflict_is_told_in_the_words_of_the_name_with_its_reason(
    house: Catalogue, name: str, message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        resolve(house, parse(name))
    assert caught.value.message == f"{name}: {message}"


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("debian-13-prxmox", "the role prxmox; did you mean proxmox?", "cloud, container, big"),
        ("debian-11", "the release 11", "12, 13"),
        ("ubuntu-2510", "the release 2510", "there are 2404;"),
        ("fedora-44", "the distro fedora", "debian, ubuntu"),
        ("debian-13-riscv64", "the arch riscv64", "amd64, arm64"),
    ],
)
def test_a_token_without_a_class_is_named_with_the_near_ones(
    house: Catalogue, name: str, message: str, hint: str
) -> None:
    with pytest.raises(UsageError, match=re.escape(message)) as caught:
        resolve(house, parse(name))
    assert hint in caught.value.hint


def test_one_token_may_mean_a_release_of_each_distribution(write: Write) -> None:
    house = load(
        write(
            HOUSE
            + """
DEVUAN: {kind: distro, token: devuan, order: 100, disk_size: 1GiB}
A13:    {kind: release, token: 13, order: 200, requires: [DEVUAN]}
"""
        )
    )
    assert classes(house, "devuan-13") == "DEVUAN A13 AMD64"
    assert "TRIXIE" in classes(house, "debian-13")


def test_an_image_without_a_disk_size_is_an_error(write: Write) -> None:
    text = """
    DEBIAN: {kind: distro, token: debian, order: 1}
    TRIXIE: {kind: release, token: 13, order: 2, requires: [DEBIAN]}
    AMD64: {kind: arch, token: amd64, order: 3}
    """
    with pytest.raises(UsageError, match="how large the disk is"):
        resolve(load(write(text)), parse("debian-13"))


def test_series_are_the_combinations_that_resolve(house: Catalogue) -> None:
    found = {str(name) for name in series(house)}
    assert {"debian-13", "debian-13-arm64", "ubuntu-2404", "debian-13-big", "debian-12"} <= found
    assert "debian-12-arm64" not in found
    assert "ubuntu-2404-proxmox" not in found
    assert not any("big-cloud" in name or "cloud-big" in name for name in found)


BASE = {"class": "X", "kind": "role", "token": "x", "summary": "An X", "order": 1}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"disk_sise": "1GiB"}, "there is no field disk_sise; did you mean disk_size?"),
        ({"class": "Y"}, "the class Y lies in a folder called X"),
        ({"class": "x-1"}, "the field class is 'x-1': string should match pattern"),
        ({"kind": "rule"}, "the field kind is 'rule': input should be 'distro', 'release'"),
        ({"order": 1000}, "the field order is '1000': input should be less than or equal to 999"),
        ({"order": "first"}, "the field order is 'first': input should be a valid integer"),
        ({"summary": ""}, "the field summary"),
        ({"summary": "two\nlines"}, "the field summary"),
        ({"requires": "DEBIAN"}, "the field requires: a list is expected"),
        ({"requires": ["debian"]}, "the field requires.0 is 'debian'"),
        ({"conflicts": ["A"]}, "the field conflicts: a mapping is expected, such as {GENERIC: it"),
        ({"conflicts": {"A": ""}}, "the field conflicts.A is ''"),
        ({"conflicts": {"A": "A full stop."}}, "the field conflicts.A is 'A full stop.'"),
        ({"kernel": ["linux"]}, "the field kernel: a mapping is expected, such as {amd64: linux"),
        ({"disk_size": "2GB"}, "the field disk_size: a whole number of MiB, GiB or TiB"),
        ({"disk_size": ["2GiB"]}, "the field disk_size: a whole number of MiB, GiB or TiB"),
        ({"kernel": {"amd46": "linux"}}, "an architecture is one of amd64, arm64"),
        ({"kernel": "Linux image"}, "the field kernel"),
        ({"packages": ["vim tiny"]}, "the field packages.0 is 'vim tiny'"),
        ({"formats": ["../raw"]}, "the field formats.0 is '../raw'"),
        ({"apiVersion": "fai-forge/v9"}, "the field apiVersion is 'fai-forge/v9'"),
        ({"kind": "platform"}, "a class of kind platform has no token"),
        ({"token": ""}, "a class of kind role needs a token"),
    ],
)
def test_a_wrong_field_is_named_with_what_was_expected(
    tmp_path: Path, fields: dict[str, object], message: str
) -> None:
    folder = tmp_path / "X"
    folder.mkdir()
    (folder / FILE).write_text(yaml.safe_dump(BASE | fields))
    with pytest.raises(UsageError, match=re.escape(message)) as caught:
        read(folder)
    assert str(folder / FILE) in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "fields and their values are expected"),
        (b"- a\n- b\n", "fields and their values are expected"),
        (b"class: X\n", "the field kind is missing"),
        (b"class: X\nclass: X\n", "class stands there twice in line 1"),
        (b"class: [X\n", "this is not YAML: "),
        (b"class: \xff\n", "this is not UTF-8 text"),
        (b"class: \0\n", "this is not YAML"),
        (b"order: !!int x\n", "the field class is missing"),
        (b"class: !!python/object/apply:os.getcwd []\n", "the field class is []"),
    ],
)
def test_a_file_that_is_no_class_yaml(tmp_path: Path, content: bytes, message: str) -> None:
    folder = tmp_path / "X"
    folder.mkdir()
    (folder / FILE).write_bytes(content)
    with pytest.raises(UsageError, match=re.escape(message)):
        read(folder)


def test_a_folder_without_class_yaml(tmp_path: Path) -> None:
    (tmp_path / "X").mkdir()
    with pytest.raises(UsageError, match=r"X/class\.yaml: No such file"):
        read(tmp_path / "X")


@given(st.text(alphabet="class: X\n-[]{}!&*'\"#|>\t\0é\ud800", max_size=40))
def test_no_text_crashes_the_reader(text: str) -> None:
    with pytest.raises(UsageError):
        parse_text(text, Path(FILE))


def test_numbers_in_yaml_are_read_as_they_are_written(write: Write, tmp_path: Path) -> None:
    write("X: {kind: release, token: 24.10, order: 1}")
    (tmp_path / "classes" / "X" / FILE).write_text(
        "class: X\nkind: release\ntoken: 24.10\nsummary: no\norder: 007\n"
    )
    found = read(tmp_path / "classes" / "X")
    assert (found.token, found.summary, found.order) == ("24.10", "no", 7)


def test_fais_own_classes_cannot_be_overlays(write: Write) -> None:
    with pytest.raises(UsageError, match="FAI itself defines the class LAST"):
        load(write("LAST: {kind: platform, order: 999}"))


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (
            "X: {kind: role, token: x, order: 1, requires: [DEBAIN]}",
            "X/class.yaml: the field requires names the class DEBAIN, which nobody has; "
            "did you mean DEBIAN?",
        ),
        ("X: {kind: role, token: x, order: 1, conflicts: {Q: no}}", "the field conflicts names"),
        ("X: {kind: role, token: x, order: 1, defaults: [Q]}", "the field defaults names"),
        (
            "X: {kind: platform, order: 1, requires: [Y]}\n"
            "Y: {kind: platform, order: 2, requires: [Z]}\n"
            "Z: {kind: platform, order: 3, requires: [X]}",
            "X/class.yaml: the field requires goes in a circle: X -> Y -> Z -> X",
        ),
        (
            "X: {kind: platform, order: 1, requires: [X]}",
            "X/class.yaml: the field requires goes in a circle: X -> X",
        ),
        ("X: {kind: role, token: big, order: 501}", "X/class.yaml: the role token big is that of"),
        (
            "X: {kind: release, token: 13, order: 201, requires: [DEBIAN]}",
            "X/class.yaml: the release token 13 is that of TRIXIE already",
        ),
        ("X: {kind: release, token: 44, order: 1}", "the release 44 belongs to no distribution"),
        (
            "X: {kind: release, token: 24.10, order: 1, requires: [UBUNTU]}",
            "the field token is '24.10'; the kind release expects 2410",
        ),
        (
            "X: {kind: release, token: forky, order: 1, requires: [DEBIAN]}",
            "the field token is 'forky'; the kind release expects 14",
        ),
        (
            "X: {kind: release, token: 99, order: 1, requires: [DEBIAN]}",
            "a release of debian (Debian has no release 99; did you mean 9?)",
        ),
        (
            "X: {kind: distro, token: debn, order: 1}",
            "the kind distro expects one of debian, ubuntu",
        ),
        ("X: {kind: arch, token: x86_64, order: 1}", "the kind arch expects one of amd64, arm64"),
        (
            "X: {kind: role, token: rc1, order: 1}",
            "the field token is 'rc1'; the kind role expects of",
        ),
        (
            "X: {kind: role, token: a-b, order: 1}",
            "the field token is 'a-b'; the kind role expects of",
        ),
    ],
)
def test_classes_that_do_not_fit_together(write: Write, extra: str, message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)) as caught:
        load(write(HOUSE + extra))
    assert caught.value.hint


def test_one_class_in_two_overlays_names_both(write: Write, tmp_path: Path) -> None:
    here = write(HOUSE)
    there = tmp_path / "elsewhere" / "BIG"
    there.mkdir(parents=True)
    (there / FILE).write_text((tmp_path / "classes" / "BIG" / FILE).read_text())
    with pytest.raises(UsageError) as caught:
        load((*here, Overlay("BIG", there)))
    assert str(there) in caught.value.message
    assert str(tmp_path / "classes" / "BIG") in caught.value.message


def test_overlays_are_the_folders_of_classes(write: Write, tmp_path: Path) -> None:
    write("B: {kind: platform, order: 1}\nA: {kind: platform, order: 2}")
    for stray in (".git", "__pycache__"):
        (tmp_path / "classes" / stray).mkdir()
    (tmp_path / "classes" / "README.md").touch()
    overlays = own_overlays(tmp_path)
    assert [o.name for o in overlays] == ["A", "B"]
    catalogue = load(overlays)
    chosen = catalogue.overlays(("DEFAULT", "B", "A", "LAST"))
    assert chosen == (overlays[1], overlays[0])
    with pytest.raises(UsageError, match="there is no such folder"):
        own_overlays(tmp_path / "nowhere")


# Rows of sources that hold always, in Debian only, and where either of two classes is.
SOURCES = """
BACKPORTS: {kind: role, token: backports, order: 720, sources: [
    {suites: ["{codename}-backports"], components: [main]}]}
FIRMWARE:  {kind: role, token: firmware, order: 710, sources: [
    {components: [non-free-firmware], when: [DEBIAN]},
    {components: [restricted], when: [UBUNTU, PROXMOX]}]}
"""


@pytest.mark.parametrize(
    ("name", "sources"),
    [
        ("debian-13", []),
        ("debian-13-backports", [(("trixie-backports",), ("main",))]),
        ("ubuntu-2404-backports", [(("noble-backports",), ("main",))]),
        ("ubuntu-2404-firmware", [((), ("restricted",))]),
        (
            "debian-12-backports-firmware",
            [((), ("non-free-firmware",)), (("bookworm-backports",), ("main",))],
        ),
        ("debian-13-firmware-proxmox", [((), ("non-free-firmware",)), ((), ("restricted",))]),
    ],
)
def test_sources_of_the_release_and_the_classes(
    write: Write, name: str, sources: list[tuple[tuple[str, ...], tuple[str, ...]]]
) -> None:
    spec = resolve(load(write(HOUSE + SOURCES)), parse(name))
    assert [(each.suites, each.components) for each in spec.sources] == sources


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{suites: [x]}", "the field sources.0.components is missing"),
        ("{components: []}", "the field sources.0.components is []"),
        ("{components: [main], suites: ['{release}-x']}", "the field sources.0.suites.0 is"),
        ("{components: ['a b']}", "the field sources.0.components.0 is 'a b'"),
        ("{components: [main], uri: x}", "there is no field sources.0.uri"),
        ("{components: [main], when: [NOBODY]}", "the class NOBODY, which nobody has"),
    ],
)
def test_rows_of_sources_that_are_wrong(write: Write, row: str, message: str) -> None:
    bad = f"BAD: {{kind: role, token: bad, order: 700, sources: [{row}]}}"
    with pytest.raises(UsageError, match=re.escape(message)):
        load(write(HOUSE + bad))


@pytest.mark.parametrize(
    ("text", "size"), [("1MiB", 2**20), ("512MiB", 2**29), ("2GiB", 2**31), ("3TiB", 3 * 2**40)]
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "2", "2G", "2GB", "0GiB", "-1GiB", "1.5GiB", "2 GiB", None])
def test_sizes_that_are_none(text: object) -> None:
    with pytest.raises(ValueError, match="whole number"):
        parse_size(text)


def test_the_committed_schema_is_that_of_the_model() -> None:
    assert (ROOT / "schema" / "class.schema.json").read_text(encoding="utf-8") == schema_text()
    fields = json.loads(schema_text())["properties"]
    assert list(fields) == list(class_schema()["properties"])
    assert "null" not in schema_text()
