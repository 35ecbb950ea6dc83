# SPDX-License-Identifier: GPL-2.0-or-later
"""Is the tree what apt predicted? What a script installs by itself, no plan can see.

It also catches what FAI hides: its apt calls carry --fix-missing, which goes on without packages
that could not be fetched.
"""

from __future__ import annotations

from collections.abc import Iterable

from builder.checks.terms import CheckResult
from builder.models import Package

NAME = "as-predicted"


def check(predicted: Iterable[Package], installed: Iterable[Package]) -> CheckResult:
    """Compare the packages that were predicted with those that are installed."""
    wanted = {package.key: package.version for package in predicted}
    found = {package.key: package.version for package in installed}
    problems = [
        *(f"{key} {wanted[key]} is missing" for key in sorted(wanted.keys() - found.keys())),
        *(f"{key} {found[key]} was not asked for" for key in sorted(found.keys() - wanted.keys())),
        *(
            f"{key} is {found[key]} instead of {wanted[key]}"
            for key in sorted(wanted.keys() & found.keys())
            if wanted[key] != found[key]
        ),
    ]
    return CheckResult(NAME, passed=not problems, detail="; ".join(problems))
