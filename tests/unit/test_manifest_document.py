# SPDX-License-Identifier: GPL-2.0-or-later
"""The manifest document: written the same way each time, read strictly, compared by what counts."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from builder import models
from builder.errors import UsageError
from builder.manifest import model
from builder.manifest.document import VOLATILE, dump, load, parse, stable_digest
from builder.manifest.schema import MODELS, schema, schema_text

SCHEMAS = Path(__file__).parents[2] / "schema"
WHEN = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)


def package(name: str, arch: str = "amd64", **more: Any) -> model.Package:
    values = {"name": name, "version": "1", "arch": arch, "source": name, "source_version": "1"}
    extra = {"origins": ("Debian:trixie",), "in_stable": True, "auto": False}
    return model.Package.model_validate(values | extra | more)


def file(name: str, **more: Any) -> model.File:
    values = {"name": name, "format": "qcow2", "size": 3, "sha256": "a" * 64, "sha512": "b" * 128}
    return model.File.model_validate(values | {"reproducible": True} | more)


@pytest.fixture
def manifest() -> model.Manifest:
    return model.Manifest(
        name="debian-13-hypervisor",
        serial="20261120.1",
        title="Debian 13 (trixie)",
        distro="debian",
        release="13",
        codename="trixie",
        arch="amd64",
        roles=("hypervisor",),
        classes=(model.FaiClass(name="DEFAULT", overlay="base"),),
        build=model.Build(
            tool_version="0.1.0",
            fai_version="6.0.3",
            source_date_epoch=1795143600,
            date=WHEN,
            job_link="https://ci.example/1",
            command="fai-forge build debian-13-hypervisor",
            config_space=model.ConfigSpace(
                digest="c" * 64,
                files=(
                    model.ConfigFile(path="scripts/LAST/10", overlay="base", sha256="d" * 64),
                    model.ConfigFile(path="hooks/x.DEBIAN", overlay="DEBIAN", sha256="e" * 64),
                ),
            ),
            commits=(model.SourceCommit(overlay="base", commit="0" * 40, dirty=False),),
            apt_sources=(
                model.AptSource.of(
                    models.AptSource(
                        uri="http://mirror.example/debian",
                        suite="trixie",
                        components=("main",),
                        origin="Debian",
                        label="Debian",
                        digest="f" * 64,
                        date=WHEN,
                    )
                ),
            ),
            tools_tree=model.ToolsTree(digest="1" * 64, packages=()),
            host=model.Host(debian_version="12.13", kernel="6.12"),
        ),
        packages=(package("zsh"), package("bash"), package("libc6", "i386"), package("libc6")),
        files=(file("b.raw", format="raw"), file("a.vhdx", format="vhdx", reproducible=False)),
        checks=(model.Verdict(name="machine-id", verdict="passed"),),
    )


def changed(manifest: model.Manifest, path: str, value: Any) -> model.Manifest:
    """The manifest with one value of its document replaced; `path` is dotted."""
    document = json.loads(dump(manifest))
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    part = document
    for parent in parents:
        part = part[parent]
    assert part[last] != value
    part[last] = value
    return parse(json.dumps(document), "changed")


def test_round_trip(manifest: model.Manifest, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(dump(manifest))
    assert load(path) == manifest
    assert dump(load(path)) == dump(manifest)


def test_text_starts_with_what_it_is_and_ends_with_one_newline(manifest: model.Manifest) -> None:
    text = dump(manifest)
    assert text.startswith('{\n  "apiVersion": "fai-forge/v1",\n  "kind": "ImageManifest",\n')
    assert text.endswith("\n}\n")
    assert '"sourceDateEpoch": 1795143600' in text


def test_lists_are_sorted_however_they_came(manifest: model.Manifest) -> None:
    assert [f"{each.name}:{each.arch}" for each in manifest.packages] == [
        "bash:amd64",
        "libc6:amd64",
        "libc6:i386",
        "zsh:amd64",
    ]
    assert [each.name for each in manifest.files] == ["a.vhdx", "b.raw"]
    assert [each.path for each in manifest.build.config_space.files] == [
        "hooks/x.DEBIAN",
        "scripts/LAST/10",
    ]
    assert package("x", origins=("b:1", "a:1")).origins == ("a:1", "b:1")


def test_times_are_utc(manifest: model.Manifest) -> None:
    local = WHEN.astimezone(timezone(timedelta(hours=2)))
    build = model.Build.model_validate(manifest.build.model_dump() | {"date": local})
    document = json.loads(dump(manifest.model_copy(update={"build": build})))
    assert document["build"]["date"] == "2026-11-20T03:00:00Z"
    with pytest.raises(ValidationError, match="timezone"):
        model.Build.model_validate(manifest.build.model_dump() | {"date": datetime(2026, 1, 1)})


def test_mirror_is_left_out_unless_a_class_chose_it(manifest: model.Manifest) -> None:
    assert "mirror.example" not in dump(manifest)
    source = models.AptSource(uri="http://own.example", suite="x", components=("main",))
    assert model.AptSource.of(source, keep_uri=True).uri == "http://own.example"
    assert model.AptSource.of(source).in_release_sha256 is None


def test_shared_package_has_what_the_entry_has() -> None:
    shared = package("bash", auto=True).shared()
    assert shared == models.Package(
        "bash", "1", "amd64", "bash", "1", auto=True, origins=("Debian:trixie",)
    )


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("build.faiVersion", "6.5"),
        ("build.date", "2027-01-01T00:00:00Z"),
        ("build.jobLink", None),
        ("build.command", "fai-forge build --mirror x debian-13"),
        ("build.host", None),
        ("build.commits.0.origin", "/srv/elsewhere"),
        ("checks", []),
        ("boots", [{"name": "uefi", "verdict": "passed", "detail": "", "log": None}]),
        (
            "decision",
            {
                "name": "debian-13",
                "date": "2026-11-20T00:00:00Z",
                "policy": "security",
                "answer": "publish",
            },
        ),
        ("files.0.sha256", "9" * 64),
        ("files.0.size", 4),
    ],
)
def test_stable_digest_ignores(manifest: model.Manifest, path: str, value: Any) -> None:
    assert stable_digest(changed(manifest, path, value)) == stable_digest(manifest)


def test_every_volatile_part_is_tried_above() -> None:
    mark = next(
        mark
        for mark in getattr(test_stable_digest_ignores, "pytestmark", ())
        if mark.name == "parametrize"
    )
    assert {".".join(path).replace("*", "0") for path in VOLATILE} <= {
        path for path, _ in mark.args[1]
    }


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("packages.0.version", "2"),
        ("serial", "20261121"),
        ("build.toolVersion", "0.2.0"),
        ("build.sourceDateEpoch", 1),
        ("build.configSpace.digest", "0" * 64),
        ("build.aptSources.0.inReleaseSha256", "0" * 64),
        ("build.toolsTree.digest", "0" * 64),
        ("files.1.sha256", "9" * 64),
        ("files.0.name", "aa.vhdx"),
    ],
)
def test_stable_digest_sees(manifest: model.Manifest, path: str, value: Any) -> None:
    assert stable_digest(changed(manifest, path, value)) != stable_digest(manifest)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("packages.0.version", 1, r"packages\.0\.version: .*string"),
        ("build.sourceDateEpoch", "1795143600", r"build\.sourceDateEpoch: .*integer"),
        ("files.0.sha256", "xyz", r"files\.0\.sha256: .*pattern"),
        ("files.0.name", "../../etc/passwd", r"files\.0\.name: .*pattern"),
        ("files.0.name", ".hidden", r"files\.0\.name: .*pattern"),
        ("name", "../x", r"m\.json: name: .*pattern"),
        ("name", "debian-13\n", r"m\.json: name: .*pattern"),
        ("serial", "..", r"m\.json: serial: .*pattern"),
        ("checks.0.verdict", "maybe", r"checks\.0\.verdict: .*'passed' or 'failed'"),
        ("build.toolVersion", None, r"build\.toolVersion: .*string"),
    ],
)
def test_wrong_value_names_file_and_field(
    manifest: model.Manifest, path: str, value: Any, message: str
) -> None:
    document = json.loads(dump(manifest))
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    part = document
    for parent in parents:
        part = part[parent]
    part[last] = value
    with pytest.raises(UsageError, match=message) as caught:
        parse(json.dumps(document), "m.json")
    assert caught.value.hint


def test_unknown_and_missing_fields(manifest: model.Manifest) -> None:
    document = json.loads(dump(manifest))
    with pytest.raises(UsageError, match="colour: Extra"):
        parse(json.dumps(document | {"colour": "red"}), "m.json")
    del document["packages"]
    with pytest.raises(UsageError, match="packages: Field required"):
        parse(json.dumps(document), "m.json")


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("{", "not a JSON document", "again"),
        ("[" * 100_000, "not a JSON document", "again"),
        ("[]", "not an image manifest", "apiVersion"),
        ("null", "not an image manifest", "apiVersion"),
        ('{"kind": "Pod", "apiVersion": "v1"}', "not an image manifest", "apiVersion"),
        ('{"kind": "ImageManifest"}', "not an image manifest", "apiVersion"),
        (
            '{"kind": "ImageManifest", "apiVersion": "fai-forge/v2"}',
            "apiVersion is fai-forge/v2",
            "upgrade fai-forge",
        ),
        ('{"kind": "ImageManifest", "apiVersion": "other/v1"}', "other/v1", "start with"),
    ],
)
def test_foreign_documents(text: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        parse(text, "m.json")
    assert "m.json" in caught.value.message
    assert hint in caught.value.hint


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        load(tmp_path / "none.json")
    with pytest.raises(UsageError, match="directory"):
        load(tmp_path)
    (tmp_path / "x").write_bytes(b"\xff\xfe{}")
    with pytest.raises(UsageError, match="UTF-8"):
        load(tmp_path / "x")


@pytest.mark.parametrize("name", MODELS)
def test_committed_schema_is_the_models(name: str) -> None:
    committed = (SCHEMAS / f"{name}.schema.json").read_text()
    assert committed == schema_text(name), (
        f"run: python -m builder.manifest.schema {name} > schema/{name}.schema.json"
    )


def test_schema_requires_every_field_that_is_written(manifest: model.Manifest) -> None:
    made = schema()
    assert set(made["required"]) == set(json.loads(dump(manifest))) == set(made["properties"])
    parts = made["$defs"].values()
    assert all(part["additionalProperties"] is False for part in [made, *parts])
    assert all(set(part["required"]) == set(part["properties"]) for part in parts)
