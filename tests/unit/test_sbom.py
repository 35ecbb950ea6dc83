# SPDX-License-Identifier: GPL-2.0-or-later
"""SBOMs: valid by their standards' own validators, complete, and the same each time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from builder.manifest import cyclonedx, purl, spdx
from builder.manifest.model import File, Manifest
from tests import published

DISK = File(
    name="debian-13-20261121.qcow2",
    format="qcow2",
    size=3,
    sha256="a" * 64,
    sha512="b" * 128,
    reproducible=True,
)
# Names and versions with all that Debian allows in them; one source in two versions.
ODD = (
    ("libstdc++6", "14.2.0-19", "amd64", "gcc-14", "14.2.0-19"),
    ("libstdc++6", "14.2.0-19", "i386", "gcc-14", "14.2.0-19"),
    ("passwd", "1:4.17.4~rc2-2+b1", "amd64", "shadow", "1:4.17.4~rc2-2"),
    ("login", "1:4.16-1", "amd64", "shadow", "1:4.16-1"),
)


@pytest.fixture(params=[published.PACKAGES, ODD, ()], ids=["usual", "odd", "none"])
def manifest(request: pytest.FixtureRequest) -> Manifest:
    packages = tuple(published.package(*row) for row in request.param)
    return published.manifest(files=(DISK,), packages=packages)


@pytest.fixture
def odd() -> Manifest:
    packages = tuple(published.package(*row) for row in ODD)
    return published.manifest(files=(DISK,), packages=packages)


def test_spdx_is_valid(manifest: Manifest, tmp_path: Path) -> None:
    file = tmp_path / "sbom.spdx.json"
    file.write_bytes(spdx.render(manifest))
    assert validate_full_spdx_document(parse_file(str(file))) == []


def test_cyclonedx_is_valid(manifest: Manifest) -> None:
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(cyclonedx.render(manifest).decode()) is None


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, "pkg:deb/debian/passwd@1:4.17.4~rc2-2%2Bb1?arch=amd64&distro=debian-13"),
        (
            {"distro": "ubuntu", "release": "2404", "codename": "noble"},
            "pkg:deb/ubuntu/passwd@1:4.17.4~rc2-2%2Bb1?arch=amd64&distro=ubuntu-24.04",
        ),
        (
            {"release": "sid", "codename": "sid"},
            "pkg:deb/debian/passwd@1:4.17.4~rc2-2%2Bb1?arch=amd64&distro=debian-sid",
        ),
    ],
)
def test_package_urls(arguments: dict[str, Any], expected: str) -> None:
    package = published.package(*ODD[2])
    manifest = published.manifest(packages=(package,), **arguments)
    assert purl.binary_purl(manifest, package) == expected
    (source,) = purl.sources(manifest)
    assert purl.source_purl(manifest, source) == expected.replace(
        "passwd@1:4.17.4~rc2-2%2Bb1?arch=amd64", "shadow@1:4.17.4~rc2-2?arch=source"
    )


def test_a_plus_in_a_name_is_escaped(odd: Manifest) -> None:
    assert purl.binary_purl(odd, odd.packages[0]).startswith("pkg:deb/debian/libstdc%2B%2B6@")


def test_spdx_names_every_package_and_its_source(odd: Manifest) -> None:
    document = json.loads(spdx.render(odd))
    named = {package["SPDXID"]: package for package in document["packages"]}
    assert len(named) == len(document["packages"]) == 1 + 1 + 4 + 3
    generated = {
        (named[each["spdxElementId"]]["versionInfo"], named[each["relatedSpdxElement"]]["name"])
        for each in document["relationships"]
        if each["relationshipType"] == "GENERATES"
    }
    assert generated == {
        ("14.2.0-19", "libstdc++6"),
        ("1:4.17.4~rc2-2", "passwd"),
        ("1:4.16-1", "login"),
    }
    suppliers = {each["supplier"] for each in document["packages"] if "externalRefs" in each}
    assert suppliers == {"Organization: Debian"}


def test_cyclonedx_names_every_package_and_its_source(odd: Manifest) -> None:
    document = json.loads(cyclonedx.render(odd))
    refs = [component["bom-ref"] for component in document["components"]]
    assert len(set(refs)) == len(refs) == 4 + 3
    depends = {each["ref"]: each.get("dependsOn", []) for each in document["dependencies"]}
    assert set(depends) == {*refs, "debian-13-20261121"}
    assert len(depends["debian-13-20261121"]) == 4
    (login,) = (ref for ref in refs if "/login@" in ref)
    assert depends[login] == ["pkg:deb/debian/shadow@1:4.16-1?arch=source&distro=debian-13"]


def test_both_have_the_digests_of_the_image(odd: Manifest) -> None:
    packages = json.loads(spdx.render(odd))["packages"]
    (disk,) = (each for each in packages if each.get("packageFileName") == DISK.name)
    assert [each["checksumValue"] for each in disk["checksums"]] == [DISK.sha256, DISK.sha512]
    system = json.loads(cyclonedx.render(odd))["metadata"]["component"]
    (file,) = system["components"]
    assert [each["content"] for each in file["hashes"]] == [DISK.sha256, DISK.sha512]


def test_a_package_of_no_archive_has_no_supplier() -> None:
    package = published.package(*ODD[0]).model_copy(update={"origins": ()})
    manifest = published.manifest(packages=(package,))
    assert "Organization" not in spdx.render(manifest).decode()
    assert "supplier" not in cyclonedx.render(manifest).decode()


@pytest.mark.parametrize("render", [spdx.render, cyclonedx.render])
def test_the_same_each_time_and_for_no_other_build(odd: Manifest, render: Any) -> None:
    assert render(odd) == render(odd)
    other = odd.model_copy(update={"files": (DISK.model_copy(update={"sha256": "c" * 64}),)})
    identities = [
        {json.loads(render(each)).get(key) for key in ("serialNumber", "documentNamespace")}
        for each in (odd, other)
    ]
    assert identities[0] != identities[1]
