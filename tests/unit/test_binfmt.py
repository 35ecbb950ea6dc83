# SPDX-License-Identifier: GPL-2.0-or-later
"""How the kernel is told of an emulator, and what of the machine's own is good enough."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.errors import InfrastructureError
from builder.install import binfmt as module
from builder.install.binfmt import FORMATS, Registration, Way
from builder.models import ARCHES

# The first bytes of /bin/true of Debian 13, for each architecture.
HEADERS = {
    "amd64": "7f454c4602010100000000000000000003003e0001000000",
    "arm64": "7f454c460201010000000000000000000300b70001000000",
    "ppc64el": "7f454c460201010000000000000000000300150001000000",
    "riscv64": "7f454c460201010000000000000000000300f30001000000",
}
STATIC = "7f454c460201010300000000000000000200b70001000000"
BIG_ENDIAN = "7f454c4602020100000000000000000000020015"
# As the kernel shows what Debian's package qemu-user-static registers.
SHOWN = """\
enabled
interpreter /usr/libexec/qemu-binfmt/aarch64-binfmt-P
flags: POCF
offset 0
magic 7f454c460201010000000000000000000200b700
mask ffffffffffffff00fffffffffffffffffeffffff
"""


def entry(arch: str) -> Registration:
    form = FORMATS[arch]
    return Registration(True, f"/usr/bin/{form.qemu}", "OCF", form.magic, form.mask)


def test_every_architecture_has_a_row() -> None:
    assert list(FORMATS) == list(ARCHES)


@pytest.mark.parametrize("arch", FORMATS)
def test_it_takes_the_programs_of_one_architecture(arch: str) -> None:
    taken = {name for name, text in HEADERS.items() if entry(arch).takes(bytes.fromhex(text))}
    assert taken == {arch}


def test_static_programs_too_and_nothing_big_endian() -> None:
    assert entry("arm64").takes(bytes.fromhex(STATIC))
    assert not entry("ppc64el").takes(bytes.fromhex(BIG_ENDIAN))


def test_the_line_for_the_kernel() -> None:
    ff = "\\xff"
    assert module.line("arm64", Path("/q")).decode() == (
        ":fai-forge-arm64:M::"
        "\\x7f\\x45\\x4c\\x46\\x02\\x01\\x01" + "\\x00" * 9 + "\\x02\\x00\\xb7\\x00:"
        f"{ff * 7}\\x00{ff * 8}\\xfe{ff * 3}:/q:OCF"
    )


def test_what_the_kernel_shows() -> None:
    shown = module.parse(SHOWN)
    assert shown.interpreter == "/usr/libexec/qemu-binfmt/aarch64-binfmt-P"
    assert (shown.enabled, shown.flags) == (True, "POCF")
    assert shown.takes(bytes.fromhex(HEADERS["arm64"]))
    assert not module.parse(SHOWN.replace("enabled", "disabled")).takes(shown.magic)
    by_name = module.parse("enabled\ninterpreter /usr/bin/wine\nflags: \nextension .exe\n")
    assert not by_name.takes(bytes.fromhex(HEADERS["arm64"]))


def machine_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entries: dict[str, str]) -> None:
    """An amd64 machine whose own binfmt_misc has these entries."""
    for name, text in entries.items():
        (tmp_path / name).write_text(text)
    read = module.registrations
    monkeypatch.setattr(module, "registrations", lambda: read(tmp_path))
    monkeypatch.setattr(module, "native_arch", lambda: "amd64")


def never() -> bool:
    pytest.fail("nobody needs to know")


def test_which_way_foreign_programs_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine_with(tmp_path, monkeypatch, {"status": "enabled\n", "qemu-aarch64": SHOWN})
    assert module.choose("amd64", private=never) is Way.NATIVE
    assert module.choose("arm64", private=lambda: True) is Way.PRIVATE
    assert module.choose("arm64", private=lambda: False) is Way.MACHINE


@pytest.mark.parametrize(
    ("arch", "entries"),
    [
        ("arm64", {}),
        ("arm64", {"status": "enabled\n", "register": ""}),
        ("arm64", {"qemu-aarch64": SHOWN.replace("enabled", "disabled")}),
        ("riscv64", {"qemu-aarch64": SHOWN}),
    ],
)
def test_no_way_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arch: str, entries: dict[str, str]
) -> None:
    machine_with(tmp_path, monkeypatch, entries)
    with pytest.raises(InfrastructureError) as caught:
        module.choose(arch, private=lambda: False)
    assert caught.value.message == (
        f"this machine cannot run the programs of {arch}, which building for it needs"
    )
    assert "apt-get install qemu-user-static" in caught.value.hint


def test_an_emulator_that_a_tree_does_not_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine_with(tmp_path, monkeypatch, {"qemu-aarch64": SHOWN.replace("POCF", "OC")})
    with pytest.raises(InfrastructureError, match="aarch64-binfmt-P, which an") as caught:
        module.choose("arm64", private=lambda: False)
    assert "flag F" in caught.value.hint
