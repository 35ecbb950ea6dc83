# SPDX-License-Identifier: GPL-2.0-or-later
"""What the next build of an image costs over a line, by delta, in bytes counted at the server.

python -m bench.deltas [--packages NAMES] [--kernel NAME] [--keep DIR] builds debian-13 three times
from this machine's own archive: with older versions of some packages and of the kernel, with the
newest of those packages, and with the newest kernel, too. Each is another day's build: another
serial, and another time that its files carry. Versions are held back by pins of an overlay, so
that each package is one that the archive really has. Then it makes the deltas as publishing does,
serves them, updates the older images to the newer, and prints the share of the whole file that was
sent. It needs a day on which the archive has two versions of these packages.
"""

from __future__ import annotations

import argparse
import functools
import http.server
import os
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from builder import paths
from builder.archive.aptroot import native_arch
from builder.archive.sources import default_sources
from builder.builds import Builds, Built
from builder.facility.deltas import update
from builder.install.supplies import Archive
from builder.manifest import document
from builder.progress import NoProgress
from builder.run import run
from builder.store.delta import disks
from builder.store.delta.offering import offer
from builder.store.folder import FolderPlace
from builder.store.https import HttpsPlace
from builder.store.index import Build, Delta, Digest, Image, SeriesEntry, StoreIndex

FORGE = (sys.executable, "-m", "builder")
NAME, DISTRO, SUITE, FORM = "debian-13", "debian", "trixie", "qcow2"
PACKAGES = "vim-tiny,vim-common,libexpat1"
KERNEL = "linux-image-amd64"
# What may be sent, as a share of the whole file.
AIMS = {"packages": 0.08, "kernel": 0.25}
PIN = "Package: {name}\nPin: version {version}\nPin-Priority: 990\n\n"


class Counting(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, and counts the bytes of all files that it sends."""

    sent = 0

    def copyfile(self, source: Any, outputfile: Any) -> None:
        """Send a file, and count."""
        while piece := source.read(1 << 20):
            outputfile.write(piece)
            Counting.sent += len(piece)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def main() -> int:
    """Build, make deltas, update, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.deltas", description=__doc__)
    parser.add_argument("--packages", default=PACKAGES, help="default: %(default)s")
    parser.add_argument("--kernel", default=KERNEL, help="default: %(default)s")
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="builds and deltas to keep, and to use again"
    )
    arguments = parser.parse_args()
    held = tuple(arguments.packages.split(","))
    with tempfile.TemporaryDirectory(prefix="fai-forge-bench-", dir="/var/tmp") as folder:
        top = Path(folder)
        out = (arguments.keep or top / "out").absolute()
        states = ((*held, arguments.kernel), (arguments.kernel,), ())
        built = [_build(out, top, number, state) for number, state in enumerate(states)]
        builds = [_entry(built[0])]
        print(f"{'':10}{'made in':>9}{'delta':>10}{'sent':>10}{'share':>8}{'aim':>6}{'used in':>9}")
        for what, aim in AIMS.items():
            _measure(what, aim, out, built[len(builds)], builds, top)
    largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"largest single process: {largest:.0f} MiB")
    return 0


def _build(out: Path, top: Path, number: int, held: tuple[str, ...]) -> Built:
    """Build with older versions of some packages; a build that is there is used again."""
    existing = Builds(out).of(NAME)
    if len(existing) > number:
        return existing[number]
    day = datetime.now(UTC) - timedelta(days=len(AIMS) + 1 - number)
    print(f"building, older: {' '.join(held) or 'nothing'}", file=sys.stderr, flush=True)
    overlay = top / f"overlay-{number}"
    pins = overlay / "classes/DEBIAN/files/etc/apt/preferences.d/held.pref/DEBIAN"
    pins.parent.mkdir(parents=True)
    # The file is there in any case, as any other file of the image.
    versions = {name: _older(name) for name in held} or {"nothing-at-all": "0"}
    pins.write_text("".join(PIN.format(name=name, version=versions[name]) for name in versions))
    words = ("build", NAME, "--serial", f"{day:%Y%m%d}", "--format", FORM, "--out", out)
    run(
        [*FORGE, *words, "--overlay", overlay],
        env={**os.environ, "SOURCE_DATE_EPOCH": f"{day.timestamp():.0f}"},
    )
    return Builds(out).of(NAME)[-1]


def _older(name: str) -> str:
    """The version of a package that the archive's newest one replaced."""
    root = Archive(paths.cache()).open(default_sources(DISTRO, SUITE), native_arch(), DISTRO)
    root.refresh()
    listing = run(["apt-cache", "madison", name], env=root.environment, capture=True).output
    versions = list(dict.fromkeys(line.split("|")[1].strip() for line in listing.splitlines()))
    if len(versions) < 2:
        sys.exit(f"the archive has no two versions of {name} today; choose other --packages")
    return versions[1]


def _entry(built: Built) -> Build:
    """What an index says of a build, as far as an update looks at it."""
    nothing = Digest(name="none", size=0, sha256="0" * 64)
    files = document.load(built.manifest).files
    return Build(
        serial=built.serial,
        channel="release",
        published=datetime.now(UTC),
        images=tuple(
            Image(name=each.name, size=each.size, sha256=each.sha256, format=each.format)
            for each in files
        ),
        manifest=nothing,
        sums=nothing,
    )


def _index(builds: list[Build], built: Built) -> StoreIndex:
    manifest = document.load(built.manifest)
    now = datetime.now(UTC)
    series = SeriesEntry(
        name=NAME,
        title=manifest.title,
        distro=manifest.distro,
        release=manifest.release,
        codename=manifest.codename,
        arch=manifest.arch,
        roles=(),
        builds=tuple(builds),
    )
    return StoreIndex(serial=1, date=now, valid_until=now, series=(series,))


def _measure(
    what: str, aim: float, out: Path, built: Built, builds: list[Build], top: Path
) -> None:
    """Make the delta to a build, and update the build before it over HTTP."""
    before = builds[-1]
    start = time.monotonic()
    delta = _kept(built, before) or _made(out, built, builds)
    made = time.monotonic() - start
    wanted = _entry(built).model_copy(update={"deltas": (delta,)})
    builds.append(wanted)
    image, old = wanted.images[0], out / NAME / before.serial / before.images[0].name
    target = top / image.name
    start, Counting.sent = time.monotonic(), 0
    with _serving(out) as url:
        came = update(
            HttpsPlace.at(url),
            _index(builds, built).series[0],
            wanted,
            image,
            lambda serial, form: old if (serial, form) == (before.serial, FORM) else None,
            target,
            lambda _: None,
        )
    used = time.monotonic() - start
    if came is None or disks.digest(target) != image.sha256:
        sys.exit("the image did not come by its delta")
    target.unlink()
    print(
        f"{what:10}{made:7.0f} s{delta.size / 1e6:7.1f} MB{Counting.sent / 1e6:7.1f} MB"
        f"{Counting.sent / image.size:8.1%}{aim:6.0%}{used:7.0f} s",
        flush=True,
    )


def _made(out: Path, built: Built, builds: list[Build]) -> Delta:
    """The delta to a build, made as publishing does."""
    place, index, work = FolderPlace(out), _index(builds, built), paths.cache().work
    found = offer(place, index, built, "release", built.folder, work, NoProgress())
    if found is None:
        sys.exit("no delta was made")
    return found.entry


def _kept(built: Built, before: Build) -> Delta | None:
    """The delta that was made before, with --keep."""
    image = _entry(built).images[0]
    path = built.folder / f"{image.name}.from-{before.serial}.delta"
    if not path.exists():
        return None
    size, digest = path.stat().st_size, disks.digest(path)
    return Delta(name=path.name, size=size, sha256=digest, format=FORM, base=before.serial)


@contextmanager
def _serving(folder: Path) -> Iterator[str]:
    """Serve a folder on this machine; the URL."""
    handler = functools.partial(Counting, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


if __name__ == "__main__":
    sys.exit(main())
