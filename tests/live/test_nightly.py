# SPDX-License-Identifier: GPL-2.0-or-later
"""A whole nightly on the real archive, twice: it publishes, and then leaves all alone."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from builder.manifest import document
from builder.nightly.model import NightlyRun
from builder.store import keys, reading
from builder.store.folder import FolderPlace
from builder.store.memory import Memory
from tests.integration.signing import key_home
from tests.live.conftest import forge

NAME = "debian-13-slim"
JOB = "https://ci.example.org/jobs/7"


@pytest.mark.thorough
def test_a_nightly_publishes_and_the_next_leaves_all_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one image, and one firmware: the boots of all of them are what other tests are for."""
    monkeypatch.setenv("CI_JOB_URL", JOB)
    out, store = tmp_path / "out", tmp_path / "store"
    with key_home() as home:
        key = home.make("images@example.org")
        words = ("--images", NAME, "--firmware", "uefi", "--out", out, "--store", store)
        call = ("nightly", *words, "--key", key, "--json", "--exit-code")

        first = forge(*call)
        assert first.code == 0, first.out + first.err
        (image,) = NightlyRun.model_validate_json(first.out).images
        assert [(each.name, each.outcome) for each in image.steps] == [
            ("build", "done"),
            ("boot", "done"),
            ("publish", "done"),
        ]
        assert image.checks is not None
        assert (image.checks.failed, image.checks.as_predicted) == ((), True)

        second = forge(*call)
        assert second.code == 5, second.out + second.err
        run = NightlyRun.model_validate_json(second.out)
        assert [(each.outcome, each.why, each.steps) for each in run.images] == [
            ("skipped", "nothing changed", ())
        ]
        assert {each.outcome for each in run.store_steps} == {"done"}

        trusted = keys.Signer(key).keyring()
        place = FolderPlace(store)
        index = reading.read(place, trusted, Memory(tmp_path / "memory"), datetime.now(UTC))
        (entry,) = index.series
        (build,) = entry.builds
        assert (entry.name, build.serial, build.unverified) == (NAME, image.serial, ())
        published = reading.manifest(place, NAME, build)
    assert published.build.job_link == JOB
    assert published.decision is not None
    assert [each.kind for each in published.decision.reasons] == ["first"]
    (boot,) = published.boots
    assert (boot.name, boot.verdict) == ("uefi", "passed")
    # The build itself is what was published.
    (manifest,) = out.glob(f"{NAME}/*/*.manifest.json")
    assert document.load(manifest) == published
