# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced. A bare chroot lacks what every booted system has: proc, sysfs (the kernel's BTF), bpffs, /run/netns. mounts_ensure
# mounts what is missing and can be; mounts_undo takes away again what mounts_ensure brought. On a booted host both do nothing.

mounts_made=

mounts_one() { # TYPE PLACE
	if [ "$(id -u)" = 0 ] && mkdir -p "$2" 2>/dev/null && mount -t "$1" "$1" "$2" 2>/dev/null; then
		mounts_made="$2 $mounts_made"
	fi
}

mounts_ensure() {
	[ -e /proc/self/stat ] || mounts_one proc /proc
	[ -d /sys/kernel ] || mounts_one sysfs /sys
	if [ -d /sys/fs/bpf ] && [ "$(stat -f -c %T /sys/fs/bpf 2>/dev/null)" != bpf_fs ]; then
		mounts_one bpf /sys/fs/bpf
	fi
	mkdir -p /run/netns 2>/dev/null || true
}

mounts_undo() {
	local place
	for place in $mounts_made; do
		umount "$place" 2>/dev/null || umount -l "$place" 2>/dev/null || true
	done
	mounts_made=
}
