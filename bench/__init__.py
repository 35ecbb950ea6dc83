# SPDX-License-Identifier: GPL-2.0-or-later
"""Measurements: how a build compares with the floor, the same work done by plain tools."""
