# SPDX-License-Identifier: GPL-2.0-or-later
"""`fai-forge facility` and `schedule` with real keys, real disk images and systemd's own checks."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from builder import cli, paths
from builder.facility.schedule import outcomes, units
from builder.facility.schedule.jobs import JOBS
from builder.facility.site import Site
from builder.store import keys, reading
from builder.store.folder import FolderPlace
from builder.store.index import StoreIndex
from builder.store.memory import Memory
from tests.integration.harness import ROOT
from tests.integration.signing import KeyHome, key_home

# It keeps one text, as the user's own crontab does.
CRONTAB = """\
#!/bin/sh
case $1 in
-l) if [ -e "$KEPT" ]; then cat "$KEPT"; else echo "no crontab for me" >&2; exit 1; fi ;;
-) cat > "$KEPT" ;;
*) exit 2 ;;
esac
"""


@pytest.fixture
def gpg() -> Iterator[KeyHome]:
    with key_home() as home:
        yield home


@pytest.fixture
def north(gpg: KeyHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a facility that was set up by `init`, which made its key."""
    assert gpg.folder.is_dir()
    for name in ("CACHE", "STATE"):
        monkeypatch.setenv(f"FAI_FORGE_{name}", str(tmp_path / name.lower()))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    folder = tmp_path / "north"
    folder.mkdir()
    monkeypatch.chdir(folder)
    assert cli.main(["facility", "init", "--name", "north"]) == 0
    return folder


def index(folder: Path) -> StoreIndex:
    """What another site would read, with the key that was exported."""
    trusted = keys.read_keyring(folder / "north.gpg")
    memory = Memory(folder.parent / "other-memory")
    return reading.read(FolderPlace(folder / "images"), trusted, memory, datetime.now(UTC))


def qemu_img(*words: str | Path) -> None:
    subprocess.run(["qemu-img", *map(str, words)], check=True, capture_output=True)


def answer(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_a_new_facility_is_whole(north: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert index(north).series == ()
    assert cli.main(["facility", "check"]) == 0
    assert "NO" not in capsys.readouterr().out
    assert cli.main(["facility", "status"]) == 0
    before = (north / "facility.yaml").read_bytes()
    assert cli.main(["facility", "init", "--name", "north"]) == 2
    assert (north / "facility.yaml").read_bytes() == before


def test_a_facility_that_was_removed_is_set_up_anew(north: Path) -> None:
    for name in ("facility.yaml", "north.gpg"):
        (north / name).unlink()
    shutil.rmtree(north / "images")
    assert cli.main(["facility", "init", "--name", "north"]) == 0
    assert index(north).serial == 1


def test_a_second_facility_takes_the_key_that_is_there(
    north: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = Site.read(north / "facility.yaml").facility.store.key
    capsys.readouterr()
    south = north.parent / "south"
    south.mkdir()
    argv = ["facility", "init", "--name", "south", "--facility", str(south / "facility.yaml")]
    more = ["--key", key, "--remote", str(north / "images"), "--keyring", str(north / "north.gpg")]
    assert cli.main([*argv, *more, "--json"]) == 0
    made = answer(capsys)
    assert (made["key"], made["newKey"]) == (key, False)
    site = Site.read(south / "facility.yaml")
    entry = site.facility.remotes["portal"]
    assert entry.kind == "store"
    assert (entry.url, entry.keyring) == (str(north / "images"), str(north / "north.gpg"))


def test_a_key_with_a_passphrase_is_found(
    north: Path, gpg: KeyHome, capsys: pytest.CaptureFixture[str]
) -> None:
    gpg.gpg("--passphrase", "secret", "--pinentry-mode", "loopback", "--quick-gen-key",
            "asking@example.org", "ed25519", "sign", "never")  # fmt: skip
    listed = gpg.gpg("--with-colons", "--list-keys", "=asking@example.org").decode().splitlines()
    asking = next(line.split(":")[9] for line in listed if line.startswith("fpr:"))
    # The agent remembers a passphrase that it was just given.
    subprocess.run(["gpgconf", "--homedir", gpg.folder, "--reload", "gpg-agent"], check=True)
    file = north / "facility.yaml"
    key = Site.read(file).facility.store.key
    file.write_text(file.read_text().replace(key, asking))
    assert cli.main(["facility", "check"]) == 4
    said = capsys.readouterr().out
    assert "NO  key" in said
    assert "without asking for a passphrase" in said


def test_custom_images_come_and_go(north: Path, capsys: pytest.CaptureFixture[str]) -> None:
    qemu_img("create", "-f", "qcow2", "ours.qcow2", "64M")
    for serial in ("20261101", "20261102", "20261103", "20261104"):
        argv = ["facility", "add", "ours.qcow2", "--name", "appliance-1", "--serial", serial]
        assert cli.main(argv) == 0
    (entry,) = index(north).series
    assert [each.channel for each in entry.builds] == ["custom"] * 4
    capsys.readouterr()
    assert cli.main(["facility", "expire", "--json"]) == 0
    gone = [each["serial"] for each in answer(capsys)["builds"] if each["action"] == "remove"]
    assert gone == ["20261101"]
    assert not (north / "images/appliance-1/custom/20261101/appliance-1-20261101.qcow2").exists()
    (entry,) = index(north).series
    assert [each.state for each in entry.builds] == ["removed", "public", "public", "public"]
    assert cli.main(["facility", "status", "--json"]) == 0
    (row,) = answer(capsys)["series"]
    assert (row["name"], row["local"], row["custom"]) == ("appliance-1", "20261104", True)


@pytest.mark.parametrize(
    ("made", "code"),
    [
        (["create", "-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2", "image.qcow2"], 3),
        (["create", "-f", "qcow2", "-o", "data_file=elsewhere", "image.qcow2", "1M"], 3),
        (["create", "-f", "vmdk", "image.qcow2", "1M"], 2),
        (["create", "-f", "qcow2", "image.raw", "1M"], 2),
    ],
)
def test_images_that_lead_elsewhere_are_refused(north: Path, made: list[str], code: int) -> None:
    qemu_img("create", "-f", "qcow2", "base.qcow2", "1M")
    qemu_img(*made)
    (file,) = north.glob("image.*")
    assert cli.main(["facility", "add", str(file), "--name", "appliance-1"]) == code
    assert index(north).series == ()


def test_a_damaged_image_is_refused(north: Path, capsys: pytest.CaptureFixture[str]) -> None:
    qemu_img("create", "-f", "qcow2", "ours.qcow2", "64M")
    with (north / "ours.qcow2").open("r+b") as file:
        # The table of reference counts is at the second cluster.
        file.seek(65536)
        file.write(b"\xff" * 512)
    assert cli.main(["facility", "add", "ours.qcow2", "--name", "appliance-1"]) == 3
    assert "damaged" in capsys.readouterr().err
    assert index(north).series == ()


def installed(*more: str) -> list[Path]:
    assert cli.main(["schedule", "install", *JOBS, *more]) == 0
    folder = Path(os.environ["XDG_CONFIG_HOME"], "systemd", "user")
    return sorted(folder.iterdir())


def test_systemd_accepts_the_units(north: Path, tmp_path: Path) -> None:
    files = installed("--user")
    assert len(files) == 2 * len(JOBS)
    call = units.Call.here("north", north / "facility.yaml")
    system = tmp_path / "system"
    system.mkdir()
    for job in JOBS.values():
        for name, text in units.rendered(call, job, calendar="daily", delay="2h", user=False):
            (system / name).write_text(text)
    runtime = tmp_path / "runtime"
    runtime.mkdir(mode=0o700)
    for how, paths_ in (("--user", files), ("--system", sorted(system.iterdir()))):
        argv = ["systemd-analyze", "verify", "--man=no", how, *map(str, paths_)]
        env = {**os.environ, "XDG_RUNTIME_DIR": str(runtime)}
        done = subprocess.run(argv, capture_output=True, text=True, check=False, env=env)
        ours = [line for line in done.stderr.splitlines() if "fai-forge" in line]
        assert (done.returncode, ours) == (0, []), done.stderr


def test_what_systemd_would_not_accept_is_found(north: Path) -> None:
    (first, *_) = installed("--user")
    assert str(north) in first.read_text()
    first.write_text(first.read_text().replace("[Service]", "[Service]\nNoSuchThing=yes"))
    argv = ["systemd-analyze", "verify", "--man=no", str(first)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert "NoSuchThing" in done.stderr


def test_a_time_that_systemd_does_not_know_is_refused(north: Path) -> None:
    argv = ["schedule", "install", "sync", "--user", "--on-calendar", "sometime"]
    assert cli.main(argv) == 2
    assert not list(north.parent.glob("config/systemd/user/*"))


def test_a_scheduled_run_says_how_it_went(
    north: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    installed("--user")
    assert cli.main(["schedule", "run", "check"]) == 0
    site = Site.read(north / "facility.yaml")
    (north / "images").rename(north / "elsewhere")
    (north / "images").write_text("no folder")
    assert cli.main(["schedule", "run", "check"]) == 4
    found = outcomes.last(site, "check")
    assert found is not None
    assert found.exit_code == 4
    assert "NO  store" in Path(found.log).read_text()
    capsys.readouterr()
    assert cli.main(["schedule", "list"]) == 0
    said = capsys.readouterr().out
    assert "exit code 4" in said
    assert found.log in said
    assert cli.main(["schedule", "remove"]) == 0
    capsys.readouterr()
    assert cli.main(["schedule", "list", "--json"]) == 0
    assert answer(capsys) == []


def test_without_systemd_cron_does_it(
    north: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = north.parent / "bin"
    programs.mkdir()
    program = programs / "crontab"
    program.write_text(CRONTAB.replace("$KEPT", str(north.parent / "kept")))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setattr(units, "is_running", lambda: False)
    assert cli.main(["schedule", "install", "check", "--on-calendar", "03:30"]) == 0
    kept = (north.parent / "kept").read_text()
    line = next(line for line in kept.splitlines() if line.startswith("30 3 * * * "))
    capsys.readouterr()
    assert cli.main(["schedule", "list", "--json"]) == 0
    (row,) = answer(capsys)
    assert (row["job"], row["by"], row["when"]) == ("check", "cron", "30 3 * * *")
    # As cron calls it: by sh, with nearly no environment.
    command = line.removeprefix("30 3 * * * ").replace("--delay 30min", "--delay 0s")
    bare = {"HOME": str(north), "PATH": "/usr/bin:/bin", "LOGNAME": "me", "SHELL": "/bin/sh"}
    done = subprocess.run(
        ["sh", "-c", command], env=bare, cwd=north, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert outcomes.last(Site.read(north / "facility.yaml"), "check")
    (north / "images").rename(north / "elsewhere")
    done = subprocess.run(
        ["sh", "-c", command], env=bare, cwd=north, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (4, "")
    assert "fai-forge: check failed: " in done.stderr
    assert cli.main(["schedule", "remove", "check"]) == 0
    assert (north.parent / "kept").read_text() == ""
    assert paths.state() == north.parent / "state"
