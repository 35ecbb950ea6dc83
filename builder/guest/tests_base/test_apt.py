# SPDX-License-Identifier: GPL-2.0-or-later
"""apt's sources: they parse, come by HTTP, and are verified. No network is needed to say so."""

from __future__ import annotations

from builder.guest.guest import Guest


def test_sources_parse_and_are_http(guest: Guest) -> None:
    """apt understands its sources, and all of them are web addresses."""
    # Neither downloads nor needs the lists, which an image does not have.
    answer = guest.run("apt-get update --print-uris")
    assert answer.returncode == 0, answer.stderr
    assert answer.stderr.strip() == ""
    uris = [line.split()[0].strip("'") for line in answer.stdout.splitlines()]
    assert [uri for uri in uris if uri.endswith("/InRelease")]
    assert [uri for uri in uris if not uri.startswith(("http://", "https://"))] == []


def test_sources_are_verified(guest: Guest) -> None:
    """No source is exempt from signatures, and every key file that one names is there."""
    sources = "/etc/apt/sources.list /etc/apt/sources.list.d/"
    exempt = f"grep -rsniE '(trusted|allow-insecure) *[=:] *yes' {sources}"
    assert guest.run(exempt).stdout == ""
    named = guest.run(f"grep -rshoiE 'signed-by *[=:] *[^] ]+' {sources}").stdout
    for path in {line.split("=")[-1].split(":")[-1].strip() for line in named.splitlines()}:
        guest.check(f"test -s {path}")
    insecure = "apt-config dump | grep -iE 'Allow(Unauthenticated|Insecure).* \"(true|1)\"'"
    assert guest.run(insecure).stdout == ""


def test_dpkg_is_whole(guest: Guest) -> None:
    """No package is half installed."""
    assert guest.check("dpkg --audit").strip() == ""
