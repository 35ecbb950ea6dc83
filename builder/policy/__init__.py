# SPDX-License-Identifier: GPL-2.0-or-later
"""Policies: what must have changed for an image to be published anew, and the decision itself."""
