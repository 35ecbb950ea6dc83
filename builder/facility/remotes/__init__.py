# SPDX-License-Identifier: GPL-2.0-or-later
"""Where images come from: one small module for each kind of remote, behind one interface."""
