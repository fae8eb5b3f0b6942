#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# by-hand.sh OBJECTS DOCUMENT: runs the commands of docs/by-hand.md, as they stand in its fenced blocks, with the objects of this
# build, in a mount namespace with a bpffs of its own; claims what they must print, and that nothing is left behind.
set -eu

objects=$(realpath "${1:?usage: by-hand.sh OBJECTS DOCUMENT}")
document=$(realpath "${2:?usage: by-hand.sh OBJECTS DOCUMENT}")

skip() {
	echo "skipped: $*"
	exit 77
}
[ "$(id -u)" = 0 ] || skip "needs root"
for tool in bpftool tc ip curl jq python3 nsenter unshare pgrep; do
	command -v "$tool" >/dev/null 2>&1 || skip "$tool is not installed"
done

dir=$(mktemp -d "${TMPDIR:-/tmp}/picket-by-hand.XXXXXX")
# shellcheck disable=SC2317 # called by the trap
finish() { rm -rf "$dir" /tmp/by-hand-www; }
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# Before the last block, which takes everything away, the ids of what is loaded are written down.
blocks=$(grep -c '^```sh$' "$document")
awk -v last="$blocks" -v ids="$dir/ids" '
	/^```sh$/ { inside = 1; if (++n == last) print "loaded >" ids; next }
	/^```$/ { if (inside) print ""; inside = 0 }
	inside' "$document" >"$dir/commands"
[ "$blocks" -ge 7 ] || {
	echo "only $blocks blocks of commands found in $document"
	exit 1
}
# Its own mounts: whatever happens, pins and named namespaces go with the process.
cat >"$dir/run" <<'RUN'
set -eu
# In a chroot "/" is no mount point; there what is below it is made private by itself.
mount --make-rprivate / 2>/dev/null || { mount --make-rprivate /sys && mount --make-rprivate /run; }
mount -t bpf bpf /sys/fs/bpf
mkdir -p /run/netns
mount -t tmpfs tmpfs /run/netns
loaded() { find "$PINS" -type f -exec bpftool -j prog show pinned {} \; 2>/dev/null | jq '.id // empty'; }
trap 'kill ${SERVER:-} ${HOLDER:-} 2>/dev/null || true' EXIT
. "$1"
RUN
status=0
BPF=$objects timeout 100 unshare --mount --propagation unchanged bash "$dir/run" "$dir/commands" >"$dir/out" 2>"$dir/err" || status=$?
cat "$dir/out"
if [ "$status" != 0 ]; then
	cat "$dir/err"
	echo "FAILED: the commands of $document ended with $status"
	exit 1
fi

failed=0
claim() { # WHAT PATTERN
	grep -Eq "$2" "$dir/out" || {
		echo "FAILED: $1: nothing like \"$2\" was printed"
		failed=1
	}
}
claim "the server answers" '^hello$'
claim "XDP is attached" 'pk-s\([0-9]+\) driver id'
claim "XDP counts" '^packets seen by XDP: [1-9][0-9]*$'
claim "a denied client gets no answer" '^denied: no answer$'
claim "XDP drops" '^dropped by XDP: [1-9][0-9]*$'
claim "a hit is kept by address" '"packets"'
claim "tc is attached" 'direct-action.*(pk_tc|id )'
claim "tc makes header events" '^header events in the ring: ([5-9]|[1-9][0-9]+), lost: 0$'
claim "requests are copied" '^reads seen: [1-9][0-9]*, bytes copied: [1-9][0-9]*$'
claim "kprobes, where there are any" '^(segments seen by kprobe: [1-9][0-9]*|no kprobes here, or no bpftool for them)$'
[ "$(grep -c '^hello$' "$dir/out")" -ge 5 ] || {
	echo "FAILED: the client was answered less often than it must be"
	failed=1
}
[ "$(wc -l <"$dir/ids")" -ge 3 ] || {
	echo "FAILED: fewer programs were loaded than the document says"
	failed=1
}
if pgrep -f '^[^ ]*python3? .*/by-hand-www' >&2; then
	echo "FAILED: the server goes on"
	failed=1
fi
# What nobody holds any more the kernel lets go a moment later.
left() { bpftool -j prog show | jq --slurpfile ids "$dir/ids" 'any(.[]; .id as $i | $ids | index($i))'; }
for _ in $(seq 50); do
	[ "$(left)" = false ] && break
	sleep 0.1
done
[ "$(left)" = false ] || {
	echo "FAILED: programs stay in the kernel"
	failed=1
}
exit $failed
