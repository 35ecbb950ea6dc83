# SPDX-License-Identifier: GPL-2.0-or-later
"""The way in without cloud-init: systemd credentials, which the guest finds in its SMBIOS or in
QEMU's fw_cfg device.

One gives root the run's SSH key, two add a unit that prints the host keys on the console, as
cloud-init would. Another one makes an emulated guest wait longer. Nothing of the image is changed.
Units come in this way since systemd 256, that is Debian 13.
Source: systemd.system-credentials(7), systemd-debug-generator(8), smbios-type-11(7)
"""

from __future__ import annotations

import base64
from collections.abc import Mapping

from builder.errors import UsageError
from builder.guest.hardware import Channel, Firmware
from builder.guest.ssh import KEYS_BEGIN, KEYS_END

PREFIX = "io.systemd.credential.binary"
FOLDER = "opt/io.systemd.credentials"
# The longest name of a file in fw_cfg (QEMU's FW_CFG_MAX_FILE_PATH, less its end). It leaves one
# letter for our unit, and `-.slice`, the root of all units, for the one that wants it.
FW_CFG_NAME_BYTES = 55
UNIT = "k.service"
# systemd's DefaultDeviceTimeoutSec.
DEVICE_SECONDS = 90
SERVICE = f"""\
[Unit]
Description=Print the SSH host keys on the console
After=ssh.service

[Service]
Type=oneshot
ExecStart=/bin/sh -c 'exec >/dev/console; echo; echo "{KEYS_BEGIN}"; \
cat /etc/ssh/ssh_host_*_key.pub; echo "{KEYS_END}"'
"""


def credentials(arch: str, firmware: Firmware, public_key: str) -> dict[str, str]:
    """The credentials of one run, by name; UsageError where nothing takes them to the guest."""
    if firmware.credentials is None:
        raise UsageError(
            f"the only way into a guest of {arch} is cloud-init: its machine and this firmware"
            " have no place for systemd's credentials",
            hint="boot an image that has cloud-init; docs/architectures.md tells what there is",
        )
    return {
        "ssh.authorized_keys.root": f"{public_key}\n",
        f"systemd.extra-unit.{UNIT}": SERVICE,
        "systemd.unit-dropin.-.slice": f"[Unit]\nWants={UNIT}\n",
    }


def patience(console: str, firmware: Firmware, slowness: float) -> dict[str, str]:
    """What makes a slow guest wait longer for its own console, `slowness` times what it would.

    systemd's limit knows nothing of emulation: where a host is busy, it gives up a device that is
    there. The name is too long for fw_cfg, and systemd before 256 does not read it.
    """
    if slowness == 1 or firmware.credentials != Channel.SMBIOS:
        return {}
    seconds = f"JobRunningTimeoutSec={DEVICE_SECONDS * slowness:.0f}"
    return {f"systemd.unit-dropin.dev-{console}.device": f"[Unit]\n{seconds}\n"}


def oem_strings(wanted: Mapping[str, str]) -> tuple[str, ...]:
    """Credentials as SMBIOS strings of type 11 (OEM strings)."""
    return tuple(
        f"{PREFIX}:{name}={base64.b64encode(text.encode()).decode()}"
        for name, text in wanted.items()
    )


def fw_cfg(wanted: Mapping[str, str]) -> dict[str, str]:
    """Credentials as files of fw_cfg, by name.

    None may have a comma: libvirt 9.0 does not escape it for QEMU, where it begins another option.
    """
    return {f"{FOLDER}/{name}": text for name, text in wanted.items()}
