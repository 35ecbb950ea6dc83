# SPDX-License-Identifier: GPL-2.0-or-later
"""The exit codes of the tree of errors, as the documentation gives them."""

from __future__ import annotations

import pytest

from builder.errors import BuildError, CheckError, ForgeError, InfrastructureError, UsageError
from builder.run import CommandError, Completed


@pytest.mark.parametrize(
    ("error", "code"),
    [(BuildError, 1), (UsageError, 2), (CheckError, 3), (InfrastructureError, 4)],
)
def test_each_kind_has_its_exit_code(error: type[ForgeError], code: int) -> None:
    caught = error("what happened", "what to do")
    assert (caught.exit_code, caught.message, caught.hint) == (code, "what happened", "what to do")
    assert str(caught) == "what happened"


def test_a_failed_command_can_be_pasted_into_a_shell() -> None:
    error = CommandError(Completed(("cp", "a b", "$HOME"), 3, "cp: no\n"))
    assert error.message == "cp failed (exit code 3): cp 'a b' '$HOME'"
    assert error.hint == "cp: no"
    assert error.exit_code == 1
