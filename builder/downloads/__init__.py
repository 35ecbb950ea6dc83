# SPDX-License-Identifier: GPL-2.0-or-later
"""Downloads from web servers that others run: documents, and images of many gigabytes."""
