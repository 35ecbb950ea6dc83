#!/bin/sh
# dpkg, as apt calls it: once packages are unpacked, their programs are run a lot to configure them.
set -eu

native=${0%/*}
case " $* " in
    *" --configure "*) "$native/mount-programs" programs-of-dpkg "" ;;
esac
exec /usr/bin/dpkg "$@"
