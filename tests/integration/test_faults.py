# SPDX-License-Identifier: GPL-2.0-or-later
"""What people write wrong, and what fails while FAI works: a sentence, an exit code, no leftovers.

No test here needs the build to succeed; that the next build works is shown where it may not.
"""

from __future__ import annotations

import gzip
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from builder.builds import FAILED_SUFFIX
from builder.install import sandbox
from tests.integration.harness import NAME, TINY, Forge, in_private_mounts, only_root

Variant = Callable[[Mapping[str, str]], Path]
SERIAL = "20261120"
BAD_HOOK = "#!/bin/sh\necho a word of the hook\nexit 3\n"


def refused(forge: Forge, *argv: str, name: str = NAME) -> str:
    """What a build says that is refused as wrong usage, before it begins."""
    running = forge.build(*argv, name=name)
    assert running.process.returncode == 2, running.text
    assert [line for line in running.said if line.startswith("fai-forge: ")] != []
    assert "Traceback" not in running.text
    assert forge.left() == []
    return running.text


def failed(forge: Forge, project: Path) -> tuple[str, str]:
    """What a build says that fails in FAI, and FAI's log, which is all that is left of it."""
    forge = replace(forge, project=project)
    running = forge.build("--serial", SERIAL)
    assert running.process.returncode == 1, running.text
    assert "Traceback" not in running.text
    assert forge.left() == [f"{SERIAL}.failed"]
    log = forge.out / NAME / f"{SERIAL}.failed" / f"{NAME}-{SERIAL}.fai.log.gz"
    assert str(log) in running.text
    return running.text, gzip.decompress(log.read_bytes()).decode()


def test_an_unknown_name(forge: Forge) -> None:
    assert "debian" in refused(forge, name="debain-13")


def test_an_unknown_role_offers_the_nearest(forge: Forge) -> None:
    assert "other" in refused(forge, name="debian-13-othr")


def test_a_wrong_field_of_a_class(forge: Forge, variant: Variant) -> None:
    project = variant({"TINY/class.yaml": TINY["TINY/class.yaml"] + "sumary: twice\n"})
    said = refused(replace(forge, project=project))
    assert "TINY/class.yaml" in said
    assert "sumary" in said


def test_two_overlays_with_the_same_file(forge: Forge, variant: Variant) -> None:
    project = variant({"OTHER/scripts/TINY/10-tiny": "#!/bin/sh\n"})
    said = refused(replace(forge, project=project), name="debian-13-other")
    assert "classes/TINY" in said
    assert "classes/OTHER" in said
    assert "scripts/TINY/10-tiny" in said


def test_a_hook_that_is_not_executable(forge: Forge, variant: Variant) -> None:
    project = variant({"TINY/hooks/instsoft.TINY": "#!/bin/sh\n"})
    (project / "classes/TINY/hooks/instsoft.TINY").chmod(0o644)
    assert "chmod +x" in refused(replace(forge, project=project))


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("--serial", "latest"), "'latest' is not a serial"),
        (("--mirror", "nowhere"), "a mirror is a URL"),
    ],
)
def test_wrong_options(forge: Forge, argv: tuple[str, ...], said: str) -> None:
    assert said in refused(forge, *argv)


def test_a_time_that_is_none(forge: Forge) -> None:
    forge = replace(forge, env=(("SOURCE_DATE_EPOCH", "yesterday"),))
    assert "SOURCE_DATE_EPOCH is not a number" in refused(forge)


def test_a_package_that_does_not_exist(forge: Forge, variant: Variant) -> None:
    project = variant({"TINY/package_config/TINY": "PACKAGES install-norec\nnetbase no-such-one\n"})
    forge = replace(forge, project=project)
    running = forge.build()
    assert running.process.returncode == 1, running.text
    assert "fai-forge: the archive has no such package: no-such-one\n" in running.text
    assert "package_config" in running.text
    assert forge.left() == []


# A package that the plan cannot see, because a hook asks for it.
LATE_PACKAGE = """\
#!/bin/sh
echo no-such-one >> "$FAI/package_config/TINY"
"""


def test_a_package_that_only_fai_sees(forge: Forge, variant: Variant) -> None:
    said, log = failed(forge, variant({"TINY/hooks/instsoft.TINY": LATE_PACKAGE}))
    assert "fai-forge: the archive has no package no-such-one\n" in said
    assert "E: Unable to locate package no-such-one" in log


def test_a_package_that_fai_may_drop(forge: Forge, variant: Variant) -> None:
    """A class that gives FAI its own habit back, to leave out what it does not know, fails as well.

    Which of FAI and apt notices it depends on FAI's version; both are heard.
    """
    project = variant(
        {
            "TINY/hooks/instsoft.TINY": LATE_PACKAGE,
            "TINY/class/TINY.var": "unset FAI_DISABLE_PACKAGE_NAME_CHECK\n",
        }
    )
    said, _ = failed(forge, project)
    (sentence,) = (line for line in said.splitlines() if line.startswith("fai-forge: "))
    assert "the archive" in sentence
    assert "no-such-one" in sentence


def test_packages_under_a_word_that_fai_does_not_know(forge: Forge, variant: Variant) -> None:
    project = variant({"TINY/package_config/TINY": "PACKAGES instal-norec\nnetbase\n"})
    said, _ = failed(forge, project)
    assert "a package_config has packages for instal-norec, which FAI does not know" in said


def test_a_hook_that_fails(forge: Forge, variant: Variant) -> None:
    said, log = failed(forge, variant({"TINY/hooks/configure.TINY": BAD_HOOK}))
    assert "fai-forge: configure.TINY failed with exit code 3\n" in said
    assert "a word of the hook" in log


def test_fai_itself_says_nothing_of_a_failing_hook(forge: Forge, variant: Variant) -> None:
    """Why its log is read: with nobody reading it, the same build is done, with exit code 0."""
    project = variant({"TINY/hooks/configure.TINY": BAD_HOOK})
    forge = replace(forge, project=project)
    blind = (
        "import sys; from builder.install import fai; fai.judge = lambda *_: None;"
        "from builder.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    done = subprocess.run(
        [
            *sandbox._unshare(),
            *("--", sys.executable, "-c", blind, "build", NAME, "--out", str(forge.out)),
        ],
        check=False,
        cwd=Path(__file__).parents[2],
        env={**forge.environment(), sandbox.MARK: "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (serial,) = forge.left()
    log = forge.out / NAME / serial / f"{NAME}-{serial}.fai.log.gz"
    assert "FAILED with exit code 3" in gzip.decompress(log.read_bytes()).decode()


def test_a_script_that_fails(forge: Forge, variant: Variant) -> None:
    script = "#!/bin/sh\necho a word of the script\nexit 5\n"
    said, log = failed(forge, variant({"TINY/scripts/TINY/20-bad": script}))
    assert "fai-forge: TINY/20-bad failed with exit code 5\n" in said
    assert "a word of the script" in said
    assert "a word of the script" in log


def test_a_tree_that_fails_its_checks(forge: Forge, variant: Variant) -> None:
    script = '#!/bin/sh\necho builder > "$target/etc/hostname"\n$ROOTCMD dpkg --purge netbase\n'
    project = variant({"TINY/scripts/LAST/95-name": script})
    forge = replace(forge, project=project)
    running = forge.build()
    assert running.process.returncode == 3, running.text
    assert "hostname: " in running.text
    assert re.search(r"netbase:all \S+ is missing \(by scripts/LAST/95-name\)", running.text)
    # Only the log is kept, as of every build that FAI was run for.
    (kept,) = forge.left()
    assert kept.endswith(FAILED_SUFFIX)
    assert f"The whole FAI log is in {forge.out / NAME / kept}" in running.text


def test_a_disk_without_a_boot_loader(forge: Forge, variant: Variant) -> None:
    script = '#!/bin/sh\nrm "$target/boot/grub/i386-pc/core.img"\n'
    forge = replace(forge, project=variant({"TINY/scripts/LAST/95-grub": script}))
    running = forge.build()
    assert running.process.returncode == 1, running.text
    assert "the image has no boot loader: /boot/grub/i386-pc/core.img is missing" in running.text
    (kept,) = forge.left()
    assert kept.endswith(FAILED_SUFFIX)


def test_an_existing_build_is_never_overwritten(seed: Forge) -> None:
    (serial,) = seed.left()
    running = seed.build("--serial", serial)
    assert running.process.returncode == 2
    assert "a build is never overwritten" in running.text
    assert seed.left() == [serial]


def test_a_folder_that_may_not_be_written(forge: Forge) -> None:
    only_root("mount a file system")
    prefix = in_private_mounts(f"mount -t tmpfs -o ro tmpfs {forge.out}")
    running = replace(forge, prefix=prefix).build()
    assert running.process.returncode == 4, running.text
    assert f"fai-forge: {forge.out / NAME} cannot be written: Read-only file system" in running.text
    assert "--out" in running.text


def test_a_file_where_a_folder_should_be(forge: Forge) -> None:
    (forge.out / NAME).write_text("not ours\n")
    running = forge.build()
    assert running.process.returncode == 4, running.text
    assert f"fai-forge: {forge.out / NAME} cannot be written: File exists" in running.text
    assert (forge.out / NAME).read_text() == "not ours\n"
