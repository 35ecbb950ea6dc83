# SPDX-License-Identifier: GPL-2.0-or-later
"""Run FAI: `fai dirinstall` on a merged config space, watched line by line, judged by its log."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from builder.errors import BuildError, InfrastructureError, UsageError
from builder.install.verdict import Finding, judge
from builder.install.workspace import Workspace
from builder.progress import Progress
from builder.run import needs, run

HOSTNAME = "debian"
PREFERENCES = "etc/apt/preferences.d"
NFSROOT_MARK = Path("/.THIS_IS_THE_FAI_NFSROOT")
TASK = re.compile(r"^Calling task_(?P<task>\w+)")
# dpkg says two lines about each package that it installs.
DPKG_STEP = re.compile(r"^(?:Unpacking|Setting up) (?P<package>[^ :]+)")
WOULD_RUN = re.compile(r"install_packages: executing .*?apt-get (?P<words>.*)")
FAI_VERSION = re.compile(r"FAI_VERSION=\"(?P<version>[^\"]+)\"")
# FAI's tasks in words, for the person who waits.
TASK_WORDS = {
    "extrbase": "unpacking the base file",
    "debconf": "presetting debconf",
    "repository": "preparing package sources",
    "updatebase": "updating the base",
    "instsoft": "installing packages",
    "configure": "running the classes' scripts",
    "finish": "finishing",
}


@dataclass(frozen=True)
class Wanted:
    """The packages that a config space asks for, and whether with what they recommend."""

    packages: tuple[str, ...]
    recommends: bool


def wanted_packages(config: Path, classes: Sequence[str]) -> Wanted:
    """Which packages FAI's own `install_packages` would hand to apt for these classes."""
    return read_answer(ask_packages(config, classes))


@needs("install_packages", package="fai-client", purpose="read package_config as FAI does")
def ask_packages(config: Path, classes: Sequence[str]) -> tuple[str, ...]:
    """What FAI's own `install_packages` says that it would do for these classes, in lines."""
    lines: list[str] = []
    run(
        ["install_packages", "-n", "-N", "-m", "9999"],
        env={"FAI": str(config), "classes": " ".join(classes), "FAI_ROOT": "/nonexistent"},
        on_line=lines.append,
    )
    return tuple(lines)


def read_answer(lines: Sequence[str]) -> Wanted:
    """The packages in what `install_packages` says."""
    packages: list[str] = []
    recommends = False
    for line in lines:
        match = WOULD_RUN.search(line)
        words = match["words"].split() if match else []
        if "install" not in words:
            continue
        if "-t" in words:
            raise UsageError(
                f"a package_config asks for a release by release={words[words.index('-t') + 1]},"
                " which no plan can foresee",
                hint="pin the packages in files/etc/apt/preferences.d/NAME.pref/CLASS, or name the"
                " release with each package: PACKAGE/RELEASE",
            )
        recommends = recommends or "--no-install-recommends" not in words
        chosen = words[words.index("install") + 1 :]
        packages += [word for word in chosen if not word.startswith("-")]
    return Wanted(tuple(dict.fromkeys(packages)), recommends)


@needs("fcopy", package="fai-client", purpose="choose the pins of packages as FAI does")
def preferences(config: Path, classes: Sequence[str], folder: Path) -> Path | None:
    """The folder of apt's pins that these classes bring, copied below `folder`; None: no pins.

    The hook updatebase.DEFAULT puts the same files into the new system before it installs anything.
    """
    if not (config / "files" / PREFERENCES).is_dir():
        return None
    run(
        ["fcopy", "-B", "-i", "-r", "-t", folder, f"/{PREFERENCES}"],
        env={"FAI": str(config), "classes": " ".join(classes)},
    )
    return folder / PREFERENCES


@needs("fai", package="fai-client", purpose="install images")
def version() -> str:
    """The version of the FAI that this machine has."""
    # `fai --help` prints it too, but only as root.
    for folder in ("/usr/sbin", "/usr/bin"):
        script = Path(folder, "fai")
        if script.exists():
            match = FAI_VERSION.search(script.read_text(encoding="utf-8", errors="replace"))
            return match["version"] if match else "unknown"
    return "unknown"


@needs("fai", package="fai-client", purpose="install images")
def dirinstall(
    space: Workspace,
    classes: Sequence[str],
    *,
    variables: Mapping[str, str],
    log: IO[str],
    total: int,
    progress: Progress,
) -> None:
    """Install `classes` of the workspace's config space into its tree.

    `variables` are seen by the classes' scripts; `log` gets all that FAI prints; `total` is the
    number of packages that are expected. A BuildError says what the log shows to have failed.
    """
    if NFSROOT_MARK.exists():
        raise InfrastructureError(
            "this machine is a FAI nfsroot, where a failing installation may reboot the host",
            hint="build on another machine",
        )
    settings = _settings(space)
    watch = _Watch(total, progress)
    # FAI goes on after a failing hook; there is no use in waiting for the rest.
    done = run(
        [
            *("fai", "--verbose", "--hostname", HOSTNAME, "--cfdir", settings),
            *("--class", " ".join(classes), "--cspace", f"file://{space.config}"),
            *("dirinstall", space.tree),
        ],
        # The caller's TMPDIR, if any, is not to be found in the tree.
        env={**variables, "TMPDIR": "/tmp"},  # noqa: S108
        cwd=Path("/"),
        timeout=4 * 3600,
        check=False,
        log_to=log,
        on_line=watch.see,
    )
    if done.returncode != 0:
        raise BuildError(
            f"FAI failed with exit code {done.returncode}",
            hint=f"its last words were:\n{done.output.strip()}",
        )


def script_output(name: str = "scripts.log") -> str:
    """What the classes' scripts printed; FAI keeps that apart from its own log."""
    logs = sorted(Path("/var/log/fai").glob(f"{HOSTNAME}/*/{name}"))
    return logs[-1].read_text(encoding="utf-8", errors="replace") if logs else ""


class _Watch:
    """Follows FAI's output: tells how far the installation is, and stops it when it has failed."""

    def __init__(self, total: int, progress: Progress) -> None:
        self._number = 0
        self._steps = 0
        self._total = total
        self._progress = progress
        self._task = ""

    def see(self, line: str) -> None:
        """Take note of one line; raises BuildError for one that means failure."""
        self._number += 1
        if finding := judge(line, self._number):
            raise _failure(finding)
        if match := TASK.match(line):
            if match["task"] not in TASK_WORDS:
                return
            self._task = TASK_WORDS[match["task"]]
        elif DPKG_STEP.match(line):
            self._steps += 1
        else:
            return
        self._progress.update(min(self._steps // 2, self._total), self._total, self._task)


def _settings(space: Workspace) -> Path:
    """FAI's own configuration folder, so that the machine's /etc/fai does not matter."""
    folder = space.scratch / "etc-fai"
    folder.mkdir()
    conf = f"FAI_CONFIG_SRC=file://{space.config}\nLOGUSER=\n"
    (folder / "fai.conf").write_text(conf, encoding="utf-8")
    # dirinstall insists on this file; there is a base file, so debootstrap never runs.
    (folder / "nfsroot.conf").write_text(f"NFSROOT={folder}/none\n", encoding="utf-8")
    return folder


def _failure(finding: Finding) -> BuildError:
    """The error for a failed installation, with what the classes' scripts printed last."""
    hint = f"{finding.hint}; line {finding.number} of the log: {finding.line}"
    said = script_output().strip().splitlines()
    if "FAILED" in finding.line and said:
        hint += "\nThe scripts printed last:\n" + "\n".join(said[-12:])
    return BuildError(finding.meaning, hint)
