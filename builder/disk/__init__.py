# SPDX-License-Identifier: GPL-2.0-or-later
"""From a finished root tree to a bootable disk, and from that disk to the formats we publish."""
