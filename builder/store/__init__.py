# SPDX-License-Identifier: GPL-2.0-or-later
"""The store: what is published, how it gets there, and how others read it."""
