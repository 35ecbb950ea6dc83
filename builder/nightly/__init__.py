# SPDX-License-Identifier: GPL-2.0-or-later
"""The nightly: what must be published is built, booted and published; the rest is left alone."""
