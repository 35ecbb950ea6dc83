# SPDX-License-Identifier: GPL-2.0-or-later
"""Shell scripts that bash cannot read, or that shellcheck warns of."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from builder.classes import Overlay
from builder.configspace import EXECUTABLE, children
from builder.run import Tool, needs, run
from builder.validate.finding import Finding

CHECK = "scripts"
SHELLCHECK = Tool("shellcheck", "shellcheck", "check the classes' scripts")
SHEBANG = re.compile(rb"#!\s*(?:/usr/bin/env\s+)?(?:/\S*/)?(?P<shell>bash|sh|dash)\b")
# What FAI reads into its own bash, and what fcopy runs.
SOURCED = re.compile(r"hooks/.+\.sh|hooks/subroutines|class/.+\.var|class/[0-9][0-9].*\.sh")
HELPERS = re.compile(r"files/.+/(?:preinst|postinst)")
# `bash -n` and `dash -n`: "x: line 3: syntax error", "x: 3: Syntax error".
SYNTAX = re.compile(r"^.+?: (?:line )?(?P<line>[0-9]+): (?P<what>.+)", re.M)
# FAI sets these; shellcheck wonders about lower-case variables that nobody sets.
FAI_VARIABLES = ("target", "classes", "newclasses", "disklist", "verbose", "debug", "newhostname")
UNASSIGNED, UNUSED = 2154, 2034
# A file that is read from elsewhere is not there when the script is checked.
NOT_THERE = (1090, 1091)


@dataclass(frozen=True)
class Script:
    """A file that a shell will read, and which one."""

    path: Path
    shell: str
    is_sourced: bool


def scripts_of(overlay: Overlay) -> tuple[Script, ...]:
    """The shell scripts of a folder; those of other languages are for others to check."""
    found = []
    for path in _below(overlay.path):
        name = path.relative_to(overlay.path).as_posix()
        if SOURCED.fullmatch(name):
            found.append(Script(path, "bash", is_sourced=True))
        elif EXECUTABLE.fullmatch(name) or HELPERS.fullmatch(name):
            with path.open("rb") as file:
                shebang = SHEBANG.match(file.readline(200))
            if shebang:
                found.append(Script(path, shebang["shell"].decode(), is_sourced=False))
    return tuple(found)


def check(scripts: Sequence[Script], seen: Callable[[int, int], None]) -> Iterator[Finding]:
    """The findings for some scripts; `seen` is told how many are read, of how many."""
    readable = []
    for number, script in enumerate(scripts, 1):
        faults = list(_read(script))
        yield from faults
        if not faults:
            readable.append(script)
        seen(number, len(scripts))
    if SHELLCHECK.path() is not None:
        for sourced in (False, True):
            yield from _shellcheck([one for one in readable if one.is_sourced is sourced], sourced)


@needs("bash", package="bash", purpose="read the classes' scripts")
def _read(script: Script) -> Iterator[Finding]:
    """What the script's own shell says without running it."""
    shell = "bash" if script.shell == "bash" else "sh"
    done = run([shell, "-n", script.path], check=False)
    if done.returncode == 0:
        return
    found = SYNTAX.search(done.output)
    line, what = (int(found["line"]), found["what"]) if found else (0, done.output.strip())
    yield Finding(CHECK, script.path, f"{shell} cannot read it: {what}", "mend that line", line)


def _shellcheck(scripts: Sequence[Script], sourced: bool) -> Iterator[Finding]:
    if not scripts:
        return
    shell = ("--shell=bash",) if sourced else ()
    files = [script.path for script in scripts]
    argv: list[str | Path] = ["shellcheck", "--norc", "--severity=warning", "--format=json1"]
    done = run([*argv, *shell, "--", *files], capture=True, check=False)
    for comment in json.loads(done.output)["comments"]:
        code, message = int(comment["code"]), str(comment["message"])
        ours = code == UNASSIGNED and message.split(" ", 1)[0] in FAI_VARIABLES
        # The variables of a .var file are for others.
        if ours or code in NOT_THERE or (sourced and code == UNUSED):
            continue
        yield Finding(
            CHECK,
            Path(comment["file"]),
            f"shellcheck: {message.splitlines()[0].rstrip('.')} (SC{code})",
            f"mend it, or put `# shellcheck disable=SC{code} # why` above the line",
            int(comment["line"]),
        )


def _below(folder: Path) -> Iterator[Path]:
    for child in children(folder):
        if child.is_symlink():
            continue
        if child.is_dir():
            yield from _below(child)
        elif child.is_file():
            yield child
