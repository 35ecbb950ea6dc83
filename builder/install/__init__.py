# SPDX-License-Identifier: GPL-2.0-or-later
"""From a config space to a root file system: the sandbox, base files, tools, and the FAI run."""
