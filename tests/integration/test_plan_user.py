# SPDX-License-Identifier: GPL-2.0-or-later
"""A plan needs no root, no namespace, and nothing that a build left."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
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
