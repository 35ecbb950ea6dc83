# SPDX-License-Identifier: GPL-2.0-or-later
"""The image finder: static pages at the store's root that say what there is to download."""
