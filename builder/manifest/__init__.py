# SPDX-License-Identifier: GPL-2.0-or-later
"""What is in an image: the manifest document, collecting it from a tree, and its plain texts."""
