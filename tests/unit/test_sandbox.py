# SPDX-License-Identifier: GPL-2.0-or-later
"""What stands in the way of a sandbox, and what helps."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from builder.errors import InfrastructureError
from builder.install import sandbox as module
from builder.install.binfmt import Way
from builder.paths import CACHE_VARIABLE
from builder.run import CommandError, Completed


def test_inside_is_what_the_mark_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(module.MARK, raising=False)
    assert not module.inside()
    monkeypatch.setenv(module.MARK, "1")
    assert module.inside()


@pytest.mark.parametrize(("uid", "mapped"), [(0, False), (1000, True)])
def test_root_needs_no_user_namespace(
    monkeypatch: pytest.MonkeyPatch, uid: int, mapped: bool
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: uid)
    monkeypatch.setattr(module, "_may_mount", lambda _status: True)
    assert ("--map-auto" in module._unshare()) is mapped
    assert "--kill-child" in module._unshare()


@pytest.mark.parametrize(
    ("uid", "way", "starts"),
    [
        (0, Way.NATIVE, ["unshare", "--mount"]),
        (0, Way.MACHINE, ["unshare", "--mount"]),
        (0, Way.PRIVATE, [sys.executable, "-m", "builder.install.userns", "unshare", "--mount"]),
        (1000, Way.PRIVATE, ["unshare", "--map-root-user", "--map-auto", "--mount"]),
    ],
)
def test_a_binfmt_misc_of_its_own_needs_a_user_namespace(
    monkeypatch: pytest.MonkeyPatch, uid: int, way: Way, starts: list[str]
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: uid)
    monkeypatch.setattr(module, "_may_mount", lambda _status: True)
    assert module._unshare(way)[: len(starts)] == starts


# Docker's default set of capabilities has no CAP_SYS_ADMIN; the other one is root's of a machine.
@pytest.mark.parametrize(
    ("held", "own"), [("00000000a80425fb", True), ("000001ffffffffff", False), ("", True)]
)
def test_root_of_a_container_needs_a_user_namespace(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, held: str, own: bool
) -> None:
    status = tmp_path / "status"
    status.write_text("Name:\tcat\n" + (f"CapPrm:\t{'f' * 16}\nCapEff:\t{held}\n" if held else ""))
    ours = module._may_mount
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(module, "_may_mount", lambda _status: ours(status))
    assert ("builder.install.userns" in module._unshare()) is own
    assert "--mount-proc" in module._unshare()


def test_the_way_is_handed_to_the_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Mapping[str, str]] = []

    def foreground(_words: list[str], *, env: Mapping[str, str], **_more: Any) -> int:
        seen.append(env)
        return 0

    monkeypatch.setattr(module, "check", lambda: None)
    monkeypatch.setattr(module, "emulation", lambda _arch: Way.MACHINE)
    monkeypatch.setattr(module, "foreground", foreground)
    module.reenter(["build"], arch="arm64")
    module.reenter(["clean"])
    assert [env[module.EMULATION] for env in seen] == ["machine", "native"]


def test_a_forbidden_namespace_names_the_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(argv: list[str], **_more: Any) -> Completed:
        raise CommandError(Completed(tuple(argv), 1, "unshare: unshare failed: No space left\n"))

    setting = tmp_path / "max_user_namespaces"
    setting.write_text("0\n")
    other = tmp_path / "other"
    other.write_text("1\n")
    obstacles = (
        module.Obstacle(setting, "0", "sysctl user.max_user_namespaces=9999"),
        module.Obstacle(other, "0", "sysctl other=1"),
        module.Obstacle(tmp_path / "absent", "0", "sysctl absent=1"),
    )
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(module, "run", fails)
    monkeypatch.setattr(module, "OBSTACLES", obstacles)
    with pytest.raises(InfrastructureError, match="does not let us make namespaces") as caught:
        module.check()
    assert caught.value.hint == "run as root: sysctl user.max_user_namespaces=9999"
    # Where no setting explains it, unshare's own words do.
    setting.write_text("1\n")
    with pytest.raises(InfrastructureError) as caught:
        module.check()
    assert caught.value.hint == "unshare said: unshare: unshare failed: No space left"


def test_a_masked_proc_is_called_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(argv: list[str], **_more: Any) -> Completed:
        raise CommandError(
            Completed(tuple(argv), 1, "unshare: mount /proc failed: not permitted\n")
        )

    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(module, "run", fails)
    monkeypatch.setattr(module, "OBSTACLES", ())
    with pytest.raises(InfrastructureError) as caught:
        module.check()
    said, meant = caught.value.hint.splitlines()
    assert said == "unshare said: unshare: mount /proc failed: not permitted"
    assert "docs/ci.md tells what it must allow" in meant


@pytest.mark.parametrize(
    ("subuid", "subgid", "missing"),
    [
        ("", "", "subuid"),
        ("other:1:65536\n", "1234:1:65536\n", "subuid"),
        ("1234:100000:65536\n", "", "subgid"),
        ("12345:100000:65536\n", "1234:1:65536\n", "subuid"),
        (None, None, "subuid"),
    ],
)
def test_no_range_of_subordinate_ids(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    subuid: str | None,
    subgid: str | None,
    missing: str,
) -> None:
    files = (tmp_path / "subuid", tmp_path / "subgid")
    for file, text in zip(files, (subuid, subgid), strict=True):
        if text is not None:
            file.write_text(text)
    monkeypatch.setattr(module, "SUBORDINATE_IDS", files)
    monkeypatch.setattr("os.getuid", lambda: 1234)
    monkeypatch.setattr("builder.run.Tool.path", lambda _self: "/usr/bin/true")
    with pytest.raises(
        InfrastructureError, match=f"has no range in {tmp_path}/{missing}"
    ) as caught:
        module._check_subordinate_ids()
    assert "usermod --add-subuids 100000-165535" in caught.value.hint


@pytest.mark.parametrize("who", ["1234", "somebody"])
def test_a_range_by_number_or_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    file = tmp_path / "subids"
    file.write_text(f"other:1:65536\n{who}:100000:65536\n")
    monkeypatch.setattr(module, "SUBORDINATE_IDS", (file, file))
    monkeypatch.setattr("os.getuid", lambda: 1234)
    monkeypatch.setattr(module, "_user", lambda: "somebody")
    monkeypatch.setattr("builder.run.Tool.path", lambda _self: "/usr/bin/true")
    module._check_subordinate_ids()


def test_the_user_is_who_runs_it_and_not_who_the_environment_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LOGNAME", "mallory")
    monkeypatch.setattr("os.getuid", lambda: 0)
    assert module._user() == "root"
    # A user without an entry, as in many containers.
    monkeypatch.setattr("os.getuid", lambda: 4_000_000_000)
    assert module._user() == "4000000000"


@pytest.mark.parametrize("code", [137, -9])
def test_a_killed_build_is_said(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    monkeypatch.setattr(module, "check", lambda: None)
    monkeypatch.setattr(module, "foreground", lambda *_a, **_k: code)
    monkeypatch.setattr("builder.run.Tool.path", lambda _self: "/usr/bin/true")
    with pytest.raises(InfrastructureError, match="was killed") as caught:
        module.reenter(["build", "debian-13"])
    assert "--workspace disk" in caught.value.hint


@pytest.mark.parametrize("code", [0, 1, 2, 3, 4, 130])
def test_the_builds_own_exit_code_is_handed_on(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    seen: list[tuple[list[str], dict[str, str]]] = []

    def foreground(words: list[str], *, env: dict[str, str], quiet: bool) -> int:
        assert not quiet
        seen.append((words, env))
        return code

    monkeypatch.setattr(module, "check", lambda: None)
    monkeypatch.setattr(module, "foreground", foreground)
    monkeypatch.setattr("builder.run.Tool.path", lambda _self: "/usr/bin/true")
    assert module.reenter(["build", "debian-13"], env={"SOURCE_DATE_EPOCH": "1"}) == code
    ((words, env),) = seen
    assert words[:3] == ["setpriv", "--pdeathsig", "KILL"]
    assert words[-2:] == ["build", "debian-13"]
    assert (env[module.MARK], env["SOURCE_DATE_EPOCH"]) == ("1", "1")
    assert CACHE_VARIABLE in env
