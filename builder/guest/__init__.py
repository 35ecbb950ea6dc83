# SPDX-License-Identifier: GPL-2.0-or-later
"""Live boots: a guest under libvirt, the way into it, its console, and the verdict on an image."""
