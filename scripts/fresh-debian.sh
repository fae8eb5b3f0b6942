#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs quickstart.sh or test.sh in a fresh Debian 12, twice, and says how long each took: a debootstrap root and chroot, with the
# mirror and keys that this host uses. Nothing is left behind but the log.
#
#     sudo scripts/fresh-debian.sh quickstart|test [TIMES]       PICKET_FRESH_KEEP=1 keeps the root
set -eu
cd "$(dirname "$0")/.."
what=${1:?usage: fresh-debian.sh quickstart|test [TIMES]}
times=${2:-2}
[ -x "./$what.sh" ] || {
	echo "there is no $what.sh" >&2
	exit 2
}
[ "$(id -u)" = 0 ] || {
	echo "needs root" >&2
	exit 3
}
command -v debootstrap >/dev/null 2>&1 || {
	echo "needs debootstrap: apt-get install debootstrap" >&2
	exit 1
}

# shellcheck disable=SC2016
mirror=$(apt-get indextargets --format '$(CODENAME) $(REPO_URI)' | awk '$1 == "bookworm" { print $2; exit }')
[ -n "$mirror" ] || {
	echo "this host's package sources name no bookworm" >&2
	exit 1
}
root=$(mktemp -d /var/tmp/picket-fresh.XXXXXX)
chmod 755 "$root" # it becomes /, and not only root walks there
mounts=
undo() {
	local place
	for place in $mounts; do
		umount -R "$place" 2>/dev/null || umount -l "$place" 2>/dev/null || true
	done
	if [ "${PICKET_FRESH_KEEP:-0}" = 1 ]; then
		echo "kept: $root"
	elif grep -q " $root/" /proc/self/mounts; then
		echo "something is still mounted below $root: left as it is" >&2
	else
		rm -rf --one-file-system "${root:?}"
	fi
}
trap undo EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

echo "== a fresh Debian 12 in $root"
debootstrap --variant=minbase bookworm "$root" "$mirror" >"$root.log" 2>&1 || {
	tail -n 20 "$root.log"
	exit 1
}
rm -f "$root.log"
# The host's sources, keys and network settings: its mirror may need them.
cp -a /etc/apt/. "$root/etc/apt/"
cp -L /etc/resolv.conf /etc/hosts "$root/etc/" 2>/dev/null || true
mkdir -p "$root/root/picket"
if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
	git ls-files -z | xargs -0 tar -cf - | tar -xf - -C "$root/root/picket"
else
	tar -cf - --exclude=./build . | tar -xf - -C "$root/root/picket"
fi

mount -t proc proc "$root/proc"
mounts="$root/proc $mounts"
mount -t sysfs sysfs "$root/sys"
mounts="$root/sys $mounts"
mount --bind /dev "$root/dev"
mounts="$root/dev $mounts"
mount --bind /dev/pts "$root/dev/pts" # below /dev, and no bind mount of it brings it along
mounts="$root/dev/pts $mounts"
mount -t tmpfs tmpfs "$root/run"
mounts="$root/run $mounts"

for i in $(seq "$times"); do
	begin=$(date +%s)
	chroot "$root" env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 \
		bash -c "cd /root/picket && ./$what.sh" && status=0 || status=$?
	echo "== $what.sh, time $i: exit $status, $(($(date +%s) - begin)) s"
	[ "$status" = 0 ] || exit "$status"
done
