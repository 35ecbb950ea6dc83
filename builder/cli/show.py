# SPDX-License-Identifier: GPL-2.0-or-later
"""`fai-forge show`: what a name means, before anything is built."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from builder import classes, configspace, names, paths
from builder.cli import common
from builder.disk.layout import layout
from builder.install import fai

DESCRIPTION = """\
Show what a name means: its FAI classes in order and why each is there, the files that each
overlay brings, the packages that FAI would ask apt for, and the partitions of the disk.
"""
Brought = dict[str, dict[str, list[str]]]


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="the image, such as debian-13")
    common.add_overlays(parser)
    common.add_json(parser)


def _call(arguments: argparse.Namespace) -> int:
    project = paths.project_root()
    catalogue = common.catalogue(arguments)
    spec = classes.resolve(catalogue, names.parse(arguments.name).series)
    with tempfile.TemporaryDirectory(prefix="fai-forge-") as folder:
        config = configspace.merge(
            project / "fai-config",
            catalogue.overlays(spec.classes),
            Path(folder, "config"),
            settings=spec.settings,
        )
        wanted = fai.wanted_packages(config.root, spec.classes)
    brought = _brought(catalogue, spec, config)
    answer = _answer(spec, config, wanted, brought)
    if arguments.json:
        common.print_json(answer)
    else:
        _print(spec, config, wanted, brought)
    return 0


def _brought(
    catalogue: classes.Catalogue, spec: classes.ImageSpec, config: configspace.ConfigSpace
) -> Brought:
    """For each class: the overlays that bring it or add to it, and their files."""
    by_overlay = config.by_overlay()
    return {
        name: {
            overlay.name: [origin.path for origin in by_overlay.get(overlay.name, ())]
            for overlay in catalogue.overlays((name,))
        }
        for name in spec.classes
    }


def _answer(
    spec: classes.ImageSpec, config: configspace.ConfigSpace, wanted: fai.Wanted, brought: Brought
) -> dict[str, Any]:
    return {
        "name": str(spec.name),
        "title": spec.title,
        "arch": spec.arch,
        "codename": spec.codename,
        "diskSize": spec.disk_size,
        "kernel": spec.kernel,
        "promises": spec.packages,
        "classes": [
            {
                "name": name,
                "why": spec.why[name],
                "overlays": list(brought[name]),
                "files": [path for paths in brought[name].values() for path in paths],
            }
            for name in spec.classes
        ],
        "base": [origin.path for origin in config.by_overlay().get(configspace.BASE, ())],
        "configSpaceDigest": config.digest,
        "packages": wanted.packages,
        "partitions": [
            {
                "number": part.number,
                "role": str(part.role),
                "startBytes": part.offset,
                "sizeBytes": part.length,
            }
            for part in layout(spec.arch, spec.disk_size).partitions
        ],
    }


def _print(
    spec: classes.ImageSpec, config: configspace.ConfigSpace, wanted: fai.Wanted, brought: Brought
) -> None:
    print(f"{spec.name}: {spec.title}, {spec.arch}\n")
    print("FAI classes, most specific last:")
    for name in spec.classes:
        print(f"  {name:<12} {spec.why[name]}")
        for overlay, files in brought[name].items():
            for path in files:
                # Who brought it is plain, unless it came from outside.
                print(f"      {path}" + (f"  ({overlay})" if overlay != name else ""))
    print("\nbase config space (fai-config/):")
    for origin in config.by_overlay().get(configspace.BASE, ()):
        print(f"      {origin.path}")
    print(f"\npackages asked for ({len(wanted.packages)}, apt adds what they depend on):")
    print(common.wrapped(wanted.packages))
    print(f"\ndisk of {spec.disk_size / (1 << 30):g} GiB:")
    for part in layout(spec.arch, spec.disk_size).partitions:
        print(f"  p{part.number:<3} {part.role:<6} {part.length / (1 << 20):8.0f} MiB")


VERB = common.Verb("show", "show what a name means", DESCRIPTION, _arguments, _call)
