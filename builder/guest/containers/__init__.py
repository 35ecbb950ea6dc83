# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests that are containers: a root file system's tarball, started with its own init."""

# What such a guest has in place of a firmware kind and of an acceleration.
CONTAINER = "container"
# The format that it is made from.
FORMAT, SUFFIX = "rootfs.tar.xz", ".rootfs.tar.xz"
# The kernel's names of Debian's architectures; a container runs only where both are the same.
KERNEL_NAMES = {"amd64": "x86_64", "arm64": "aarch64", "ppc64el": "ppc64le", "riscv64": "riscv64"}
# The root of a container that runs, in the folder of its run.
TREE = "tree"
