# SPDX-License-Identifier: GPL-2.0-or-later
"""A plan needs no root, no namespace, nothing that a build left, and leaves nothing itself."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from tests.integration.harness import NAME, ROOT, Account, Forge


def test_a_plain_user_plans_with_an_empty_cache(
    home: Path, account: Account, variant: Callable[[Mapping[str, str]], Path]
) -> None:
    project = variant({})
    shutil.copy(ROOT / "images.yaml", project)
    own = home / "plans"
    own.mkdir()
    os.chown(own, account.uid, account.gid)
    forge = Forge(project, own / "cache", own, account.prefix)
    planned = forge.start("plan", NAME, "--out", str(own), "--exit-code")
    assert planned.end() == 0, planned.text
    assert (own / f"decisions/{NAME}.jsonl").stat().st_uid == account.uid


def test_a_closed_terminal_leaves_nothing(
    forge: Forge, tmp_path: Path, variant: Callable[[Mapping[str, str]], Path]
) -> None:
    project = variant({})
    shutil.copy(ROOT / "images.yaml", project)
    forge = replace(forge, project=project, env=(("TMPDIR", str(tmp_path)),))
    planning = forge.start("plan", NAME, "--out", str(forge.out))
    planning.until("Predicting")
    planning.process.send_signal(signal.SIGHUP)
    assert planning.end() == 130, planning.text
    assert list(tmp_path.iterdir()) == []
