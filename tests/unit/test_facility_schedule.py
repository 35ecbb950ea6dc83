# SPDX-License-Identifier: GPL-2.0-or-later
"""Jobs, their units and lines of a crontab, and how a run is kept."""

from __future__ import annotations

import json
import re
import shlex
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from builder.errors import InfrastructureError, UsageError
from builder.facility.config import CUSTOM
from builder.facility.locks import alone
from builder.facility.schedule import crontab, jobs, outcomes, table, units
from builder.facility.schedule.jobs import JOBS, Command
from builder.facility.schedule.units import Call, Place
from builder.manifest import document
from builder.manifest.imported import Imported, Origin
from builder.progress import NoProgress
from tests.unit.facilityworld import World, world
from tests.unit.stores import NOW, build

FILE = Path("/srv/north/facility.yaml")
CALL = Call("north", FILE, ("/opt/forge/bin/fai-forge",), {"FAI_FORGE_CACHE": "/srv/cache"})


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return world(tmp_path, monkeypatch)


def unit(kind: str, job: str = "sync", *, call: Call = CALL, user: bool = False) -> str:
    texts = dict(units.rendered(call, JOBS[job], calendar="daily", delay="2h", user=user))
    return texts[f"fai-forge-north-{job}.{kind}"]


def test_a_timer_says_when() -> None:
    text = unit("timer")
    for line in ("OnCalendar=daily", "RandomizedDelaySec=2h", "Persistent=true"):
        assert line in text.splitlines()
    assert "WantedBy=timers.target" in text


def test_a_service_calls_the_program_by_absolute_paths() -> None:
    lines = unit("service").splitlines()
    words = "schedule run sync --facility /srv/north/facility.yaml"
    assert f"ExecStart=/opt/forge/bin/fai-forge {words}" in lines
    assert "Environment=FAI_FORGE_CACHE=/srv/cache" in lines
    assert "EnvironmentFile=-/srv/north/facility.env" in lines


@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize("user", [True, False])
def test_a_build_may_make_user_namespaces(job: str, user: bool) -> None:
    text = unit("service", job, user=user)
    # newuidmap has the setuid bit; and what systemd mounts over /proc, nobody can mount anew.
    forbidding = ("NoNewPrivileges", "PrivateUsers", "RestrictNamespaces", "ProtectKernelTunables")
    found = [word for word in forbidding if f"\n{word}=" in text]
    assert found == (
        [] if JOBS[job].builds else ["NoNewPrivileges", *([] if user else forbidding[3:])]
    )


def test_odd_paths_stay_what_they_are() -> None:
    odd = Path('/srv/100% "$HOME/facility.yaml')
    call = replace(CALL, file=odd, environment={"GNUPGHOME": "/a $b"})
    lines = unit("service", call=call).splitlines()
    assert any(line.endswith('--facility "/srv/100%% \\"$$HOME/facility.yaml"') for line in lines)
    assert 'Environment="GNUPGHOME=/a $b"' in lines
    with pytest.raises(UsageError):
        unit("service", call=replace(CALL, file=Path("/srv/a\nExecStart=x/facility.yaml")))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A folder of units, where systemd does not run."""
    monkeypatch.setattr(units, "is_running", lambda: False)
    monkeypatch.setattr(units, "check_calendar", lambda _calendar: None)
    return Place(tmp_path / "units", user=True)


def install(place: Place, call: Call = CALL, calendar: str = "daily") -> None:
    units.install(call, place, JOBS["sync"], calendar=calendar, delay="2h")


def test_units_come_and_go(place: Place) -> None:
    install(place)
    install(place, calendar="hourly")
    assert units.installed(CALL, place) == ("sync",)
    assert units.calendar_of(CALL, place, "sync") == "hourly"
    assert len(units.remove(CALL, place, "sync")) == 2
    assert list(place.folder.iterdir()) == []
    assert units.remove(CALL, place, "sync") == ()


def test_units_of_others_are_left_alone(place: Place) -> None:
    install(place)
    other = replace(CALL, file=Path("/srv/other/facility.yaml"))
    assert units.installed(other, place) == ()
    for change in (lambda: install(place, other), lambda: units.remove(other, place, "sync")):
        with pytest.raises(UsageError) as caught:
            change()
        assert "is not about /srv/other/facility.yaml" in caught.value.message
    assert units.installed(CALL, place) == ("sync",)


def test_times_of_timers_are_read() -> None:
    rows = [
        {"next": 1795305600000000, "unit": "fai-forge-north-sync.timer", "activates": "x"},
        {"next": None, "unit": "fai-forge-north-build.timer"},
    ]
    assert units.parse_timers(json.dumps(rows)) == {"fai-forge-north-sync": 1795305600000000}
    for odd in ("", "[]", "nonsense", "{}", "[1]"):
        assert units.parse_timers(odd) == {}


@pytest.mark.parametrize(
    ("calendar", "found"),
    [
        ("daily", "0 0 * * *"),
        ("03:30", "30 3 * * *"),
        ("0 5 * * 1", "0 5 * * 1"),
        ("*/5 * * * *", "*/5 * * * *"),
    ],
)
def test_times_in_cron_s_words(calendar: str, found: str) -> None:
    assert crontab.fields(calendar) == found


@pytest.mark.parametrize("calendar", ["Mon *-*-* 03:00:00", "25:00", "", "* * * *\n* rm"])
def test_times_that_cron_has_no_words_for(calendar: str) -> None:
    with pytest.raises(UsageError):
        crontab.fields(calendar)


THEIRS = "MAILTO=me\n# mine\n5 4 * * * something"


def test_lines_come_and_go_and_others_stay() -> None:
    lines = crontab.block(CALL, JOBS["sync"], "0 2 * * *", "2h")
    text = crontab.with_block(THEIRS, CALL, "sync", lines)
    assert text.startswith(THEIRS + "\n")
    assert list(crontab.blocks(text, CALL)) == [("sync", "0 2 * * *")]
    later = crontab.block(CALL, JOBS["sync"], "0 3 * * *", "2h")
    text = crontab.with_block(text, CALL, "sync", later)
    assert list(crontab.blocks(text, CALL)) == [("sync", "0 3 * * *")]
    other = replace(CALL, file=Path("/srv/other/facility.yaml"))
    assert list(crontab.blocks(text, other)) == []
    assert crontab.with_block(text, other, "sync", "") == text
    assert crontab.with_block(text, CALL, "sync", "") == THEIRS + "\n"
    assert crontab.with_block("", CALL, "sync", "") == ""


def test_a_block_without_its_end_is_left_alone() -> None:
    lines = crontab.block(CALL, JOBS["sync"], "0 2 * * *", "2h")
    broken = lines.rpartition("# fai-forge ends")[0] + "1 1 * * * precious\n"
    with pytest.raises(UsageError) as caught:
        crontab.with_block(broken, CALL, "sync", lines)
    assert "without its end" in caught.value.message


def test_a_line_survives_cron_and_the_shell() -> None:
    call = replace(CALL, file=Path("/srv/100% 'x/facility.yaml"))
    _, line, _ = crontab.block(call, JOBS["sync"], "0 2 * * *", "2h").splitlines()
    assert re.search(r"(?<!\\)%", line) is None
    words = shlex.split(line.replace("\\%", "%").split(" ", 5)[5])
    assert words == [
        "env",
        "FAI_FORGE_CACHE=/srv/cache",
        *call.argv(JOBS["sync"], "--delay", "2h", "--quiet"),
    ]


@pytest.mark.parametrize(("span", "seconds"), [("90s", 90), ("30min", 1800), ("2h", 7200)])
def test_spans(span: str, seconds: int) -> None:
    assert jobs.seconds(span) == seconds


@pytest.mark.parametrize("span", ["", "2", "h", "2 h", "-1h", "1h30min"])
def test_spans_that_are_none(span: str) -> None:
    with pytest.raises(UsageError):
        jobs.seconds(span)


def test_all_jobs_have_times_for_both() -> None:
    for job in JOBS.values():
        assert crontab.fields(job.cron) == job.cron
        assert jobs.seconds(job.delay) > 0
    with pytest.raises(UsageError) as caught:
        jobs.find("snyc")
    assert "did you mean sync?" in caught.value.message


def test_a_job_calls_verbs_with_the_facility(here: World) -> None:
    words = {name: JOBS[name].commands(here.site, FILE) for name in ("sync", "expire", "check")}
    assert words["sync"] == (("sync", "--facility", str(FILE)),)
    assert words["expire"] == (("facility", "expire", "--facility", str(FILE)),)


def test_what_the_site_builds_itself_is_built_anew(here: World, tmp_path: Path) -> None:
    assert JOBS["build"].commands(here.site, FILE) == ()
    for name, channel in (("debian-13-ours", CUSTOM), ("debian-13", "release")):
        made = build(tmp_path / "out", "20261120", name=name)
        here.site.store.admit(made.folder, channel, NOW, NoProgress())
    theirs = build(tmp_path / "out", "20261120", name="appliance-1")
    of = document.load(theirs.manifest)
    known = Imported(
        name=of.name,
        serial=of.serial,
        title="An appliance",
        distro="appliance",
        release="1",
        arch="amd64",
        origin=Origin(url="x", retrieved=NOW, vouched="us"),
        files=of.files,
    )
    theirs.manifest.write_text(document.dump(known))
    here.site.store.admit(theirs.folder, CUSTOM, NOW, NoProgress())
    first, last = JOBS["build"].commands(here.site, FILE)
    assert first[:5] == ("build", "debian-13-ours", "--upload", "--facility", str(FILE))
    assert last[:2] == ("clean", "--old")
    assert first[-2:] == last[-2:] == ("--out", str(here.site.incoming / "built"))


def runner(code: int, *lines: str) -> Callable[[Command, Callable[[str], None]], int]:
    def run(_command: Command, hear: Callable[[str], None]) -> int:
        for line in lines:
            hear(line)
        return code

    return run


def run_job(here: World, code: int, *lines: str) -> outcomes.Outcome:
    return outcomes.run_job(here.site, FILE, JOBS["sync"], runner=runner(code, *lines))


def test_a_run_is_kept(here: World, capsys: pytest.CaptureFixture[str]) -> None:
    done = run_job(here, 0, "all is well")
    assert (done.exit_code, done.error) == (0, "")
    assert outcomes.last(here.site, "sync") == done
    log = Path(done.log).read_text()
    assert "fai-forge sync --facility" in log
    assert "all is well" in log
    assert "all is well" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("lines", "error"),
    [
        (["begin", "fai-forge: the store is full", "    make room"], "the store is full"),
        (["fai-forge: first", "fai-forge: second", "more"], "second"),
        (["one", "two", ""], "two"),
        ([], "exit code 4"),
    ],
)
def test_a_failure_is_kept_with_its_last_error(here: World, lines: list[str], error: str) -> None:
    done = run_job(here, 4, *lines)
    assert (done.exit_code, done.error) == (4, error)


def test_all_commands_are_run_and_the_first_failure_counts(here: World) -> None:
    called: list[Command] = []

    def run(command: Command, hear: Callable[[str], None]) -> int:
        called.append(command)
        hear(f"fai-forge: {command[0]} failed")
        return {"a": 0, "b": 3, "c": 4}[command[0]]

    job = replace(JOBS["build"], commands=lambda _site, _file: [("a",), ("b",), ("c",)])
    done = outcomes.run_job(here.site, FILE, job, runner=run)
    assert called == [("a",), ("b",), ("c",)]
    assert done.exit_code == 3


def test_a_job_runs_once_at_a_time(here: World) -> None:
    with alone(here.site.state / "schedule", "sync"):
        with pytest.raises(InfrastructureError) as caught:
            run_job(here, 0)
        assert outcomes.is_running(here.site, "sync")
    assert "another sync is at work" in caught.value.message
    assert outcomes.last(here.site, "sync") is None
    assert not outcomes.is_running(here.site, "sync")


def test_an_interrupted_run_says_so(here: World) -> None:
    def run(_command: Command, _hear: Callable[[str], None]) -> int:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        outcomes.run_job(here.site, FILE, JOBS["sync"], runner=run)
    found = outcomes.last(here.site, "sync")
    assert found is not None
    assert (found.exit_code, found.error) == (130, "interrupted")


def test_a_killed_run_is_found_out(here: World) -> None:
    states: list[str] = []

    def run(_command: Command, _hear: Callable[[str], None]) -> int:
        running = outcomes.last(here.site, "sync")
        states.append(table._state(here.site, running))
        return 0

    done = outcomes.run_job(here.site, FILE, JOBS["sync"], runner=run)
    assert states == ["running"]
    cut = done.model_copy(update={"ended": None, "exit_code": None})
    assert table._state(here.site, cut) == "killed"
    assert table._state(here.site, done) == "done"


def test_only_the_last_logs_stay(here: World) -> None:
    done = run_job(here, 0)
    folder = Path(done.log).parent
    for day in range(1, 28):
        (folder / f"sync-202610{day:02}T000000Z.log").write_text("old")
        (folder / f"expire-202610{day:02}T000000Z.log").write_text("another's")
    newest = run_job(here, 0)
    logs = sorted(path.name for path in folder.glob("sync-*.log"))
    assert len(logs) == outcomes.KEPT
    assert Path(newest.log).name in logs
    assert "sync-20261001T000000Z.log" not in logs
    assert len(list(folder.glob("expire-*.log"))) == 27


def test_a_random_delay_is_waited_for(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    for _ in range(20):
        outcomes.run_job(here.site, FILE, JOBS["sync"], delay=100, quiet=True, runner=runner(0))
    assert len(set(slept)) > 1
    assert all(0 <= each <= 100 for each in slept)


def test_quiet_runs_write_to_the_log_only(here: World, capsys: pytest.CaptureFixture[str]) -> None:
    done = outcomes.run_job(here.site, FILE, JOBS["sync"], quiet=True, runner=runner(0, "hello"))
    assert "hello" in Path(done.log).read_text()
    assert capsys.readouterr().err == ""
