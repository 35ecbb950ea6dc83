# SPDX-License-Identifier: GPL-2.0-or-later
"""`fai-forge promote` and `fai-forge expire`: what they print, and what their pages show."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from builder import cli, images, paths
from builder.cli import expire, promote, stores
from builder.cli.common import table
from builder.manifest import document, model
from builder.manifest.model import SourceCommit
from builder.store import keys, tags
from builder.store.index import Build
from builder.store.promoting import promotions
from builder.store.retention import expiry
from tests.unit.indexes import NOW, index, series
from tests.unit.stores import Seal, build, publisher, put

PROJECT = Path(__file__).parents[2]
BLOCK = re.compile(r"^(?:    [^\n]*\n|\n(?=    ))+", re.M)
COMMIT = "3f1c6f0f0d8f4e3a9f0b6f6f5f7a9f3d2c1b0a99"


def block(page: str, after: str) -> str:
    """The indented block of a page that begins with a line, without that line."""
    text = (PROJECT / "docs" / page).read_text(encoding="utf-8")
    blocks = [match[0] for match in BLOCK.finditer(text)]
    found = next(each for each in blocks if each.strip("\n").startswith(f"    {after}\n"))
    lines = [line[4:] for line in found.strip("\n").split("\n")]
    return "\n".join(lines[1:])


# As distro-info's data had it when the page was written.
ENDS = {"debian": date(2030, 6, 30), "ubuntu": date(2026, 7, 9)}


def test_the_page_about_retention_shows_what_is_printed() -> None:
    store = index(
        series(
            "debian-13",
            "release 20260901",
            "release 20261005 tag=202610",
            "release 20261112",
        ),
        series(
            "debian-14",
            "daily 20260901 tag=alpha1",
            "daily 20260920",
            "daily 20261001 hidden",
            "daily 20261030",
            "daily 20261119",
            "daily 20261120",
        ),
        series("ubuntu-2510", "release 20260502", "release 20260701"),
    )
    steps = expiry(store, images.read(PROJECT).channels, lambda entry: ENDS[entry.distro], NOW)
    printed = "\n".join(expire.lines(steps, done=False))
    assert printed == block("retention.md", "$ fai-forge expire --store /srv/images --dry-run")


def test_the_page_about_promotion_shows_what_is_printed(tmp_path: Path) -> None:
    store = index(
        series("debian-13", "release 20261112 tag=13.3", "release 20261119"),
        series("debian-13-hypervisor", "release 20261112", "release 20261119.1"),
    )

    def commits(_series: str, _build: Build) -> list[SourceCommit]:
        return [SourceCommit(overlay="base", commit=COMMIT, dirty=False)]

    path = tmp_path / tags.FILE
    path.write_text(block("promotion.md", "# tags.yaml"))
    rows = [row for row in tags.read(path) if not row.is_oci]
    found = promotions(store, rows, commits)
    printed = "\n".join(promote.lines(found, done=False))
    command = "$ fai-forge promote tags.yaml --store /srv/images --dry-run"
    # The row about an OCI image comes last, as a registry would have it.
    shown = block("promotion.md", command).split("\n")
    assert [" ".join(line.split()) for line in shown[:-1]] == [
        " ".join(line.split()) for line in printed.split("\n")
    ]
    assert shown[-1].startswith("registry.example.org/")


def test_columns_are_as_wide_as_what_is_in_them() -> None:
    assert table(("A", "B"), [("long", "x"), ("", "long")]) == ["A     B", "long  x", "      long"]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with three daily builds, of which the first is tagged nowhere; its folder."""
    monkeypatch.setattr(stores, "publisher", lambda _: publisher(tmp_path))
    now = datetime.now(UTC).replace(microsecond=0)
    for days in (80, 20, 1):
        day = now - timedelta(days=days)
        made = build(tmp_path / "out", f"{day:%Y%m%d}", image=f"{days}".encode())
        manifest = document.load(made.manifest)
        commits = (model.SourceCommit(overlay="base", commit=COMMIT, dirty=False),)
        how_built = manifest.build.model_copy(update={"commits": commits})
        changed = manifest.model_copy(update={"build": how_built})
        made.manifest.write_text(document.dump(changed))
        put(publisher(tmp_path), made, channel="daily", now=day)
    return tmp_path


def serials(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "store/debian-13/daily").iterdir())


def write(folder: Path, *rows: tuple[str, str]) -> str:
    path = folder / tags.FILE
    lines = [
        f"- {{name: debian-13, src_build_tag: {serial}, src_ref: {COMMIT}, tag: {tag}}}"
        for serial, tag in rows
    ]
    path.write_text("\n".join(["images:", *lines, ""]))
    return str(path)


def test_expire_says_and_does(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["expire", "--store", str(store / "store")]
    assert cli.main([*argv, "--dry-run"]) == 0
    dry = capsys.readouterr().out
    assert "would be kept: 1, hidden: 1, removed: 1 (0 MB)" in dry
    assert cli.main([*argv, "--dry-run", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["done"] is False
    assert [each["action"] for each in said["builds"]] == ["remove", "hide", "keep"]
    assert [each["serial"] for each in said["builds"]] == serials(store)
    first = store / "store/debian-13/daily" / serials(store)[0]
    assert len(list(first.glob("*.qcow2"))) == 1

    assert cli.main(argv) == 0
    done = capsys.readouterr().out
    assert "\nkept: 1, hidden: 1, removed: 1 (0 MB)" in done
    assert "80 days old; daily builds are removed after 60 days" in done
    assert len(list(first.glob("*.qcow2"))) == 0
    assert cli.main([*argv, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["done"], [each["action"] for each in said["builds"]]) == (True, ["keep", "keep"])


def test_promote_says_and_does(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, _, last = serials(store)
    file = write(store, (first, "13.2"), (last, "rc1"))
    argv = ["promote", file, "--store", str(store / "store")]
    assert cli.main([*argv, "--dry-run"]) == 0
    assert re.search(rf"debian-13 +13\.2 +{first} +create ", capsys.readouterr().out)
    assert cli.main(argv) == 0
    assert re.search(rf"debian-13 +13\.2 +{first} +created ", capsys.readouterr().out)
    assert cli.main([*argv, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["done"] is True
    assert [(each["tag"], each["outcome"]) for each in said["tags"]] == [
        ("13.2", "there"),
        ("rc1", "there"),
    ]


def test_promote_refuses_and_reports_all(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, _, last = serials(store)
    argv = ["--store", str(store / "store")]
    assert cli.main(["promote", write(store, (first, "13.2")), *argv]) == 0
    capsys.readouterr()
    assert cli.main(["promote", write(store, (last, "rc1"), (last, "13.2")), *argv]) == 2
    out, err = capsys.readouterr()
    assert re.search(rf"rc1 +{last} +create ", out)
    assert re.search(rf"13\.2 +{last} +REFUSED +it is on {first}", out)
    assert "1 of 2 tags cannot be given; nothing was changed" in err


def test_no_month_without_a_released_build(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["promote", "--monthly", "--store", str(store / "store")]) == 0
    assert capsys.readouterr().out == "no build is fit for a tag\n"


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["promote"], "nothing is to be promoted"),
        (["promote", "--monthly"], "no store is given"),
        (["promote", "{file}"], "no store is given"),
        (["promote", "{file}.none", "--store", "x"], "No such file"),
        (["promote", "{file}", "--store", "x"], "a store is signed, and no key is given"),
        (["expire", "--store", "x"], "a store is signed, and no key is given"),
        (["expire", "--store", "ftp://x.invalid", "--key", "A" * 40], "published to by ftp:"),
        (["expire", "--store", "x", "--keyring", "none", "--dry-run"], "none cannot be read"),
        (["expire", "--store", "{none}", "--keyring", "{keys}", "--dry-run"], "there is no folder"),
        (["expire", "--store", "{none}", "--keyring", "{keys}"], "no key is given"),
    ],
)
def test_what_is_missing_is_said(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    argv: list[str],
    said: str,
) -> None:
    monkeypatch.delenv(keys.KEY_VARIABLE, raising=False)
    monkeypatch.setenv(paths.CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(keys.Signer, "keyring", lambda _: Seal())
    words = {
        "file": write(tmp_path, ("20261119", "13.2")),
        "none": str(tmp_path / "none"),
        "keys": str(tmp_path / "keys"),
    }
    Path(words["keys"]).write_bytes(b"\x99 a key")
    assert cli.main([word.format(**words) for word in argv]) != 0
    assert said in capsys.readouterr().err
    assert not (tmp_path / "none").exists()
