#!/bin/sh
# chroot TREE PROGRAM ARGUMENT..., which parts of FAI call where others use $ROOTCMD.
set -eu

tree=$1
shift
if [ "$tree" = "$FAI_ROOT" ]; then
    # shellcheck disable=SC2086 # it is several words
    exec $FORGE_ROOTCMD "$@"
fi
exec unshare --root="$tree" --wd=/ -- "$@"
