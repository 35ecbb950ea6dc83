# SPDX-License-Identifier: GPL-2.0-or-later
"""The tools work: a manual page can be read, and other locales than C are there."""

from __future__ import annotations

from builder.guest.guest import Guest


def test_a_manual_page_can_be_read(guest: Guest) -> None:
    assert "list directory contents" in guest.check("man ls | head -n 5")


def test_every_locale_is_there(guest: Guest) -> None:
    day = guest.check("LC_ALL=de_DE.UTF-8 date --date=2026-11-20 +%A").strip()
    assert day == "Freitag"
