# SPDX-License-Identifier: GPL-2.0-or-later
"""tests/offline.yaml: what is right, what each mistake says, and that our own are right."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import pytest

from builder import classes
from builder.classes.offline import FILE, ClassPromise, OfflineFile, parse_text, read
from builder.classes.schema import schema_text
from builder.errors import UsageError
from builder.models import ARCHES

PROJECT = Path(__file__).parents[2]
WHOLE = """\
present: [/etc/x, "/usr/lib/**/*.service"]
absent: [/usr/share/doc/*/changelog*]
contains: {/etc/default/grub: ^GRUB_TIMEOUT=0$}
lacks:
  /etc/ssh/sshd_config: [^PermitRootLogin yes, ^X11]
enabled: [libvirtd.service, getty@tty1.service]
masked: [apt-daily.timer]
without_packages: [cloud-init]
setuid: [/usr/lib/x/helper]
users: [haproxy]
installed_size_max: 700MiB
command_line: [console=ttyS0, quiet]
"""


def overlay(folder: Path, name: str, text: str | None) -> classes.Overlay:
    place = folder / name
    (place / "tests").mkdir(parents=True)
    (place / "class.yaml").write_text(
        f"class: {name}\nkind: platform\nsummary: x\norder: 400\npackages: [p-{name.lower()}]\n"
    )
    if text is not None:
        (place / FILE).write_text(text)
    return classes.Overlay(name, place)


def test_all_that_a_class_can_promise(tmp_path: Path) -> None:
    known = classes.load([overlay(tmp_path, "ONE", WHOLE), overlay(tmp_path, "TWO", None)])
    one, two = classes.promises(known, ["DEFAULT", "ONE", "TWO", "LAST"])
    assert one == ClassPromise(
        name="ONE",
        packages=("p-one",),
        present=("/etc/x", "/usr/lib/**/*.service"),
        absent=("/usr/share/doc/*/changelog*",),
        contains={"/etc/default/grub": ("^GRUB_TIMEOUT=0$",)},
        lacks={"/etc/ssh/sshd_config": ("^PermitRootLogin yes", "^X11")},
        enabled=("libvirtd.service", "getty@tty1.service"),
        masked=("apt-daily.timer",),
        without_packages=("cloud-init",),
        setuid=("/usr/lib/x/helper",),
        users=("haproxy",),
        installed_size_max=dict.fromkeys(ARCHES, 700 << 20),
        command_line=("console=ttyS0", "quiet"),
    )
    assert two == ClassPromise(name="TWO", packages=("p-two",))


def test_model_and_promise_have_the_same_fields() -> None:
    names = {each.name for each in fields(ClassPromise)} - {"name", "packages"}
    assert names == set(OfflineFile.model_fields)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("present: [", "is not YAML"),
        ("presnt: [/x]", "there is no field presnt; did you mean present?"),
        ("", "fields and their values are expected"),
        ("present: /etc/x", "present: a list is expected"),
        ("present: [etc/x]", "present.0: etc/x must start with a slash"),
        ("absent: [/etc/../x]", "absent.0: /etc/../x has a part that is . or .."),
        ("contains: [/etc/x]", "contains: a mapping is expected, such as {/etc/x: '^a=1$'}"),
        ("contains: {/etc/x: '('}", "contains./etc/x.0: '(' is no regular expression"),
        ("lacks: {/etc/x: {}}", "lacks./etc/x: a list is expected"),
        ("enabled: [ssh]", "enabled.0 is 'ssh'"),
        ("without_packages: [Cloud]", "without_packages.0 is 'Cloud'"),
        ("users: [' x']", "users.0"),
        ("installed_size_max: 1GB", "installed_size_max.amd64: a whole number of MiB"),
        ("command_line: ['a b']", "command_line.0 is 'a b'"),
        ("absent: [/x]\nabsent: [/y]", "absent stands there twice in line"),
    ],
)
def test_a_mistake_names_file_and_field(tmp_path: Path, text: str, said: str) -> None:
    one = overlay(tmp_path, "ONE", text)
    with pytest.raises(UsageError) as caught:
        read(one.path)
    assert str(one.path / FILE) in caught.value.message
    assert said in caught.value.message
    assert caught.value.hint


def test_hint_names_fields_and_schema() -> None:
    with pytest.raises(UsageError) as caught:
        parse_text("x: 1", Path(FILE))
    assert "present, absent" in caught.value.hint
    assert "schema/offline.schema.json" in caught.value.hint


def test_schema_is_committed() -> None:
    committed = (PROJECT / "schema/offline.schema.json").read_text()
    assert committed == schema_text("offline")
    assert json.loads(committed)["$id"] == "urn:fai-forge:v1:offline"


def test_the_projects_own_promises_can_be_read() -> None:
    known = classes.load(classes.own_overlays(PROJECT))
    promised = {each.name: each for each in classes.promises(known, known.classes)}
    assert "ssh.service" in promised["SSHD"].enabled
