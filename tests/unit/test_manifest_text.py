# SPDX-License-Identifier: GPL-2.0-or-later
"""The `.manifest` text of a whole manifest."""

from __future__ import annotations

from builder.manifest.model import Manifest, Package
from builder.manifest.text import manifest_text


def test_lines() -> None:
    def package(name: str, arch: str, multi_arch: str) -> Package:
        return Package.model_validate(
            {
                "name": name,
                "version": "1:2-3",
                "arch": arch,
                "source": name,
                "source_version": "1",
                "multi_arch": multi_arch,
                "origins": (),
                "in_stable": None,
                "auto": False,
            }
        )

    # Only what the text is made of; the rest of the document has no say in it.
    manifest = Manifest.model_construct(
        arch="arm64",
        packages=(package("bash", "arm64", "foreign"), package("libc6", "arm64", "same")),
    )
    assert manifest_text(manifest) == "bash\t1:2-3\nlibc6:arm64\t1:2-3\n"
