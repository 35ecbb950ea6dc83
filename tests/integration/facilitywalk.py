# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/facility.md, as a new facility manager walks it: its own commands, and its own nginx."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.integration.harness import ROOT
from tests.integration.nginx import Authority

PAGE = ROOT / "docs" / "facility.md"
BLOCK = re.compile(r"^```sh\n(?P<text>.*?)^```$", re.M | re.S)
SERVER = re.compile(r"^```nginx\n(?P<text>.*?)^```$", re.M | re.S)
BOOT = "fai-forge boot "
# The timers of this machine are no matter of a test.
PROGRAMS = {
    "crontab": """\
case $1 in
-l) if [ -e {kept} ]; then cat {kept}; else echo "no crontab for me" >&2; exit 1; fi ;;
-) cat > {kept} ;;
esac
""",
    "systemctl": 'echo "[]"\n',
}


@dataclass(frozen=True)
class Walk:
    """Who walks: in `folder` there are `north` and `south`; `words` stand for words of the page."""

    folder: Path
    words: Mapping[str, str]
    environment: Mapping[str, str]

    def blocks(self, *, boots: bool) -> list[str]:
        """The page's commands, with or without those that boot a guest."""
        found = [self.said(text) for text in BLOCK.findall(PAGE.read_text(encoding="utf-8"))]
        assert any(text.startswith(BOOT) for text in found)
        return [text for text in found if boots or not text.startswith(BOOT)]

    def said(self, text: str) -> str:
        """A text of the page in this test's words, each of which must stand on the page."""
        for word, other in self.words.items():
            text = text.replace(word, other)
        return text

    def go(self, *, boots: bool) -> subprocess.CompletedProcess[str]:
        """Run all blocks, in order, in one shell."""
        page = PAGE.read_text(encoding="utf-8")
        assert [word for word in self.words if word not in page] == []
        programs = self.folder / "bin"
        programs.mkdir()
        python = shlex.quote(sys.executable)
        texts = {"fai-forge": f'exec {python} -m builder "$@"\n', **PROGRAMS}
        for name, text in texts.items():
            kept = shlex.quote(str(self.folder / "crontab"))
            script = text if name == "fai-forge" else text.replace("{kept}", kept)
            (programs / name).write_text(f"#!/bin/sh\n{script}")
            (programs / name).chmod(0o755)
        return subprocess.run(
            ["bash", "-euxo", "pipefail", "-c", "\n".join(self.blocks(boots=boots))],
            cwd=self.folder,
            env={
                **os.environ,
                "PATH": f"{programs}:{os.environ['PATH']}",
                "PYTHONPATH": str(ROOT),
                "XDG_CONFIG_HOME": str(self.folder / "config"),
                "no_proxy": "127.0.0.1",
                **self.environment,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )


def served(authority: Authority, port: int, root: Path) -> str:
    """The page's own `server` block, for a port of this machine and a folder."""
    (text,) = SERVER.findall(PAGE.read_text(encoding="utf-8"))
    words = {
        "443 ssl": f"127.0.0.1:{port} ssl",
        "north.example.org;": "127.0.0.1;",
        "/etc/ssl/certs/north.example.org.pem": str(authority.certificate),
        "/etc/ssl/private/north.example.org.key": str(authority.key),
        "/srv/north/images": str(root),
    }
    for word, other in words.items():
        assert word in text
        text = text.replace(word, other)
    return str(text)
