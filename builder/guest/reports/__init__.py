# SPDX-License-Identifier: GPL-2.0-or-later
"""What a boot leaves behind: its files, the document and the page about it, known failures."""
