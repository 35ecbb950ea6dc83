#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# In the namespaces of one container, before the program that starts it:
#   stage.sh INTERFACE AGAIN PROGRAM ARGUMENT...
# INTERFACE is the network interface to wait for, or empty; with the exit code AGAIN, the program
# says that the container wants to be started anew.
set -e
interface=$1 again=$2
shift 2
# Where the programs keep their state: not in the host's.
mount -t tmpfs -o mode=0755 tmpfs /run
mkdir /run/lxc
# Only version 2, also where the host has both, and only the part that is ours. Where version 2 is
# mounted there already, it cannot be once more: so something else comes between.
mount -t tmpfs tmpfs /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
until [ -z "$interface" ] || grep -q "^ *$interface:" /proc/net/dev; do
    sleep 0.05
done
code=$again
while [ "$code" = "$again" ]; do
    code=0
    "$@" || code=$?
done
exit "$code"
