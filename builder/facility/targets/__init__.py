# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a site's images go: one small module for each kind of place, behind one interface."""
