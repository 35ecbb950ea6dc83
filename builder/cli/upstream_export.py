# SPDX-License-Identifier: GPL-2.0-or-later
"""`fai-forge upstream export`: a store as a catalogue for openstack-image-manager."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path

from builder import names, paths
from builder.cli import common, stores
from builder.errors import InfrastructureError, UsageError
from builder.store import reading
from builder.store.folder import FolderPlace
from builder.store.index import SeriesEntry
from builder.store.memory import Memory
from builder.store.open import open_readable
from builder.store.place import Readable
from builder.upstream import osism
from builder.upstream.finding import CHANNEL
from builder.upstream.osism import Catalogue

log = logging.getLogger(__name__)

DESCRIPTION = """\
Print what a store has as a catalogue in openstack-image-manager's YAML schema: an entry for each
series, with its public builds as versions. A site that runs openstack-image-manager imports our
images from there, ours and those of upstreams alike.

URLs begin with the address of the store; for a folder that a web server publishes, say that
server's with --url. An image that the schema has no words for is left out, and said so on stderr.

examples:
  fai-forge upstream export --store https://images.example.org --keyring portal.gpg
  fai-forge upstream export 'ubuntu-*' alma-10 --store /srv/images --keyring portal.gpg \\
      --url https://images.example.org --out etc/images/fai-forge.yml

exit codes: 0; 2 where the store has nothing to list; 4 where it cannot be read.
"""
# Daily builds go soon, and a site's own ones are nobody else's.
CHANNELS = ("release", CHANNEL)


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="series, or patterns of them (default: all)"
    )
    stores.add_store(parser, needed=True)
    parser.add_argument(
        "--url", metavar="URL", help="where others reach the store (default: its own address)"
    )
    parser.add_argument(
        "--channel",
        action="append",
        default=[],
        metavar="NAME",
        help="builds of this channel; may be given more than once"
        f" (default: {' and '.join(CHANNELS)})",
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="write it there (default: to stdout)"
    )


def _call(arguments: argparse.Namespace) -> int:
    place = open_readable(arguments.store)
    base = _base(place, arguments.url)
    index = reading.read(
        place, stores.trusted(arguments), Memory(paths.cache().stores), datetime.now(UTC)
    )
    found = osism.catalogue(
        _wanted(index.series, arguments.names),
        partial(reading.described, place),
        base,
        tuple(arguments.channel) or CHANNELS,
    )
    for name, why in found.left_out.items():
        log.warning("%s is left out: %s", name, why)
    if not found.entries:
        raise UsageError(
            f"{place.url} has nothing to list",
            hint="--channel names other channels; the schema wants one image at least",
        )
    _write(found, arguments.out)
    return 0


def _base(place: Readable, given: str | None) -> str:
    """The address that URLs begin with."""
    url = given or (place.root.absolute().as_uri() if isinstance(place, FolderPlace) else place.url)
    if not url.startswith(("https://", "http://", "ftp://", "file:///")):
        raise UsageError(
            f"images cannot be imported from {url}",
            hint="say with --url where others reach the store",
        )
    return url


def _wanted(series: Iterable[SeriesEntry], words: list[str]) -> Iterator[SeriesEntry]:
    unknown = dict.fromkeys(words)
    known = []
    for entry in series:
        known.append(entry.name)
        fit = [word for word in words if fnmatchcase(entry.name, word)]
        for word in fit:
            unknown.pop(word, None)
        if fit or not words:
            yield entry
    if unknown:
        raise UsageError(
            f"the store has no {', '.join(unknown)}{names.did_you_mean(min(unknown), known)}",
            hint="names are those of its series",
        )


def _write(found: Catalogue, out: Path | None) -> None:
    if out is None:
        print(found.text, end="")
        return
    partial_file = out.with_name(f".{out.name}.partial")
    try:
        partial_file.write_text(found.text, encoding="utf-8")
        partial_file.replace(out)
    except OSError as error:
        raise InfrastructureError(
            f"{out} cannot be written: {error.strerror}", hint="is there room, and is it yours?"
        ) from error


VERB = common.Verb(
    "export",
    "print a store as a catalogue for openstack-image-manager",
    DESCRIPTION,
    _arguments,
    _call,
)
