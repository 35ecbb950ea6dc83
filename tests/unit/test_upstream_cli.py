# SPDX-License-Identifier: GPL-2.0-or-later
"""The verbs about upstreams: what is refused, and what is said without asking anybody."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from builder import cli, paths
from builder.cli import upstream, upstreams
from builder.errors import UsageError
from builder.store.keys import KEY_VARIABLE
from builder.upstream import catalogue, validating
from builder.upstream.keeping import keeps
from builder.upstream.model import schema
from tests.unit.indexes import series

PROJECT = Path(__file__).parents[2]
GOOD = """\
distro: alma
os_distro: ours
unsigned: nobody signs it
arches: {amd64: x86_64}
index: {kind: checksums, list: "https://images.example.org/{release}/{arch}/SHA256SUMS"}
file: 'Ours-(?P<version>{release}\\.[0-9]+)-(?P<date>[0-9]{8})\\.qcow2'
keep: 4
releases:
  - {release: "10"}
  - {release: "9", keep: 2}
"""


@pytest.fixture(autouse=True)
def nobody_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(paths.CACHE_VARIABLE, str(tmp_path / "cache"))
    for variable in (upstreams.FOLDERS_VARIABLE, upstreams.INSTEAD_VARIABLE):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "ours.yaml").write_text(GOOD)
    return folder


def words(**more: Any) -> argparse.Namespace:
    return argparse.Namespace(**{"upstreams": [], "instead": [], "beta": False, **more})


def test_every_verb_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    for each in upstream.VERBS:
        with pytest.raises(SystemExit):
            cli.main(["upstream", each.name, "--help"])
        said = capsys.readouterr().out
        assert f"fai-forge upstream {each.name}" in said.partition("examples:")[2]


def test_the_shell_completes_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["completion", "bash"]) == 0
    script = capsys.readouterr().out
    assert all(f"_shtab_fai_forge_upstream_{each.name}_" in script for each in upstream.VERBS)


def test_the_projects_own_files_are_right(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["upstream", "validate"]) == 0
    assert capsys.readouterr().out.endswith(", wrong: 0\n")


def test_the_schema_is_current() -> None:
    assert (PROJECT / catalogue.SCHEMA).read_text() == schema(), (
        "run: python -m builder.upstream.model > schema/upstream.schema.json"
    )


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("distro: alma\n", "distro: alpaca\n", 1, "no name begins with alpaca; did you mean"),
        ("os_distro: ours\n", "os_distr: ours\n", 2, "there is no field os_distr"),
        ("unsigned: nobody signs it\n", "", 0, "it says neither signature nor unsigned"),
        ("amd64:", "amd46:", 4, "amd46 is no architecture of ours"),
        (
            "kind: checksums",
            "kind: checksum",
            5,
            "index.kind is 'checksum'; did you mean checksums",
        ),
        ("kind: checksums, ", "", 5, "the field index.kind is missing"),
        (", list:", ", kind: listing, lst:", 5, "this is not YAML"),
        ("{release}/", "{release/", 5, "list has {release, and no brace behind it"),
        ("{release}/", "{relase}/", 5, "stands for nothing there; did you mean release?"),
        ("{arch}/SHA", "{architecture}/SHA", 5, "{architecture}, which stands for nothing"),
        ("(?P<version>", "(?P<versoin>", 6, "the group versoin, which means nothing"),
        ("(?P<version>", "(", 1, ""),
        ("{8})", "{8}", 6, "it is no regular expression"),
        ("keep: 2", "keep: 0", 10, "keep"),
        ('release: "9"', 'release: "10"', 0, "a release stands there twice"),
        ("distro: alma", "distro: [", 3, "this is not YAML"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(
    tmp_path: Path, old: str, new: str, line: int, said: str
) -> None:
    path = tmp_path / "ours.yaml"
    assert old in GOOD
    path.write_text(GOOD.replace(old, new, 1))
    found = validating.flaws(path)
    if not said:
        assert not found
        return
    assert len(found) == 1
    assert said in found[0].sentence
    assert found[0].line == line


def test_hints_are_about_the_place(tmp_path: Path) -> None:
    """Of a flaw in an index the fields of the whole file are no help."""
    path = tmp_path / "ours.yaml"
    path.write_text(GOOD.replace("list:", "lst:"))
    told = [(each.sentence, each.hint.partition(";")[0]) for each in validating.flaws(path)]
    assert told == [
        ("the field index.list is missing", "fields are kind, list"),
        ("there is no field index.lst; did you mean list?", "fields are kind, list"),
    ]
    path.write_text(GOOD.replace("keep: 2", "keep: many"))
    assert [each.hint for each in validating.flaws(path)] == [
        f"{catalogue.SCHEMA} says what it may be"
    ]


@pytest.mark.parametrize(
    ("key", "right"),
    [("ee6d b7b9 8f5b f5ed d9da  0de5 dee5 c11c c2a1 e572", True), ("DEE5C11CC2A1E572", False)],
)
def test_fingerprints_as_gpg_prints_them(tmp_path: Path, key: str, right: bool) -> None:
    path = tmp_path / "ours.yaml"
    signature = f"signature: {{file: a.asc, keyring: a.gpg, keys: [{key}]}}"
    path.write_text(GOOD.replace("unsigned: nobody signs it", signature))
    found = [each.sentence for each in validating.flaws(path)]
    # Once: that the list has no other key says nothing.
    assert (len(found), key in "".join(found)) == ((0, False) if right else (1, True))


def test_what_is_the_same_of_many_is_said_once() -> None:
    said = [("a", "do"), ("b", ""), ("c", "do"), ("d", "this\nand that"), ("e", "do"), ("f", "do")]
    assert list(upstreams.hints(said)) == ["a, c, e and 1 more: do", "d: this", "d: and that"]


def test_nothing_is_new_of_no_store(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["upstream", "check", "--exit-code"]) == 2
    assert "--exit-code needs --store" in capsys.readouterr().err


def test_readers_need_no_secret_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    for verb in ("check", "export"):
        assert cli.main(["upstream", verb, "--store", str(tmp_path)]) == 2
        assert "--keyring FILE" in capsys.readouterr().err


def test_words_of_a_file_itself_stand_for_something(tmp_path: Path) -> None:
    path = tmp_path / "ours.yaml"
    path.write_text(GOOD.replace("{arch}", "{port}"))
    assert [each.line for each in validating.flaws(path)] == [5]
    path.write_text(GOOD.replace("{arch}", "{port}") + "words: {amd64: {port: x86}}\n")
    assert validating.flaws(path) == []


def test_all_flaws_of_all_files_are_said(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (own / "other.yaml").write_text(GOOD.replace("keep: 2", "keep: no").replace("file:", "fiel:"))
    assert cli.main(["upstream", "validate", "--upstreams", str(own)]) == 2
    said = capsys.readouterr().out.splitlines()
    assert [line for line in said if not line.startswith("    ")] == [
        f"{own}/other.yaml:6: there is no field fiel; did you mean file?",
        f"{own}/other.yaml:10: the field releases.1.keep is 'no': input should be a valid integer,"
        " unable to parse string as an integer",
        said[-1],
    ]
    assert said[-1].endswith("wrong: 1")
    assert cli.main(["upstream", "validate", str(own / "none.yaml"), "--json"]) == 2
    answer = json.loads(capsys.readouterr().out)
    assert [each["message"] for each in answer["findings"]] == ["No such file or directory"]
    assert cli.main(["upstream", "validate", str(own / "ours.yaml")]) == 0


def test_the_list_asks_nobody(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    finds_out = GOOD.partition("releases:")[0] + "newest: {of: index, count: 2}\n"
    (own / "found.yaml").write_text(finds_out)
    assert cli.main(["upstream", "list", "--upstreams", str(own), "--json"]) == 0
    rows = {tuple(each["images"]): each for each in json.loads(capsys.readouterr().out)}
    assert rows["alma-10",]["keep"] == 4
    assert rows["alma-9",]["keep"] == 2
    assert rows["alma-*",]["unsigned"] == "nobody signs it"
    assert cli.main(["upstream", "list", "--upstreams", str(own)]) == 0
    assert "no: nobody signs it" in capsys.readouterr().out


def test_a_file_of_a_site_counts_before_ours(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (own / "almalinux.yaml").write_text(GOOD)
    assert upstreams.sources(words()).sources["almalinux"].path.parent == PROJECT / "upstreams"
    assert upstreams.sources(words(upstreams=[own])).sources["almalinux"].path.parent == own
    monkeypatch.setenv(upstreams.FOLDERS_VARIABLE, f"{own}:{own}")
    assert upstreams.sources(words()).sources["almalinux"].path.parent == own
    with pytest.raises(UsageError, match="none is no folder"):
        upstreams.sources(words(upstreams=[own / "none"]))


def test_addresses_of_a_site(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs, ours = "https://theirs.example.org", "https://ours.example.org/theirs"
    monkeypatch.setenv(upstreams.INSTEAD_VARIABLE, f"{theirs}/a/=https://a.example.org/ ")
    asking = upstreams.asking(words(instead=[f"{theirs}={ours}"], beta=True))
    # With a slash: theirs.example.org.evil.example begins the same otherwise.
    pairs = {f"{theirs}/a/": "https://a.example.org/", f"{theirs}/": f"{ours}/"}
    assert (asking.instead, asking.beta) == (pairs, True)
    for wrong in ("theirs=ours", theirs, f"{theirs}=", f"={ours}", f"{theirs}=ftp://ours"):
        with pytest.raises(UsageError, match="is no pair of URLs"):
            upstreams.asking(words(instead=[wrong]))
    with pytest.raises(UsageError, match="no https URL"):
        upstreams.asking(words(instead=[f"{theirs}=http://ours.example.org"]))


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ((), "either images are named, or all of them are pulled"),
        (("--all", "alma-10"), "either images are named, or all of them are pulled"),
        (("--all", "--jobs", "0"), "0 images cannot come at once"),
        (("--all", "--jobs", "99"), "99 images cannot come at once"),
        (("--all", "--upstreams", "/nowhere"), "/nowhere is no folder"),
        (("alpaca-10",), "no upstream has alpaca-10"),
    ],
)
def test_wrong_usage_of_pull(
    argv: tuple[str, ...], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["upstream", "pull", *argv, "--to", str(tmp_path / "store")]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "store").exists()


def test_who_expires_a_store_keeps_what_is_promised(own: Path) -> None:
    asked = keeps(catalogue.read([own]))
    answers = {name: asked(series(name)) for name in ("alma-10", "alma-9-arm64", "debian-13")}
    assert answers == {"alma-10": 4, "alma-9-arm64": 2, "debian-13": None}
    # What another file says of other releases of the same distribution is not about these.
    (own / "rolling.yaml").write_text(
        GOOD.partition("releases:")[0].replace("keep: 4", "keep: 1") + 'releases: [{release: "8"}]'
    )
    asked = keeps(catalogue.read([own]))
    assert [asked(series(name)) for name in ("alma-10", "alma-8")] == [4, 1]
    (own / "ours.yaml").write_text(GOOD.replace("keep: 4", "roles: [minimal]"))
    assert keeps(catalogue.read([own]))(series("alma-10")) is None
