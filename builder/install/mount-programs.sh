#!/bin/bash
# mount-programs LIST TREE: put the native programs of a list over those that TREE has, too.
# The files themselves stay as they are: only the caller's mount namespace sees the difference.
set -euo pipefail

programs=$1
tree=$2
native=${0%/*}
list=$native/programs.fstab
while read -r program; do
    mine=$native/usr/$program
    theirs=$tree/usr/$program
    if [ -f "$mine" ] && [ -f "$theirs" ] && [ ! -h "$mine" ] && [ ! -h "$theirs" ] &&
        [ ! "$mine" -ef "$theirs" ]; then
        echo "$mine $theirs none bind 0 0"
    fi
done < "$native/$programs" > "$list"
mount --all --fstab "$list"
