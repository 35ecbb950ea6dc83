# SPDX-License-Identifier: GPL-2.0-or-later
"""Which program starts containers on this machine: the first that really started one.

Looking is not enough: what a machine allows hangs on its kernel, its control groups, and whatever
confines us. So each program starts a tiny container, whose first process tries what systemd needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from builder.errors import ForgeError, InfrastructureError
from builder.guest.containers.keeper import Plan
from builder.guest.containers.running import Container, start_words
from builder.guest.containers.tools import TOOLS, Instance, Tool
from builder.install import sandbox
from builder.rundir import run_folder

WORKS = "a container works here"
SECONDS = 60.0
# systemd is the first process, and makes control groups.
PROBE = f"""\
#!/bin/sh
set -e
test $$ = 1
mkdir /sys/fs/cgroup/probe
rmdir /sys/fs/cgroup/probe
echo '{WORKS}' > /proof
"""
USR = Path("/usr")
MISSING = "it is not installed"
ADVICE = """\
a container needs user namespaces, and a control group of version 2 that its user may write to;
as a plain user of a machine with systemd: systemd-run --user --scope --property=Delegate=yes \
fai-forge ..."""


@dataclass(frozen=True)
class Finding:
    """Whether a program starts containers here; `why_not` is empty if it does."""

    tool: Tool
    why_not: str


def choose(parent: Path, tools: Sequence[Tool] = TOOLS) -> Tool:
    """The first program that works; InfrastructureError where none does.

    `parent` is where the folders of runs are.
    """
    findings = looks(parent, tools)
    if findings and not findings[-1].why_not:
        return findings[-1].tool
    said = "\n".join(f"{each.tool.name}: {each.why_not}" for each in findings)
    raise InfrastructureError(
        "no container can be started on this machine", hint=f"{said}\n{advice(findings)}"
    )


def looks(parent: Path, tools: Sequence[Tool] = TOOLS) -> list[Finding]:
    """What was found out until a program worked; that one is the last."""
    findings: list[Finding] = []
    for tool in tools:
        findings.append(look(tool, parent))
        if not findings[-1].why_not:
            break
    return findings


def advice(findings: Sequence[Finding]) -> str:
    """What would help where none works."""
    if all(each.why_not == MISSING for each in findings):
        return f"apt-get install {' or '.join(each.tool.package for each in findings)}"
    return ADVICE


def look(tool: Tool, parent: Path) -> Finding:
    """Try one program."""
    if not tool.there():
        return Finding(tool, MISSING)
    try:
        sandbox.check()
        return Finding(tool, _try(tool, parent))
    except ForgeError as error:
        return Finding(tool, error.message)


def _try(tool: Tool, parent: Path) -> str:
    """Start a container of the host's own programs; what went wrong, or nothing."""
    with run_folder(parent) as folder:
        tree = folder / "tree"
        _furnish(tree)
        name = f"fai-forge-{folder.name}"
        instance = Instance(name, tree, folder, folder / "console", ("/bin/sh", "/probe"), (USR,))
        plan = Plan(
            lock=str(folder / "owner"),
            name=name,
            folder=str(folder),
            prepare=(),
            start=start_words(tool, instance, ""),
            clean=("true",),
        )
        container = Container(plan, folder / "told")
        try:
            if not container.stopped.wait(SECONDS):
                return f"it did not end within {SECONDS:.0f} s"
        finally:
            container.destroy()
        if container.error is not None:
            raise container.error
        proof = tree / "proof"
        if proof.exists() and proof.read_text().strip() == WORKS:
            return ""
        told = [line for line in (folder / "told").read_text().splitlines() if line.strip()]
        return told[-1].strip() if told else "it said nothing"


def _furnish(tree: Path) -> None:
    """A root with the host's own programs; its /usr is shown to it by the program."""
    for name in ("dev", "etc", "proc", "run", "sys", "tmp", "usr", "var"):
        (tree / name).mkdir(parents=True)
    for entry in Path("/").iterdir():
        if entry.is_symlink() and entry.resolve().is_relative_to(USR):
            (tree / entry.name).symlink_to(entry.readlink())
    (tree / "etc/os-release").write_text("ID=probe\n")
    (tree / "probe").write_text(PROBE)
