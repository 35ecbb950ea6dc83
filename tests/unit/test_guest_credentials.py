# SPDX-License-Identifier: GPL-2.0-or-later
"""The way in without cloud-init: what is handed to systemd, and by which device."""

from __future__ import annotations

import base64

import pytest

from builder.errors import UsageError
from builder.guest import credentials, ssh
from builder.guest.hardware import Channel, Firmware

KEY = "ssh-ed25519 AAAA run"


def wanted() -> dict[str, str]:
    return credentials.credentials("amd64", Firmware(), KEY)


def test_an_smbios_string_is_what_systemd_reads() -> None:
    first, *_ = credentials.oem_strings(wanted())
    name, _, text = first.partition("=")
    assert name == "io.systemd.credential.binary:ssh.authorized_keys.root"
    assert base64.b64decode(text) == f"{KEY}\n".encode()


def test_files_of_fw_cfg_are_what_the_emulator_takes() -> None:
    files = credentials.fw_cfg(wanted())
    assert files["opt/io.systemd.credentials/ssh.authorized_keys.root"] == f"{KEY}\n"
    assert max(len(name) for name in files) <= credentials.FW_CFG_NAME_BYTES
    assert not [name for name, text in files.items() if "," in name + text]


def test_host_keys_are_printed_as_they_are_looked_for() -> None:
    service = wanted()[f"systemd.extra-unit.{credentials.UNIT}"]
    assert service.index(ssh.KEYS_BEGIN) < service.index("_key.pub") < service.index(ssh.KEYS_END)


def test_a_machine_without_a_place_for_them_says_so() -> None:
    with pytest.raises(UsageError, match="the only way into a guest of ppc64el is cloud-init"):
        credentials.credentials("ppc64el", Firmware(credentials=None), KEY)


def test_only_slow_guests_wait_longer_for_their_console() -> None:
    name, setting = "systemd.unit-dropin.dev-ttyS0.device", "[Unit]\nJobRunningTimeoutSec=900\n"
    assert credentials.patience("ttyS0", Firmware(), 10) == {name: setting}
    assert credentials.patience("ttyS0", Firmware(), 1) == {}
    for channel in (None, Channel.FW_CFG):
        assert credentials.patience("ttyS0", Firmware(credentials=channel), 10) == {}
