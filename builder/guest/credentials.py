# SPDX-License-Identifier: GPL-2.0-or-later
"""The way in without cloud-init: systemd credentials, which the guest finds in its SMBIOS.

One gives root the run's SSH key, two add a unit that prints the host keys on the console, as
cloud-init would. Nothing of the image is changed. The unit needs systemd 256, that is Debian 13.
Source: systemd.system-credentials(7), systemd-debug-generator(8), smbios-type-11(7)
"""

from __future__ import annotations

import base64

from builder.guest.ssh import KEYS_BEGIN, KEYS_END

PREFIX = "io.systemd.credential.binary"
UNIT = "fai-forge-host-keys.service"
SERVICE = f"""\
[Unit]
Description=Print the SSH host keys on the console
After=ssh.service

[Service]
Type=oneshot
ExecStart=/bin/sh -c 'exec >/dev/console; echo; echo "{KEYS_BEGIN}"; \
cat /etc/ssh/ssh_host_*_key.pub; echo "{KEYS_END}"'
"""


def credentials(public_key: str) -> dict[str, str]:
    """The credentials of one run, by name."""
    return {
        "ssh.authorized_keys.root": f"{public_key}\n",
        f"systemd.extra-unit.{UNIT}": SERVICE,
        "systemd.unit-dropin.multi-user.target": f"[Unit]\nWants={UNIT}\n",
    }


def oem_strings(public_key: str) -> tuple[str, ...]:
    """The same as SMBIOS strings of type 11 (OEM strings)."""
    return tuple(
        f"{PREFIX}:{name}={base64.b64encode(text.encode()).decode()}"
        for name, text in credentials(public_key).items()
    )
