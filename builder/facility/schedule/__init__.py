# SPDX-License-Identifier: GPL-2.0-or-later
"""What a site does by itself: jobs, the timers that start them, and how they went."""
