# SPDX-License-Identifier: GPL-2.0-or-later
"""Packages that tests install in a guest: a service that says its version, and a program.

They have what matters to an image in a real package: NAME a unit that its maintainer scripts enable
and start, DOCUMENTED documentation, a manual page and a translation, both a recommendation.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from builder.run import needs, run

NAME, DOCUMENTED = "fai-forge-probe", "fai-forge-documented-probe"
# Where the running service says which version it is.
STATE = f"/run/{NAME}"

CONTROL = f"""\
Package: {NAME}
Version: {{version}}
Architecture: all
Maintainer: fai-forge <fai-forge@localhost>
Section: admin
Priority: optional
Recommends: {NAME}-recommended
Description: probe of a booted image
"""
UNIT = f"""\
[Unit]
Description=Probe {{version}}

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'echo {{version}} > {STATE}'

[Install]
WantedBy=multi-user.target
"""
# What debhelper would write, in short. The unit is enabled by a link in the package: `systemctl
# enable` would make systemd read all units once more, which takes long in an emulated guest.
POSTINST = f"""\
#!/bin/sh
set -e
if [ "$1" = configure ]; then
    systemctl daemon-reload
    systemctl restart {NAME}.service
fi
"""
UNITS = "usr/lib/systemd/system"
LINKS = {f"{UNITS}/multi-user.target.wants/{NAME}.service": f"../{NAME}.service"}
PROBE = {
    "DEBIAN/control": CONTROL,
    "DEBIAN/postinst": POSTINST,
    f"{UNITS}/{NAME}.service": UNIT,
}
DOCUMENTED_PROBE = {
    "DEBIAN/control": CONTROL.replace(NAME, DOCUMENTED),
    f"usr/bin/{DOCUMENTED}": "#!/bin/sh\necho {version}\n",
    f"usr/share/doc/{DOCUMENTED}/copyright": "nobody's\n",
    f"usr/share/doc/{DOCUMENTED}/README": "nothing\n",
    f"usr/share/man/man1/{DOCUMENTED}.1": ".TH probe 1\n",
    f"usr/share/locale/de/LC_MESSAGES/{DOCUMENTED}.mo": "nichts\n",
}
PROGRAMS = ("DEBIAN/postinst", f"usr/bin/{DOCUMENTED}")


def service(pool: Path, version: str) -> Path:
    """Build a version of NAME into `pool` and return the path of the .deb."""
    return _build(pool / f"{NAME}_{version}_all.deb", version, PROBE, LINKS)


def documented(pool: Path, version: str) -> Path:
    """Build a version of DOCUMENTED into `pool` and return the path of the .deb."""
    return _build(pool / f"{DOCUMENTED}_{version}_all.deb", version, DOCUMENTED_PROBE)


@needs("dpkg-deb", package="dpkg", purpose="make packages that a guest installs")
def _build(
    made: Path, version: str, files: Mapping[str, str], links: Mapping[str, str] | None = None
) -> Path:
    """Build a .deb of these files, in which {version} stands for the version, and links."""
    made.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=made.parent) as folder:
        tree = Path(folder) / "tree"
        for name, text in files.items():
            path = tree / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.replace("{version}", version))
            path.chmod(0o755 if name in PROGRAMS else 0o644)
        for name, target in (links or {}).items():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).symlink_to(target)
        run(["dpkg-deb", "-Znone", "--root-owner-group", "--build", tree, made])
    return made
