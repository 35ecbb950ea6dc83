# SPDX-License-Identifier: GPL-2.0-or-later
"""What the name of an archive says: which of them are the security team's."""

from __future__ import annotations

# The Label of a Release file that only the security team's archive has. The label, never the
# suite's name: a mirror may serve suites under any name, but cannot sign a label.
SECURITY_LABELS = frozenset({"Debian-Security"})
# Ubuntu gives one label to all suites of its archive; there, the signed suite's ending tells.
SUITE_TELLS = {"Ubuntu": "-security"}


def is_security(origin: str) -> bool:
    """Whether `Label:version/suite`, as apt writes where a version is from, is a security archive.

    >>> is_security("Debian-Security:13/stable-security"), is_security("Debian:13.2/stable")
    (True, False)
    """
    label, _, rest = origin.partition(":")
    ending = SUITE_TELLS.get(label)
    return label in SECURITY_LABELS or (ending is not None and rest.endswith(ending))
