# SPDX-License-Identifier: GPL-2.0-or-later
"""fai-forge: build Debian-family machine images with FAI and say exactly what is in each."""

__version__ = "0.1.0"
