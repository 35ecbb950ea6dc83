# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks of a finished tree that need no boot."""
