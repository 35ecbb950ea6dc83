# SPDX-License-Identifier: GPL-2.0-or-later
"""apt without a system: which sources, which packages they would give, and the .debs themselves."""
