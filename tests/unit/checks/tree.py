# SPDX-License-Identifier: GPL-2.0-or-later
"""A small good tree that passes every check, and what is promised of it."""

from __future__ import annotations

import os
from pathlib import Path

from builder.checks.terms import AptArchive, Promise
from builder.classes import ClassPromise

EPOCH = 1_795_143_600
STUB = "../run/systemd/resolve/stub-resolv.conf"
VERSION = "6.12+deb13-amd64"
BASE = ClassPromise(
    "BASE",
    packages=("bash",),
    present=("/etc/default/*", "/usr/**/*.pgp", "/lib/modules"),
    absent=("/usr/share/doc/*/changelog*", "/etc/secret"),
    contains={"/etc/default/gru[ab]": ("^GRUB_TIMEOUT=0$", "^GRUB_CMD")},
    lacks={"/etc/ssh/*": ("^PermitRootLogin yes", "^X11")},
    enabled=("ssh.service", "sshd.service", "getty@tty1.service", "run-x.mount"),
    masked=("slow.timer", "gone.service"),
    without_packages=("telnetd",),
    setuid=("/usr/bin/own-*",),
    installed_size_max={"amd64": 1 << 20},
    command_line=("console=ttyS0",),
)
PROMISE = Promise(
    epoch=EPOCH,
    classes=(BASE,),
    kernel="linux-image-amd64",
    resolv_conf=STUB,
    hostname="debian",
    name="debian-13",
    serial="20261121",
    apt_archives=(
        AptArchive("http://archive.example/debian", "trixie", "main"),
        AptArchive("http://archive.example/debian/", "trixie-updates", "main"),
    ),
)
STATUS = """\
Package: bash
Status: install ok installed
Architecture: amd64
Version: 5.2

Package: linux-image-amd64
Status: install ok installed
Architecture: amd64
Version: 6.12
Depends: linux-image-6.12+deb13-amd64 (= 6.12-1), bash

Package: linux-image-6.12+deb13-amd64
Status: install ok installed
Architecture: amd64
Version: 6.12
"""
SOURCES = """\
# The archive
Types: deb
URIs: http://archive.example/debian/
Suites: trixie trixie-updates
Components: main
Signed-By: /usr/share/keyrings/archive.pgp

Enabled: no
Types: deb
URIs: http://off.example
Suites: x
Components: main
"""
SSHD = """\
Include /etc/ssh/sshd_config.d/*.conf
KbdInteractiveAuthentication no
UsePAM yes
Subsystem sftp /usr/lib/openssh/sftp-server
"""
FSTAB = """\
# what is mounted
UUID=12-34 / ext4 rw 0 1
UUID=AB-CD /boot/efi vfat umask=0077 0 2
tmpfs /tmp tmpfs rw 0 0
"""
EMPTY = ("dev", "media", "mnt", "proc", "run", "srv", "sys", "tmp", "var/tmp")
BOOT_FILES = (
    "usr/lib/grub/i386-pc/boot.img",
    "boot/grub/i386-pc/core.img",
    "boot/grub/i386-pc/normal.mod",
    "boot/grub/x86_64-efi/normal.mod",
    "boot/efi/EFI/BOOT/BOOTX64.EFI",
    "boot/efi/EFI/BOOT/grubx64.efi",
    "boot/efi/EFI/BOOT/grub.cfg",
    "boot/efi/EFI/debian/shimx64.efi",
    "boot/efi/EFI/debian/grubx64.efi",
    "boot/efi/EFI/debian/grub.cfg",
)
OWNED = """\
/.
/bin/ls
/etc/apt/trusted.gpg.d/debian.asc
/etc/foo.dpkg-example
/usr/bin/own-helper
/usr/bin/passwd
/usr/sbin/sshd
"""
SETTINGS = """\
GRUB_TIMEOUT=0
GRUB_DISTRIBUTOR=`( . /etc/os-release && echo ${NAME} )`
GRUB_CMDLINE_LINUX_DEFAULT="quiet"
GRUB_CMDLINE_LINUX="console=ttyS9"  # for now
"""
MORE_SETTINGS = 'GRUB_CMDLINE_LINUX="console=tty0 $GRUB_CMDLINE_LINUX_NONE console=ttyS0"\n'
MENU = f"""\
menuentry 'Debian' {{
	linux	/boot/vmlinuz-{VERSION} root=UUID=12-34 ro console=tty0 console=ttyS0 quiet
	initrd	/boot/initrd.img-{VERSION}
}}
menuentry 'Debian (recovery mode)' {{
	linux	/boot/vmlinuz-{VERSION} root=UUID=12-34 ro single console=tty0 console=ttyS0
}}
"""
PASSWD = """\
root:x:0:0:root:/root:/bin/bash
sync:x:4:65534:sync:/bin:/bin/sync
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
_chrony:x:100:101::/var/lib/chrony:/usr/sbin/nologin
haproxy:x:101:65534::/nonexistent:/bin/false
"""
GROUPS = """\
root:x:0:
sudo:x:27:
users:x:100:
_chrony:x:101:sync
nogroup:x:65534:
"""
if os.getuid():
    # The tests' own ids own the files of the tree.
    PASSWD += f"_tester:x:{os.getuid()}:{os.getgid()}::/nonexistent:/usr/sbin/nologin\n"
    GROUPS += f"_testers:x:{os.getgid()}:\n"
SHADOW = "".join(f"{line.split(':')[0]}:!*:19675::::::\n" for line in PASSWD.splitlines())
GSHADOW = "".join(f"{line.split(':')[0]}:!::\n" for line in GROUPS.splitlines())
RELEASE = 'ID="debian-13"\nVERSION="20261121"\n'
HOSTS = """\
127.0.0.1\tlocalhost
# for IPv6
::1\t\tlocalhost ip6-localhost ip6-loopback
ff02::1\t\tip6-allnodes
"""
GOOD = {
    "etc/machine-id": "uninitialized\n",
    "etc/hostname": "debian\n",
    "etc/passwd": PASSWD,
    "etc/group": GROUPS,
    "etc/shadow": SHADOW,
    "etc/gshadow": GSHADOW,
    "etc/hosts": HOSTS,
    "etc/polkit-1/rules.d/": "",
    "etc/cloud-release": RELEASE,
    "etc/default/locale": "# set by the image\nLANG=C.UTF-8\n",
    "etc/default/ssh": "# options\nSSHD_OPTS=\n",
    "etc/iscsi/initiatorname.iscsi": "GenerateName=yes\n",
    "etc/foo.dpkg-example": "",
    "etc/ssh/sshd_config": SSHD,
    "etc/ssh/sshd_config.d/10-keys.conf": "PasswordAuthentication no\n",
    "etc/apt/sources.list": "# see sources.list.d\n",
    "etc/apt/sources.list.d/debian.sources": SOURCES,
    "etc/apt/apt.conf.d/70debconf": '// Proxy "http://x";\nDPkg::Pre-Install-Pkgs {"x";};\n',
    "usr/share/keyrings/archive.pgp": "key",
    "usr/sbin/sshd": "#!",
    "usr/lib/modules/" + VERSION + "/modules.dep": "",
    "boot/vmlinuz-" + VERSION: "kernel",
    "boot/initrd.img-" + VERSION: "initrd",
    "boot/grub/grub.cfg": MENU,
    "etc/default/grub": SETTINGS,
    "etc/default/grub.d/50-console.cfg": MORE_SETTINGS,
    "etc/fstab": FSTAB,
    "etc/systemd/system/gone.service": "",
    "etc/systemd/system/multi-user.target.wants/": "",
    "root/.ssh/": "",
    "usr/bin/own-helper": "#!",
    "usr/bin/passwd": "#!",
    "usr/lib/systemd/system/getty@.service": "[Unit]",
    "usr/lib/systemd/system/getty.target.wants/": "",
    "usr/lib/systemd/system/run-x.mount": "[Unit]",
    "usr/lib/systemd/system/local-fs.target.requires/": "",
    "usr/lib/systemd/system/slow.timer": "[Unit]",
    "usr/lib/systemd/system/ssh.service": "[Unit]",
    **{f"{folder}/": "" for folder in EMPTY},
    **dict.fromkeys(BOOT_FILES, "loader"),
    "home/": "",
    "usr/bin/ls": "#!",
    "usr/bin/awk-1": "#!",
    "usr/lib/grub/test.key": "-----BEGIN PRIVATE KEY-----",
    "var/cache/man/": "",
    "var/lib/dpkg/info/bash.list": OWNED,
    "etc/apt/trusted.gpg.d/debian.asc": "key",
    "var/cache/apt/archives/lock": "",
    "var/lib/apt/lists/lock": "",
    "var/lib/dbus/": "",
    "var/lib/dpkg/diversions": "/usr/bin/awk\n/usr/bin/awk-1\nbase-files\n",
    "var/lib/dpkg/status": STATUS,
    "var/log/wtmp": "",
    "var/log/journal/": "",
}


UNITS = "/usr/lib/systemd/system"
ETC_UNITS = "etc/systemd/system"
LINKS = {
    "lib": "usr/lib",
    f"{ETC_UNITS}/multi-user.target.wants/ssh.service": f"{UNITS}/ssh.service",
    f"{ETC_UNITS}/sshd.service": f"{UNITS}/ssh.service",
    f"{ETC_UNITS}/slow.timer": "/dev/null",
    f"{UNITS}/getty.target.wants/getty@tty1.service"[1:]: "../getty@.service",
    f"{UNITS}/local-fs.target.requires/run-x.mount"[1:]: "../run-x.mount",
}


def put(tree: Path, path: str, text: str = "x") -> None:
    """Write a file, or make a folder where the path ends with a slash."""
    place = tree / path
    if path.endswith("/"):
        place.mkdir(parents=True, exist_ok=True)
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    place.write_text(text)
    place.chmod(0o644)


def settle(tree: Path, epoch: int = EPOCH) -> None:
    """Give everything in the tree the same time."""
    for path in [tree, *tree.rglob("*")]:
        os.utime(path, (epoch, epoch), follow_symlinks=False)


def make(tree: Path) -> None:
    """Make the good tree in an empty folder."""
    for path, text in GOOD.items():
        put(tree, path, text)
    (tree / "etc/resolv.conf").symlink_to(STUB)
    for path, target in LINKS.items():
        (tree / path).symlink_to(target)
    for path in ("usr/bin/own-helper", "usr/bin/passwd"):
        (tree / path).chmod(0o4755)
    (tree / "var/lib/dbus/machine-id").symlink_to("/etc/machine-id")
    (tree / "var/log/README").symlink_to("../../usr/share/doc/systemd/README.logs")
    for path in ("tmp", "var/tmp"):
        (tree / path).chmod(0o1777)
    settle(tree)
