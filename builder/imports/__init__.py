# SPDX-License-Identifier: GPL-2.0-or-later
"""Images that others made: what is offered, who vouches for it, and how it comes in."""
