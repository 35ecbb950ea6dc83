# SPDX-License-Identifier: GPL-2.0-or-later
"""What a site has of its own: `site.yaml`, and overlays that lie outside of the project."""
