# SPDX-License-Identifier: GPL-2.0-or-later
"""Are the classes right, before an image is built of them? Everything that is wrong, at once."""
