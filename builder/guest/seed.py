# SPDX-License-Identifier: GPL-2.0-or-later
"""The way in by cloud-init: a NoCloud seed, a small vfat disk with one SSH key.

Nothing else about the image is changed: no network configuration, no packages, no host keys.
Source: https://docs.cloud-init.io/en/latest/reference/datasources/nocloud.html
"""

from __future__ import annotations

from pathlib import Path

import yaml

from builder.run import needs, run

# The smallest that mkfs.vfat formats without complaint; in KiB.
SIZE_KIB = 1024
LABEL = "CIDATA"
# What the guest is to call itself; the domain is set aside for examples (RFC 2606).
HOSTNAME = "guest.fai-forge.example"


def meta_data(instance_id: str) -> str:
    """The meta-data document; a new `instance_id` makes the boot a first one for cloud-init."""
    return str(yaml.safe_dump({"instance-id": instance_id, "local-hostname": HOSTNAME}))


def user_data(public_key: str) -> str:
    """The user-data document: `public_key` opens root and the image's own default user."""
    wanted = {"disable_root": False, "ssh_authorized_keys": [public_key]}
    return "#cloud-config\n" + yaml.safe_dump(wanted)


@needs("mkfs.vfat", package="dosfstools", purpose="make the disk that lets us into a guest")
@needs("mcopy", package="mtools", purpose="fill the disk that lets us into a guest")
def write_seed(folder: Path, instance_id: str, public_key: str) -> Path:
    """Write seed.img into `folder` and return its path; the same input gives the same bytes but
    for the times of the files. No mount and no root is needed.
    """
    image = folder / "seed.img"
    documents = {"meta-data": meta_data(instance_id), "user-data": user_data(public_key)}
    run(["mkfs.vfat", "--invariant", "-n", LABEL, "-C", image, str(SIZE_KIB)])
    for name, text in documents.items():
        path = folder / name
        path.write_text(text)
        run(["mcopy", "-i", image, path, f"::{name}"])
    return image
