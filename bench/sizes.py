# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of sizes in docs/images.md, from the manifests of the newest builds.

python -m bench.sizes [OUT]
"""

from __future__ import annotations

import sys
from pathlib import Path

from builder.builds import Builds
from builder.manifest import document
from builder.manifest.model import Manifest

HEAD = ("| image | qcow2 | installed | packages |", "| --- | ---: | ---: | ---: |")


def row(manifest: Manifest) -> str:
    """One line of the table; sizes in bytes."""
    qcow2 = next((str(file.size) for file in manifest.files if file.format == "qcow2"), "")
    installed = "" if manifest.installed_bytes is None else str(manifest.installed_bytes)
    return f"| `{manifest.name}` | {qcow2} | {installed} | {len(manifest.packages)} |"


def main() -> int:
    """Print the newest build of each series in OUT."""
    builds = Builds(Path(sys.argv[1] if len(sys.argv) > 1 else "out"))
    newest = {built.name: built for built in builds.all()}
    print(*HEAD, sep="\n")
    for built in newest.values():
        print(row(document.load(built.manifest)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
