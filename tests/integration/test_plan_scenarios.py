# SPDX-License-Identifier: GPL-2.0-or-later
"""What `fai-forge plan` says as an archive goes on: each test is a story of it, as a user sees it.

The packages of an image are those of a small archive with real .debs; a build of one from the real
archive is what the tests of building are for.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from builder.manifest.decision import Advisory
from tests.integration.aptarchive import SMALL, Deb, kernel
from tests.integration.aptfaults import spoilt
from tests.integration.harness import NAME
from tests.integration.planstory import OTHER, POLICIES, Story, reasons
from tests.integration.webserver import missing

UPDATES, SECURITY = "trixie-updates", "trixie-security"
KERNEL, NEWER_KERNEL = "6.12.48-1", "6.12.57-1"
FIXED = "3.5.1-1+deb13u1"


def updated(source: str, version: str, depends: str | None = None) -> list[Deb]:
    """All binary packages of a source in another version; `depends` is for the first of them."""
    found = [deb for deb in SMALL if (deb.source or deb.name) == source]
    made = [replace(deb, version=version) for deb in found]
    if depends is not None:
        made[0] = replace(made[0], depends=depends)
    return made


def test_the_first_image(story: Story) -> None:
    """Nothing is published: what is in the archive does not matter."""
    decided = story.decide("--exit-code")
    assert (decided.answer, decided.published) == ("publish", None)
    assert reasons(decided) == [("first", None, None, None, "publish")]


def test_exit_codes_of_the_program(story: Story) -> None:
    """For whoever calls it from a script."""
    story.publish_image()
    assert [story.run_program(NAME, *more).code for more in ((), ("--exit-code",))] == [0, 5]
    with spoilt("InRelease", missing, story.debian):
        ran = story.run_program("--all")
    assert ran.code == 6, ran.err
    assert "unknown" in ran.out
    assert "skip" not in ran.out


def test_nothing_changes(story: Story) -> None:
    """The archive is signed anew four times a day, also where nothing in it is new."""
    story.publish_image()
    story.debian.publish()
    decided = story.decide("--exit-code", code=5)
    assert (decided.answer, reasons(decided)) == ("skip", [])
    assert decided.published is not None

    decided = story.decide("--force", "--exit-code")
    assert (decided.answer, reasons(decided)) == (
        "publish",
        [("forced", None, None, None, "publish")],
    )


def test_a_normal_update(story: Story) -> None:
    story.publish_image()
    story.debian.put(UPDATES, *updated("less", "668-1+deb13u1"))
    story.debian.publish()
    decided = story.decide()
    assert decided.answer == "skip"
    assert reasons(decided) == [("upgrade", "less", "668-1", "668-1+deb13u1", "noted")]


def test_a_security_update(story: Story) -> None:
    """One upload is one reason, whatever it is split into; then the image has it."""
    story.publish_image()
    story.debian.put(SECURITY, *updated("openssl", FIXED), *updated("nginx", "1.26.3-3+deb13u1"))
    story.debian.publish()
    story.advise("DSA-6011-1", "openssl", FIXED, "CVE-2026-0001", "CVE-2026-0002")
    story.advise("DSA-6012-1", "nginx", "1.26.3-3+deb13u1", "CVE-2026-0003")
    decided = story.decide("--exit-code")
    assert (decided.answer, decided.policy) == ("publish", "security")
    assert reasons(decided) == [("security", "openssl", "3.5.1-1", FIXED, "publish")]
    (reason,) = decided.reasons
    assert reason.rule == "security"
    assert reason.binaries == ("libssl3t64", "openssl")
    assert reason.impact == "reboot"
    assert [each.id for each in reason.advisories] == ["DSA-6011-1"]
    assert reason.advisories[0].cves == ("CVE-2026-0001", "CVE-2026-0002")

    ran = story.run(NAME, "--explain")
    assert ran.code == 0, ran.err
    for word in (NAME, "publish", "openssl", FIXED, "DSA-6011-1", "reboot"):
        assert word in ran.out
    assert "nginx" not in ran.out

    story.publish_image()
    decided = story.decide()
    assert (decided.answer, reasons(decided)) == ("skip", [])


def test_a_security_update_of_what_is_not_in_the_image(story: Story) -> None:
    story.publish_image()
    story.debian.put(SECURITY, *updated("nginx", "1.26.3-3+deb13u1"))
    story.debian.publish()
    decided = story.decide()
    assert (decided.answer, reasons(decided)) == ("skip", [])


@pytest.mark.parametrize(("first", "second"), [(SECURITY, UPDATES), (UPDATES, SECURITY)])
def test_a_security_update_that_is_published_twice(story: Story, first: str, second: str) -> None:
    """Then a point release has it, too, and at last nobody else: one image is enough."""
    debian = story.debian
    debian.put(first, *updated("openssl", FIXED))
    debian.publish()
    story.publish_image()
    debian.put(second, *updated("openssl", FIXED))
    debian.publish()
    decided = story.decide()
    assert (decided.answer, reasons(decided)) == ("skip", [])

    debian.point_release("13.2")
    debian.publish()
    moved = [("point-release", None, "13.1", "13.2", "noted")]
    decided = story.decide()
    assert (decided.answer, reasons(decided)) == ("skip", moved)

    debian.withdraw(SECURITY, "openssl", "libssl3t64")
    debian.publish()
    decided = story.decide()
    assert (decided.answer, reasons(decided)) == ("skip", moved)


def test_a_security_update_within_a_point_release(story: Story) -> None:
    """The image is older than both: what it gets does not come from the security archive."""
    story.publish_image()
    newest = "3.5.1-1+deb13u2"
    story.debian.put(SECURITY, *updated("openssl", FIXED))
    story.debian.put(UPDATES, *updated("openssl", newest), *updated("less", "668-1+deb13u1"))
    story.debian.point_release("13.2")
    story.debian.publish()
    story.advise("DSA-6011-1", "openssl", FIXED, "CVE-2026-0001")
    decided = story.decide()
    assert decided.answer == "publish"
    assert reasons(decided) == [
        ("security", "openssl", "3.5.1-1", newest, "publish"),
        ("upgrade", "less", "668-1", "668-1+deb13u1", "noted"),
        ("point-release", None, "13.1", "13.2", "noted"),
    ]
    assert [each.id for each in decided.reasons[0].advisories] == ["DSA-6011-1"]


def test_a_new_dependency_and_its_end(story: Story) -> None:
    """An update needs a package that the image has not, and a later one no longer does."""
    debian = story.debian
    story.publish_image()
    debian.put(UPDATES, *updated("less", "668-2", "libc6, lesspipe"), Deb("lesspipe", "2.18-1"))
    debian.publish()
    decided = story.decide()
    assert decided.answer == "publish"
    assert reasons(decided) == [
        ("added", "lesspipe", None, "2.18-1", "publish"),
        ("upgrade", "less", "668-1", "668-2", "noted"),
    ]
    assert decided.reasons[0].rule == "packages"

    story.publish_image()
    debian.put(UPDATES, *updated("less", "668-3"))
    debian.publish()
    decided = story.decide()
    assert decided.answer == "publish"
    assert reasons(decided) == [
        ("removed", "lesspipe", "2.18-1", None, "publish"),
        ("upgrade", "less", "668-2", "668-3", "noted"),
    ]


def test_a_kernel_with_a_new_abi(story: Story) -> None:
    """A package gone, one new and one upgraded are one update of linux, known by its advisory."""
    story.publish_image()
    story.publish_image(OTHER)
    story.debian.put(SECURITY, *kernel("6.12.57", NEWER_KERNEL))
    story.debian.publish()
    story.advise("DSA-6013-1", "linux", NEWER_KERNEL, "CVE-2026-0004")
    for decided in story.plan("--all").values():
        assert decided.answer == "publish"
        assert reasons(decided) == [("security", "linux", KERNEL, NEWER_KERNEL, "publish")]
        (reason,) = decided.reasons
        assert reason.impact == "reboot"
        assert reason.binaries == (
            "linux-image-6.12.48+deb13-amd64",
            "linux-image-6.12.57+deb13-amd64",
            "linux-image-amd64",
        )
        assert reason.advisories == (Advisory(id="DSA-6013-1", cves=("CVE-2026-0004",)),)


def test_policies_differ(story: Story) -> None:
    """An update that needs no reboot is for one image, and the other waits for more."""
    story.publish_image()
    story.publish_image(OTHER)
    story.debian.put(SECURITY, *updated("curl", "8.14.1-2+deb13u1"))
    story.debian.publish()
    decisions = story.plan("--all")
    assert {name: each.policy for name, each in decisions.items()} == POLICIES
    assert {name: each.answer for name, each in decisions.items()} == {
        NAME: "publish",
        OTHER: "skip",
    }
    change = ("security", "curl", "8.14.1-2", "8.14.1-2+deb13u1")
    assert reasons(decisions[NAME]) == [(*change, "publish")]
    assert reasons(decisions[OTHER]) == [(*change, "noted")]


def test_an_update_that_is_withdrawn(story: Story) -> None:
    story.debian.put(UPDATES, *updated("less", "668-1+deb13u1"))
    story.debian.publish()
    story.publish_image()
    story.debian.withdraw(UPDATES, "less")
    story.debian.publish()
    decided = story.decide()
    assert decided.answer == "skip"
    assert reasons(decided) == [("downgrade", "less", "668-1+deb13u1", "668-1", "noted")]


def test_a_security_update_that_is_withdrawn(story: Story) -> None:
    """Somebody has to look: a build would bring a vulnerability back."""
    story.debian.put(SECURITY, *updated("openssl", FIXED))
    story.debian.publish()
    story.publish_image()
    story.debian.withdraw(SECURITY, "openssl", "libssl3t64")
    story.debian.publish()
    decided = story.decide(code=6)
    assert decided.answer == "unknown"
    assert reasons(decided) == [("downgrade", "openssl", FIXED, "3.5.1-1", "unknown")]
    assert story.decide("--force").answer == "publish"


def test_one_image_that_nobody_knows(story: Story) -> None:
    """The others are decided all the same, and the exit code is that of the worst."""
    story.publish_image()
    story.publish_image(OTHER)
    (manifest,) = story.store.glob(f"{OTHER}/*/*.json")
    manifest.write_text(manifest.read_text()[:100])
    decisions = story.plan("--all", "--exit-code", code=6)
    assert reasons(decisions[NAME]) == []
    assert decisions[NAME].answer == "skip"
    assert decisions[OTHER].answer == "unknown"
    assert [each[0] for each in reasons(decisions[OTHER])] == ["store"]
