# SPDX-License-Identifier: GPL-2.0-or-later
"""What became of a guest that did not get ready: signs on its console, questions, conclusions."""
