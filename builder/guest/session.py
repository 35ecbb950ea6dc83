# SPDX-License-Identifier: GPL-2.0-or-later
"""What the program and the pytest that it starts for a guest agree on.

Apart from the plugin, so that building needs no pytest.
"""

from __future__ import annotations

# sysexits.h's EX_TEMPFAIL; pytest itself uses 0 to 5.
INFRASTRUCTURE_EXIT = 75
# What a shell says of a program that SIGINT ended: the session was told to end.
INTERRUPTED_EXIT = 130
# Set by who starts pytest: a session whose parent was killed must not go on booting guests.
PARENT_VARIABLE = "FAI_FORGE_PARENT"
# The property of each test in the JUnit file that names its module.
MODULE_PROPERTY = "module"
# The properties of the whole session: what ran the guest, and why it did not get ready.
ACCEL_PROPERTY = "accel"
CAUSE_PROPERTY = "cause"
