#!/bin/bash
# Run a program in a tree of another architecture, with native programs in place of its most used
# ones. This is FAI's $ROOTCMD; it runs in a mount namespace of its own:
#
#   rootcmd.sh NATIVE LOADER LIBRARIES TREE PROGRAM ARGUMENT...
#
# NATIVE is a tree of the same release for this machine, at the same path inside TREE. LOADER and
# LIBRARIES are where its programs expect to find their dynamic loader and their libraries; trees of
# other architectures have neither (that is what Debian's multiarch is for).
set -euo pipefail

native=$1
loader=$2
libraries=$3
tree=$4
shift 4

made=()
# A folder, file or link to mount on, and to remove again.
make_dir() { [ -d "$1" ] || { mkdir "$1" && made=("$1" "${made[@]}"); }; }
make_file() { [ -e "$1" ] || { : > "$1" && made=("$1" "${made[@]}"); }; }
make_link() { ln -s "$1" "$2" && made=("$2" "${made[@]}"); }
# shellcheck disable=SC2317 # called by a trap
remove_made() {
    local each
    for each in "${made[@]}"; do
        rm --dir --force "$each"
    done
}

mkdir -p "$tree$native"
mount --rbind "$native" "$tree$native"
trap remove_made EXIT
# As in any merged /usr: packages refuse to be installed where it is a real folder.
make_dir "$tree/usr${loader%/*}"
[ -e "$tree${loader%/*}" ] || make_link "usr${loader%/*}" "$tree${loader%/*}"
make_file "$tree$loader"
make_dir "$tree$libraries"
mount --bind "$native$libraries/${loader##*/}" "$tree$loader"
mount --bind "$native$libraries" "$tree$libraries"
if [ -d "$native/usr/lib/apt/methods" ]; then
    mount --bind "$native/usr/lib/apt/methods" "$tree/usr/lib/apt/methods"
fi
"$native/mount-programs" programs "$tree"

code=0
# apt takes its architecture from its own; dpkg stays the tree's.
APT_CONFIG=$native/apt.conf unshare --root="$tree" --wd=/ -- "$@" || code=$?
# Out of the way, for what was made to mount on.
umount --lazy "$tree$loader" "$tree$libraries"
exit "$code"
