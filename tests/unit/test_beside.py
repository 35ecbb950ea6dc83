# SPDX-License-Identifier: GPL-2.0-or-later
"""What is published beside an image, above all its README.md."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from builder.manifest.model import FaiClass, File, SourceCommit, Verdict
from builder.store import beside, readme
from builder.store.incus_metadata import ROOTS
from tests import published

BUILD = "debian-13-20261121"


def file(form: str, size: int = 300 << 20) -> File:
    return File(
        name=f"{BUILD}.{form}",
        format=form,
        size=size,
        sha256="a" * 64,
        sha512="b" * 128,
        reproducible=True,
    )


def text(**more: Any) -> str:
    values: dict[str, Any] = {"files": (file("qcow2"),)}
    return readme.render(published.manifest(**values | more), [f"{BUILD}.manifest.json"]).decode()


def section(whole: str, heading: str) -> str:
    """What is below a heading."""
    return whole.partition(f"\n## {heading}\n")[2].partition("\n## ")[0].strip()


def test_what_it_is() -> None:
    assert text(roles=("slim", "cloud")).splitlines()[:8] == [
        "# Debian 13 (trixie): debian-13-20261121",
        "",
        "A machine image of Debian 13 (trixie) for amd64, built on 2026-11-21 with FAI."
        " Roles: slim, cloud.",
        "It has 6 packages, 560 MiB on the disk.",
        "",
        "| file | for | size |",
        "| --- | --- | --- |",
        f"| {BUILD}.qcow2 | libvirt, OpenStack, Proxmox, Incus; zstd inside | 300 MiB |",
    ]


def test_what_nobody_measured_is_not_said() -> None:
    assert "It has 6 packages.\n" in text(installed_bytes=None)


@pytest.mark.parametrize(
    ("form", "command"),
    [
        ("raw", "pull-raw"),
        ("raw.xz", "pull-raw"),
        ("rootfs.tar.xz", "pull-tar"),
        ("qcow2", None),
        ("vmdk", None),
    ],
)
def test_what_systemd_can_pull(form: str, command: str | None) -> None:
    verify = section(text(files=(file(form),)), "Verify")
    if command is None:
        assert "importctl" not in verify
    else:
        line = f"    importctl {command} --verify=signature URL/{BUILD}.{form} {BUILD}"
        assert line in verify.splitlines()
    assert ("Incus" in verify) is (form in ROOTS)


@pytest.mark.parametrize(
    ("installed", "classes", "expected"),
    [
        (("cloud-init", "openssh-server"), (), ["`ssh debian@ADDRESS`"]),
        (("openssh-server",), (), ["`ssh.authorized_keys.root`"]),
        (("openssh-server",), ("NOCLOUD",), ["`ssh.authorized_keys.root`", "on the screen"]),
        (("bash",), (), ["no SSH server"]),
    ],
)
def test_ways_in(installed: tuple[str, ...], classes: tuple[str, ...], expected: list[str]) -> None:
    manifest = published.manifest(
        packages=tuple(published.package(name, "1", "all", name, "1") for name in installed),
        classes=tuple(FaiClass(name=name, overlay=name) for name in classes),
    )
    ways = list(readme.ways_in(manifest))
    assert len(ways) == len(expected)
    for way, words in zip(ways, expected, strict=True):
        assert words in way


@pytest.mark.parametrize(("verdict", "said"), [("passed", True), ("failed", False)])
def test_passwords_are_spoken_of_where_they_were_looked_for(verdict: str, said: bool) -> None:
    checks = (Verdict.model_validate({"name": "no-passwords", "verdict": verdict}),)
    assert ("No account has a password." in text(checks=checks)) is said
    assert "No account has a password." not in text(checks=())


def test_why_it_was_built() -> None:
    assert section(text(), "Why it was built").splitlines() == [
        "* The policy security decided: publish, after 20261114 of 2026-11-14.",
        "* glibc 2.41-12 to 2.41-12+deb13u1, DSA-6001-1",
    ]
    assert section(text(decision=None), "Why it was built") == "* Somebody asked for it."


def test_how_it_was_tried() -> None:
    checks = (
        Verdict(name="machine-id", verdict="passed"),
        Verdict(name="ssh-host-keys", verdict="failed", detail="there is a key"),
    )
    whole = text(checks=checks, boots=(Verdict(name="uefi", verdict="passed"),))
    assert section(whole, "How it was tried").splitlines() == [
        "* 1 of 2 checks passed.",
        "* 1 of 1 boots passed: uefi.",
        "* ssh-host-keys failed: there is a key",
        "* The CI job: <https://ci.example.org/jobs/7>",
    ]


def test_what_was_never_tried() -> None:
    tried = section(text(checks=(), boots=()), "How it was tried")
    assert "The finished tree was not checked." in tried
    assert "It was not booted." in tried


def test_how_to_build_it_again() -> None:
    manifest = published.manifest()
    overlay = SourceCommit(
        overlay="site", commit="2" * 40, dirty=True, origin="https://git.example.org/site"
    )
    build = manifest.build.model_copy(update={"commits": (*manifest.build.commits, overlay)})
    again = section(text(build=build), "Build it again")
    assert f"\n\n    {manifest.build.command}\n\n" in again
    assert f"* base: {'1' * 40}\n" in again
    assert f"* site: {'2' * 40} of https://git.example.org/site, with changes that" in again


def test_what_else_is_here() -> None:
    others = section(text(), "What else is here").splitlines()
    assert others[-1].startswith(f"* {BUILD}.manifest.json: what is in the image")
    assert not any(".qcow2" in line for line in others)


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        ("Debian 13 (trixie)", "Debian 13 (trixie)"),
        ("two\nlines  \t here", "two lines here"),
        ("<b>|`x`*_[a](b)#", r"\<b\>\|\`x\`\*\_\[a\](b)\#"),
    ],
)
def test_plain(given: str, plain: str) -> None:
    assert readme.plain(given) == plain


def test_foreign_words_format_nothing() -> None:
    whole = text(
        title="<script>alert(1)</script>\n# Forged",
        boots=(Verdict(name="uefi", verdict="failed", detail="![x](https://example.org/x)"),),
    )
    assert "<script>" not in whole
    assert "\n# Forged" not in whole
    assert "![x]" not in whole


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("https://ci.example.org/a_b/7", "<https://ci.example.org/a_b/7>"),
        ("javascript:alert(1)//_", r"javascript:alert(1)//\_"),
        ("https://ci.example.org/> <b>", r"https://ci.example.org/\> \<b\>"),
    ],
)
def test_links(link: str, expected: str) -> None:
    build = published.manifest().build.model_copy(update={"job_link": link})
    assert f"* The CI job: {expected}\n" in text(build=build)


def test_a_command_stays_on_its_line() -> None:
    manifest = published.manifest()
    build = manifest.build.model_copy(update={"command": "fai-forge build x\n\n# Forged"})
    assert "    fai-forge build x # Forged\n" in text(build=build)


def built(folder: Path, *forms: str) -> tuple[File, ...]:
    files = []
    for form in forms:
        path = folder / f"{BUILD}.{form}"
        path.write_bytes(form.encode() * 1000)
        files.append(published.image(path, form))
    return tuple(files)


def test_beside(tmp_path: Path) -> None:
    manifest = published.manifest(files=built(tmp_path, "qcow2"))
    others = (f"{BUILD}.fai.log.gz", "console-uefi.log", "boot-uefi.log")
    for name in others:
        (tmp_path / name).touch()
    found = dict(beside.beside(manifest, tmp_path))
    assert list(found) == [
        f"{BUILD}.spdx.json",
        f"{BUILD}.cdx.json",
        f"{BUILD}.checks.xml",
        f"{BUILD}.report.html",
        f"{BUILD}.decision.json",
        f"{BUILD}.incus.tar.xz",
        "README.md",
    ]
    listed = section(found["README.md"].decode(), "What else is here")
    for name in (*list(found)[:-1], *others):
        assert f"* {name}: " in listed
    assert json.loads(found[f"{BUILD}.decision.json"])["answer"] == "publish"
    assert beside.beside(manifest, tmp_path) == list(found.items())


def test_beside_a_format_that_incus_does_not_take(tmp_path: Path) -> None:
    manifest = published.manifest(files=built(tmp_path, "vmdk"), decision=None)
    assert [name for name, _ in beside.beside(manifest, tmp_path)] == [
        f"{BUILD}.spdx.json",
        f"{BUILD}.cdx.json",
        f"{BUILD}.checks.xml",
        f"{BUILD}.report.html",
        "README.md",
    ]
