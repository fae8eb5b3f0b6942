#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# root.sh OUT.cpio PICKET RUN [FILE...]: the root file system of the virtual machine: busybox, ip, tc, curl, the picket binary, each
# with the libraries it needs; RUN as /test/run and every FILE beside it.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
out=$(realpath -m "$1")
picket=$(realpath "$2")
shift 2

work=$(mktemp -d "${TMPDIR:-/tmp}/picket-root.XXXXXX")
trap 'rm -rf "$work"' EXIT
chmod 755 "$work" # it becomes /, and the sensor is not root
mkdir -p "$work"/{bin,sbin,proc,sys,dev,run,tmp,etc,var,root,mod,test,usr/local/bin}

add() { # PROGRAM TO
	local library
	cp -L "$1" "$work/$2"
	ldd "$1" 2>/dev/null | grep -o '/[^ ]*' | while read -r library; do
		mkdir -p "$work$(dirname "$library")"
		[ -e "$work$library" ] || cp -L "$library" "$work$library"
	done
}

cp "$(command -v busybox)" "$work/bin/busybox"
add "$(command -v ip || echo /sbin/ip)" sbin/ip
add "$(command -v tc || echo /sbin/tc)" sbin/tc
add "$(command -v curl)" bin/curl
add "$picket" usr/local/bin/picket
cp "$here/init" "$work/init"
cp "$1" "$work/test/run"
shift
for file; do
	add "$file" "test/$(basename "$file")"
done
chmod 755 "$work/init" "$work/test/run"
printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' >"$work/etc/passwd"
printf 'root:x:0:\nnogroup:x:65534:\n' >"$work/etc/group"
printf 'passwd: files\ngroup: files\nhosts: files\n' >"$work/etc/nsswitch.conf"
printf '127.0.0.1 localhost\n' >"$work/etc/hosts"
(cd "$work" && find . | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet) >"$out"
