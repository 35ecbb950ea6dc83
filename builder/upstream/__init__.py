# SPDX-License-Identifier: GPL-2.0-or-later
"""Images that distributions publish themselves: the newest of each, verified, into a store."""
