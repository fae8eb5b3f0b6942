#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
# Where $DISK says so the daemon's state folder is seen through a mount namespace of its own: a small one that can be filled, or one
# that nobody may write.
. "$(dirname "$0")/lib.sh"
story "a disk that is full or read only stops nothing, and status says what will not outlive a restart"
need pgrep unshare
unshare -m true 2>/dev/null || skip "there are no mount namespaces here (/ is no mount point)"
net_up
nginx_up
served() { in_c curl -s -o /dev/null -m "${2:-0.5}" --interface "$1" "http://$S4:$PORT/"; }

REAL_BIN=$PICKET_BIN
cat >"$DIR/on-disk" <<-SH
	#!/bin/sh
	mkdir -p "$DIR/state"
	case \$DISK in
	small) mount -t tmpfs -o size=2m,mode=700 none "$DIR/state" ;;
	read-only) mount --bind "$DIR/state" "$DIR/state" && mount -o remount,bind,ro "$DIR/state" ;;
	esac || exit 1
	exec "$REAL_BIN" "\$@"
SH
cat >"$DIR/picket" <<-SH
	#!/bin/sh
	[ "\$1" = run ] || exec "$REAL_BIN" "\$@"
	[ -n "\$DISK" ] || exec "$REAL_BIN" "\$@"
	exec unshare -m sh "$DIR/on-disk" "\$@"
SH
chmod 755 "$DIR/picket"
PICKET_BIN=$DIR/picket
export DISK=

picket_up "mode: enforce"
exits 0 pk block $C4 --ttl 30m --reason "said by hand"

picket_end TERM

# Nobody may write: what is known is in force, what is said now is not kept, and it says so.
DISK=read-only
picket_again
if served $C4; then fail "from a journal that is read only, $C4 did not come back"; fi
equal "state of a journal that is read only" read_only "$(status_of .journal.state)"
equal "is it kept" false "$(status_of .kept_over_restart.blocks)"
equal "state of the memory of clients" read_only "$(status_of .memory.state)"
exits 0 pk block 203.0.113.82 --ttl 30m
is_blocked 203.0.113.82 || fail "with a journal that is read only nothing can be blocked"
status_of '.hints[].text' | grep -q 'can be read, but not be written' || fail "status does not say so"
picket_end TERM
tell "read only: what was kept is in force, and status says that nothing more is"

# A full disk: picket goes on, says so, and writes all of it once there is room.
DISK=small
picket_again
exits 0 pk block 203.0.113.83 --ttl 30m
dd if=/dev/zero of="/proc/$PICKET_PID/root$DIR/state/filler" bs=4096 2>/dev/null || true
state_is() { [ "$(status_of .journal.state)" = "$1" ]; }
full() { # until what the journal had set aside is used up
	i=$((i + 1))
	pk block "203.0.114.$((i % 250))" --ttl "$((10 + i))m" >/dev/null
	state_is unwritten
}
i=0
wait_until 60 "the full disk is noticed" full
is_blocked 203.0.114.1 || fail "with a full disk nothing can be blocked"
status_of '.hints[].text' | grep -q 'cannot be written' || fail "status does not say so"
rm "/proc/$PICKET_PID/root$DIR/state/filler"
wait_until 10 "it is written again" state_is "on"
memory_is() { [ "$(status_of .memory.state)" = "$1" ]; }
wait_until 20 "the memory of clients, too" memory_is "on"
picket_down
tell "a full disk: noticed after $i blocks, all of them in force; with room again all is written"
