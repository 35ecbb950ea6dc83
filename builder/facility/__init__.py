# SPDX-License-Identifier: GPL-2.0-or-later
"""A site's own store: what it takes from others, what it adds, and where its images go."""
