# SPDX-License-Identifier: GPL-2.0-or-later
"""Is the tree what apt predicted? What a script installs by itself, no plan can see.

It also catches what FAI hides: its apt calls carry --fix-missing, which goes on without packages
that could not be fetched.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

from builder.checks.terms import CheckResult
from builder.models import Package

NAME = "as-predicted"
# Package names -> the script or hook that is behind each, where that is known.
Blame = Callable[[Collection[str]], Mapping[str, str]]


def check(predicted: Iterable[Package], installed: Iterable[Package], blame: Blame) -> CheckResult:
    """Compare the packages that were predicted with those that are installed.

    `blame` is asked about those that differ.
    """
    wanted = {package.key: package.version for package in predicted}
    found = {package.key: package.version for package in installed}
    problems = {
        **{key: f"{wanted[key]} is missing" for key in wanted.keys() - found.keys()},
        **{key: f"{found[key]} was not asked for" for key in found.keys() - wanted.keys()},
        **{
            key: f"is {found[key]} instead of {wanted[key]}"
            for key in wanted.keys() & found.keys()
            if wanted[key] != found[key]
        },
    }
    who = blame({_name(key) for key in problems}) if problems else {}
    told = [
        f"{key} {problems[key]}" + (f" (by {who[_name(key)]})" if _name(key) in who else "")
        for key in sorted(problems)
    ]
    return CheckResult(NAME, passed=not problems, detail="; ".join(told))


def _name(key: str) -> str:
    return key.partition(":")[0]
