# SPDX-License-Identifier: GPL-2.0-or-later
"""Native programs in a tree of another architecture, to keep the emulator out of the long loops.

Most of an installation is shells, perl, the core utilities and decompression, and these give the
same answers on every architecture. So FAI's $ROOTCMD mounts those of this machine's architecture,
from the same release and of the same versions, over the tree's, in a mount namespace of its own for
each call: the tree's files are never changed. What knows its architecture is left to the emulator.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from builder.archive.aptroot import AptRoot
from builder.archive.predict import Candidate, predict
from builder.install.binfmt import FORMATS
from builder.install.rootfs import Recipe
from builder.install.tools import EPOCH, VARIANT
from builder.run import run, search_path

HERE = Path(__file__).parent
# Which programs, by the packages that have them. Left out is what tells its architecture (dpkg,
# uname, arch, ldconfig), loads plug-ins of the image's architecture (PAM, NSS), or is a library.
PROGRAMS = {
    "apt": "bin/apt-get bin/apt-cache bin/apt-config bin/apt-mark",
    "bash": "bin/bash",
    "coreutils": "bin/[ bin/basename bin/cat bin/chgrp bin/chmod bin/chown bin/comm bin/cp bin/cut"
    " bin/date bin/dd bin/df bin/dirname bin/du bin/env bin/expr bin/false bin/fold bin/head bin/id"
    " bin/install bin/join bin/ln bin/ls bin/md5sum bin/mkdir bin/mkfifo bin/mktemp bin/mv bin/nl"
    " bin/od bin/paste bin/printf bin/pwd bin/readlink bin/realpath bin/rm bin/rmdir bin/seq"
    " bin/sha1sum bin/sha256sum bin/sha512sum bin/sleep bin/sort bin/split bin/stat bin/sum"
    " bin/sync bin/tac bin/tail bin/tee bin/test bin/touch bin/tr bin/true bin/truncate bin/tsort"
    " bin/tty bin/uniq bin/unlink bin/wc bin/yes",
    "cpio": "bin/cpio",
    "dash": "bin/dash",
    "debianutils": "bin/run-parts bin/tempfile",
    "diffutils": "bin/cmp bin/diff",
    "dpkg": "bin/dpkg-deb bin/dpkg-split bin/update-alternatives",
    "dracut-install": "lib/dracut/dracut-install",
    "findutils": "bin/find bin/xargs",
    "gettext-base": "bin/envsubst bin/gettext",
    "grep": "bin/egrep bin/fgrep bin/grep",
    "gzip": "bin/gzip",
    "libc-bin": "bin/localedef",
    "mawk": "bin/mawk",
    "mount": "bin/mount bin/umount",
    "openssl": "bin/openssl",
    "perl-base": "bin/perl",
    "sed": "bin/sed",
    "tar": "bin/tar",
    "util-linux": "bin/flock bin/getopt bin/mountpoint",
    "xz-utils": "bin/xz",
    "zstd": "bin/zstd",
}
# For dpkg only, while it configures packages: it makes the kernel's list of modules, and byte code.
# Later kmod is copied into the initramfs, and python may load modules that are the image's.
PROGRAMS_OF_DPKG = {"kmod": "bin/kmod"}
PYTHON = re.compile(r"(?P<program>python3\.\d+)-minimal")
# Perl's compiled modules: just those that the image has, since scripts look which ones there are.
MODULES = re.compile(r"libperl5\.\d+|lib\w.*-perl")
# The links of a merged /usr.
BASE = "base-files"


def recipe(root: AptRoot, suite: str, candidates: Sequence[Candidate]) -> Recipe:
    """The tree of native programs for an image of `candidates`; `root` is for this machine."""
    wanted = {BASE} | {
        each.package.name
        for each in candidates
        if each.package.name in {**PROGRAMS, **PROGRAMS_OF_DPKG}
        or PYTHON.fullmatch(each.package.name)
        or (MODULES.fullmatch(each.package.name) and each.package.arch != "all")
    }
    packages = tuple(sorted(wanted))
    return Recipe(suite, VARIANT, packages, predict(root, packages, base=()), EPOCH)


def furnish(tree: Path, arch: str) -> None:
    """Put into an unpacked tree of native programs what `rootcmd` needs there."""
    found = (PYTHON.fullmatch(f"{path.name}-minimal") for path in tree.glob("usr/bin/python3.*"))
    always = _lines(*PROGRAMS.values())
    for_dpkg = _lines(*PROGRAMS_OF_DPKG.values(), *(f"bin/{each[1]}" for each in found if each))
    (tree / "programs").write_text(always, encoding="utf-8")
    (tree / "programs-of-dpkg").write_text(always + for_dpkg, encoding="utf-8")
    options = (
        f'APT::Architecture "{arch}";\n'
        f'#clear APT::Architectures;\nAPT::Architectures {{ "{arch}"; }};\n'
        f'Dir::Bin::dpkg "{tree}/dpkg";\n'
    )
    (tree / "apt.conf").write_text(options, encoding="utf-8")
    for name in ("chroot", "dpkg", "mount-programs", "rootcmd"):
        shutil.copy(HERE / f"{name}.sh", tree / name)


def _lines(*names: str) -> str:
    """A line for each word."""
    return "".join(f"{word}\n" for name in names for word in name.split())


@contextmanager
def covered_chroot(tree: Path) -> Iterator[None]:
    """Let chroot do what $ROOTCMD does meanwhile: install_packages and fcopy call it."""
    program = shutil.which("chroot", path=search_path())
    assert program is not None
    run(["mount", "--bind", tree / "chroot", program])
    try:
        yield
    finally:
        run(["umount", "--lazy", program])


def rootcmd(tree: Path, native: str, target: Path) -> str:
    """FAI's $ROOTCMD: words that run a program in the root file system at `target`."""
    form = FORMATS[native]
    return (
        "unshare --mount --pid --fork --kill-child --mount-proc"
        f" {tree}/rootcmd {tree} {form.loader} /usr/lib/{form.triplet} {target}"
    )
