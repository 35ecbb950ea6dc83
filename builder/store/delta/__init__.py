# SPDX-License-Identifier: GPL-2.0-or-later
"""Deltas: files that make the next build's disk out of an earlier one's; docs/deltas.md."""
