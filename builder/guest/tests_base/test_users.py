# SPDX-License-Identifier: GPL-2.0-or-later
"""Who gets in: the users that were asked for, with the key that was given, and nobody else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from builder.guest.guest import Guest

# cloud-init's settings, in the order in which it reads them.
SETTINGS = "cat /etc/cloud/cloud.cfg; for file in /etc/cloud/cloud.cfg.d/*.cfg; do"
SETTINGS += " echo; echo ---; cat $file; done"
# Every key that sshd would look at for somebody (AuthorizedKeysFile's own words are tested too).
KEYS = "getent passwd | cut -d: -f1,6 | while IFS=: read user home; do"
KEYS += " for file in $home/.ssh/authorized_keys $home/.ssh/authorized_keys2; do"
KEYS += ' test -f $file && sed "s/^/$user /" $file; done; done | sort -u'


def test_root_and_all_others_are_locked(guest: Guest) -> None:
    """No account has a password, not even an empty one: passwd calls each of them locked."""
    told = guest.check("passwd --status --all | cut --delimiter=' ' --fields=1,2")
    states = dict(line.split() for line in told.splitlines())
    assert states["root"] == "L"
    assert {user for user, state in states.items() if state != "L"} == set()


def test_no_other_key_opens_anything(guest: Guest) -> None:
    """The one key that the guest was given is the only one in any authorized_keys."""
    settings = sshd_settings(guest)
    assert settings["authorizedkeysfile"] == ".ssh/authorized_keys .ssh/authorized_keys2"
    assert settings["authorizedkeyscommand"] == "none"
    kind, blob = guest.public_key.split()[:2]
    lines = guest.check(KEYS).splitlines()
    assert any(line.startswith("root ") for line in lines)
    assert [line for line in lines if f"{kind} {blob}" not in line] == []


@pytest.mark.needs_cloud_init
def test_the_default_user_is_as_given(guest: Guest) -> None:
    """The user whom the image's cloud-init names logs in with our key, and is root with sudo."""
    user = default_user(guest.check(SETTINGS))
    answer = guest.run_as(user, "id --user --name; sudo --non-interactive id --user --name")
    assert answer.stdout.split() == [user, "root"], answer.stderr
    assert guest.check(f"stat -c '%U %a' ~{user} ~{user}/.ssh/authorized_keys").split() == [
        *(user, "700"),
        *(user, "600"),
    ]


def test_no_passwords(guest: Guest) -> None:
    """sshd offers keys only, and root needs one too."""
    settings = sshd_settings(guest)
    assert settings["passwordauthentication"] == "no"
    assert settings["kbdinteractiveauthentication"] == "no"
    assert settings["permitemptypasswords"] == "no"
    assert settings["hostbasedauthentication"] == "no"
    assert settings["permitrootlogin"] in ("without-password", "prohibit-password", "no")


def sshd_settings(guest: Guest) -> Mapping[str, str]:
    """What sshd makes of its configuration, by keyword in lower case."""
    # Debian 14's OpenSSH writes the keywords as they are documented, older ones in lower case.
    pairs = (line.partition(" ") for line in guest.check("sshd -T").splitlines())
    return {keyword.lower(): value for keyword, _, value in pairs}


def default_user(text: str) -> str:
    """The name in the last of cloud-init's settings that has one."""
    name = ""
    for document in yaml.safe_load_all(text):
        known: Any = document
        for field in ("system_info", "default_user", "name"):
            known = known.get(field) if isinstance(known, dict) else None
        name = known or name
    return name
