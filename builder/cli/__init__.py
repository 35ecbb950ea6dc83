# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line: one module per verb; here they are parsed, called, and their errors shown."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

from builder.cli import (
    boot,
    build,
    clean,
    completion,
    configspace,
    diff,
    doctor,
    expire,
    facility,
    listing,
    new_class,
    nightly,
    pipeline,
    plan,
    promote,
    publish,
    pull,
    push,
    rebuild,
    repro_check,
    run,
    schedule,
    show,
    sync,
    upstream,
    validate,
    version,
    why,
)
from builder.cli.common import Verb, add_verbs
from builder.errors import ForgeError

# In the order of `fai-forge --help`: what people do first comes first.
VERBS: tuple[Verb, ...] = (
    build.VERB,
    boot.VERB,
    run.VERB,
    listing.VERB,
    show.VERB,
    diff.VERB,
    plan.VERB,
    why.VERB,
    publish.VERB,
    promote.VERB,
    expire.VERB,
    pull.VERB,
    push.VERB,
    sync.VERB,
    upstream.VERB,
    facility.VERB,
    schedule.VERB,
    nightly.VERB,
    pipeline.VERB,
    new_class.VERB,
    validate.VERB,
    configspace.VERB,
    repro_check.VERB,
    rebuild.VERB,
    doctor.VERB,
    clean.VERB,
    completion.VERB,
    version.VERB,
)
EPILOG = """\
exit codes:
  0  done                       3  a check or a boot failed
  1  the build failed           4  infrastructure: mirror, libvirt, disk full, namespaces
  2  wrong usage or class files 5  nothing to do, where --exit-code asks
130  interrupted                6  unknown: the archive or the store cannot be read

An image is named <distro>-<release>[-<role>...][-<arch>], such as debian-13.
`fai-forge VERB --help` tells more about each verb.
"""
INTERRUPTED = 130


def parser() -> argparse.ArgumentParser:
    """The parser of all verbs."""
    top = argparse.ArgumentParser(
        prog="fai-forge",
        description="Build Debian-family machine images with FAI, boot them, say what is in them.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument(
        "-v", "--verbose", action="store_true", help="say each command that is run (on stderr)"
    )
    add_verbs(top, VERBS, "verb")
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit code of the program."""
    words = list(sys.argv[1:] if argv is None else argv)
    arguments = parser().parse_args(words)
    arguments.words = words
    level = logging.DEBUG if arguments.verbose else logging.INFO
    logging.basicConfig(level=level, format="%(message)s", stream=sys.stderr)
    # A build keeps more in its log than it shows.
    for handler in logging.getLogger().handlers:
        handler.setLevel(level)
    # paramiko's own thread logs what we report in our own words.
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)
    signal.signal(signal.SIGTERM, _interrupt)
    # A terminal that is closed; nohup has it ignored.
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _interrupt)
    try:
        return int(arguments.verb_call(arguments))
    except ForgeError as error:
        print(f"fai-forge: {error.message}", file=sys.stderr)
        for line in error.hint.splitlines():
            print(f"    {line}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("fai-forge: interrupted; nothing half-made is left behind", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _interrupt(_signum: int, _frame: FrameType | None) -> NoReturn:
    """Let a signal unwind the program as Ctrl-C does."""
    raise KeyboardInterrupt
