# SPDX-License-Identifier: GPL-2.0-or-later
"""How long a plan takes, against building the same images, with the lists fresh and all cached.

python -m bench.plan [NAME...] builds these images (default: debian-13 and debian-13-slim) into a
folder that is removed, plans each, and plans all of images.yaml.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import time

from builder import classes, images, names, paths, pipeline
from builder.planning.prospect import Ground
from builder.run import run

FORGE = (sys.executable, "-m", "builder")
DEFAULT = ("debian-13", "debian-13-slim")
# What a plan may take: one image; all images: for each suite of each architecture, and each image.
ONE_SECONDS = 3.0
SUITE_SECONDS, IMAGE_SECONDS = 1.0, 1.5


def main() -> int:
    """Print the table."""
    wanted = [names.parse(name) for name in sys.argv[1:] or DEFAULT]
    print(f"{platform.machine()}, {os.cpu_count()} processors; one run each, after one to warm up")
    print(f"{'':24}{'plan':>9}{'aim':>8}{'build':>9}{'plan/build':>12}")
    with tempfile.TemporaryDirectory(prefix="fai-forge-bench-", dir="/var/tmp") as folder:
        for name in wanted:
            # The first plan and build fetch what later ones have.
            _seconds("plan", str(name), "--no-record", "--store", folder)
            _seconds("build", str(name), "--out", folder)
            planned = _seconds("plan", str(name), "--no-record", "--store", folder)
            built = _seconds("build", str(name), "--out", folder)
            _print(str(name), planned, ONE_SECONDS, built)
        _seconds("plan", "--all", "--no-record", "--store", folder)
        planned = _seconds("plan", "--all", "--no-record", "--store", folder)
        _print("all of images.yaml", planned, _aim())
    return 0


def _aim() -> float:
    """What a plan of all images may take."""
    project = paths.project_root()
    known = pipeline.catalogue(project)
    ground = Ground(project, known, paths.cache())
    rows = images.read(project).rows
    roots = [ground.root(classes.resolve(known, row.name)) for row in rows]
    suites = {
        (root.arch, source.uri, suite)
        for root in roots
        for source in root.sources
        for suite in source.suites
    }
    return SUITE_SECONDS * len(suites) + IMAGE_SECONDS * len(rows)


def _seconds(*words: str) -> float:
    print(f"measuring: {' '.join(words[:2])} ...", file=sys.stderr, flush=True)
    start = time.monotonic()
    # An image that cannot be known (exit code 6) takes its time, too.
    done = run([*FORGE, *words], check=False, timeout=4 * 3600)
    if done.returncode not in (0, 6):
        sys.exit(done.output)
    return time.monotonic() - start


def _print(what: str, planned: float, aim: float, built: float | None = None) -> None:
    against = "" if built is None else f"{built:7.1f} s{planned / built:12.3f}"
    print(f"{what:24}{planned:7.1f} s{aim:6.1f} s{against}")


if __name__ == "__main__":
    sys.exit(main())
