# SPDX-License-Identifier: GPL-2.0-or-later
"""Planning: what is published, what a build would get now, and the decisions about both."""
