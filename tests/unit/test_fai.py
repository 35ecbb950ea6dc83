# SPDX-License-Identifier: GPL-2.0-or-later
"""How FAI is asked, watched and stopped."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from builder.errors import BuildError, InfrastructureError, UsageError
from builder.install import fai as module
from builder.install.fai import dirinstall, preferences, version, wanted_packages
from builder.install.workspace import Workspace
from builder.run import Completed

# As FAI 6.0 prints it with -n; 6.2 and later call it `install_packages.pl`.
DRY_RUN = """\
install_packages: executing chroot /nonexistent apt-get clean
install_packages: executing chroot /nonexistent apt-get -y -o Dpkg::Options::=--force-confnew \
--fix-missing install --no-install-recommends init dbus nano
install_packages: executing chroot /nonexistent apt-get -y --fix-missing install \
--no-install-recommends nano vim-tiny
install_packages: executing chroot /nonexistent dpkg --configure --pending
"""


@pytest.fixture(autouse=True)
def all_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builder.run.Tool.path", lambda _self: "/usr/bin/true")


def prints(monkeypatch: pytest.MonkeyPatch, text: str, code: int = 0) -> list[dict[str, Any]]:
    """Let FAI print `text`; the list gets what it was called with."""
    calls: list[dict[str, Any]] = []

    def program(argv: list[Any], *, on_line: Callable[[str], None], **more: Any) -> Completed:
        calls.append({"argv": [str(word) for word in argv], **more})
        for line in text.splitlines():
            on_line(line)
        return Completed(tuple(map(str, argv)), code, text)

    monkeypatch.setattr(module, "run", program)
    return calls


def test_packages_are_those_that_fai_would_ask_for(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = prints(monkeypatch, DRY_RUN)
    wanted = wanted_packages(Path("/cfg"), ("DEFAULT", "DEBIAN"))
    assert wanted.packages == ("init", "dbus", "nano", "vim-tiny")
    assert wanted.recommends is False
    assert calls[0]["env"]["classes"] == "DEFAULT DEBIAN"
    assert calls[0]["env"]["FAI"] == "/cfg"


def test_one_kind_with_recommends_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    more = "install_packages: executing chroot /nonexistent apt-get -y install git\n"
    prints(monkeypatch, DRY_RUN + more)
    wanted = wanted_packages(Path("/cfg"), ("DEFAULT",))
    assert wanted.packages[-1] == "git"
    assert wanted.recommends is True


def test_no_packages_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    prints(monkeypatch, "install_packages: executing chroot /x apt-get clean\n")
    assert wanted_packages(Path("/cfg"), ()).packages == ()


def test_a_release_for_some_packages_cannot_be_planned(monkeypatch: pytest.MonkeyPatch) -> None:
    more = "install_packages: executing chroot /x apt-get -y install -t trixie-backports git\n"
    prints(monkeypatch, DRY_RUN + more)
    with pytest.raises(UsageError, match="release=trixie-backports") as caught:
        wanted_packages(Path("/cfg"), ())
    assert "preferences.d" in caught.value.hint


def test_the_pins_are_those_that_fai_would_copy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls = list[dict[str, Any]]()
    monkeypatch.setattr(module, "run", lambda argv, **more: calls.append({"argv": argv, **more}))
    assert preferences(tmp_path, ("DEFAULT",), tmp_path / "pins") is None
    assert calls == []
    (tmp_path / "files/etc/apt/preferences.d").mkdir(parents=True)
    folder = preferences(tmp_path, ("DEFAULT", "BACKPORTS"), tmp_path / "pins")
    assert folder == tmp_path / "pins/etc/apt/preferences.d"
    assert calls[0]["argv"][-3:] == ["-t", tmp_path / "pins", "/etc/apt/preferences.d"]
    assert calls[0]["env"]["classes"] == "DEFAULT BACKPORTS"


class Shown:
    """A progress that remembers."""

    def __init__(self) -> None:
        self.steps: list[tuple[int, int, str]] = []

    def stage(self, title: str) -> None:
        raise AssertionError(title)

    def update(self, done: int, total: int, detail: str = "") -> None:
        self.steps.append((done, total, detail))

    def finish(self) -> None:
        raise AssertionError


def install(tmp_path: Path, shown: Shown | None = None) -> None:
    space = Workspace(tmp_path)
    space.scratch.mkdir(exist_ok=True)
    dirinstall(
        space,
        ("DEFAULT", "DEBIAN"),
        variables={"FORGE_NAME": "debian-13"},
        log=io.StringIO(),
        total=2,
        progress=shown or Shown(),
    )


LOG = """\
Calling task_extrbase
Skipping task_updatebase
Calling task_instsoft
Unpacking libc6:amd64 (2.41) ...
Setting up libc6:amd64 (2.41) ...
Unpacking nano (8.4) ...
Setting up nano (8.4) ...
Setting up nano (8.4) ...
Setting up nano (8.4) ...
Calling task_configure
Calling task_newtask
"""


def test_progress_counts_packages_and_names_tasks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = prints(monkeypatch, LOG)
    shown = Shown()
    install(tmp_path, shown)
    assert shown.steps[0] == (0, 2, "unpacking the base file")
    assert (1, 2, "installing packages") in shown.steps
    # Packages that are configured twice do not make it more than whole.
    assert shown.steps[-1] == (2, 2, "running the classes' scripts")
    argv = calls[0]["argv"]
    assert argv[0] == "fai"
    assert argv[argv.index("--class") + 1] == "DEFAULT DEBIAN"
    assert argv[-2:] == ["dirinstall", str(tmp_path / "tree")]
    # A TMPDIR of the caller would not be found in the tree.
    assert calls[0]["env"] == {"FORGE_NAME": "debian-13", "TMPDIR": "/tmp"}


def test_the_machines_own_fai_settings_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = prints(monkeypatch, "")
    install(tmp_path)
    argv = calls[0]["argv"]
    settings = Path(argv[argv.index("--cfdir") + 1])
    assert settings.is_relative_to(tmp_path)
    assert {path.name for path in settings.iterdir()} == {"fai.conf", "nfsroot.conf"}


def test_a_bad_line_ends_it_although_fai_says_0(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prints(monkeypatch, "Calling task_instsoft\ninstsoft.BAD  FAILED with exit code 3.\n")
    monkeypatch.setattr(module, "script_output", lambda: "one\ntwo\n")
    with pytest.raises(BuildError, match=r"instsoft\.BAD failed with exit code 3") as caught:
        install(tmp_path)
    assert "line 2 of the log" in caught.value.hint
    assert caught.value.hint.endswith("one\ntwo")


def test_a_bad_exit_code_ends_it_although_the_log_is_clean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prints(monkeypatch, "Calling task_instsoft\n", code=1)
    with pytest.raises(BuildError, match="FAI failed with exit code 1"):
        install(tmp_path)


def test_never_on_an_nfsroot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = prints(monkeypatch, "")
    mark = tmp_path / "mark"
    mark.touch()
    monkeypatch.setattr(module, "NFSROOT_MARK", mark)
    with pytest.raises(InfrastructureError, match="nfsroot"):
        install(tmp_path)
    assert calls == []


def test_the_version_is_read_from_the_script(monkeypatch: pytest.MonkeyPatch) -> None:
    text = '#! /bin/bash\nexport FAI_VERSION="6.0.3+deb12u1"\n'
    monkeypatch.setattr(Path, "exists", lambda _self: True)
    monkeypatch.setattr(Path, "read_text", lambda *_a, **_k: text)
    assert version() == "6.0.3+deb12u1"
