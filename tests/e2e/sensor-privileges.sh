#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "the process that reads outside bytes holds no capability, only the descriptors it needs, and cannot write a deny map"
need bpftool pgrep setpriv
net_up
nginx_up
picket_up
sensor=$(sensor_pid)
[ -n "$sensor" ] || fail "the daemon has no child"
S=/proc/$sensor/status

for set in CapInh CapPrm CapEff CapAmb; do
	equal "$set of the sensor" 0000000000000000 "$(sed -n "s/^$set:[[:space:]]*//p" "$S")"
done
equal "NoNewPrivs of the sensor" 1 "$(sed -n 's/^NoNewPrivs:[[:space:]]*//p' "$S")"
equal "Seccomp of the sensor (2: filter)" 2 "$(sed -n 's/^Seccomp:[[:space:]]*//p' "$S")"
uid=$(sed -n 's/^Uid:[[:space:]]*\([0-9]*\).*/\1/p' "$S")
[ "$uid" != 0 ] || fail "the sensor runs as root"
# Not dumpable: its /proc files belong to root, so its own user cannot read its memory.
equal "owner of the sensor's /proc/PID/mem" 0 "$(stat -c %u "/proc/$sensor/mem")"
tell "no capability, uid $uid, no_new_privs, seccomp, not dumpable"

# The warden: the three and, permitted only, the two it needs to start a sensor again.
caps=$(sed -n 's/^CapEff:[[:space:]]*//p' "/proc/$PICKET_PID/status")
# CAP_NET_ADMIN 12, CAP_PERFMON 38, CAP_BPF 39
equal "effective capabilities of the warden" "$(printf '%016x' $(((1 << 12) | (1 << 38) | (1 << 39))))" "$caps"
tell "the warden: CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON"

# Descriptors: each by its kind; a map may only be a ring or what events come through.
unknown=
for fd in "/proc/$sensor/fd/"*; do
	target=$(readlink "$fd") || continue
	number=${fd##*/}
	case $target in
	socket:* | pipe:* | /dev/null | anon_inode:'[eventfd]' | anon_inode:'[eventpoll]' | anon_inode:'[signalfd]' | anon_inode:'[timerfd]' | anon_inode:'[perf_event]') ;;
	"$DIR"/picket.log | "$DIR"/picket.out) ;;
	"$DIR"/state/routes.[01]) ;; # what outlives a restart (policies/routes_state.h)
	"$DIR"/state/journal.db | "$DIR"/state/journal.db-wal | "$DIR"/state/journal.damaged | "$DIR"/state/journal.damaged-wal) ;; # sensor/journal_file.h
	"$DIR"/state/memory.db | "$DIR"/state/memory.db-wal | "$DIR"/state/memory.damaged | "$DIR"/state/memory.damaged-wal) ;; # sensor/memory_file.h
	"$DIR"/state/spool/*/[01][0-9] | "$DIR"/state/spool/*/mark) ;; # what waits for gateways (forwarder/spool_files.h)
	"$DIR"/state/audit | "$DIR"/state/audit/audit.[0-9]*) ;; # the audit log (sensor/audit_files.h)
	anon_inode:bpf-map)
		id=$(sed -n 's/^map_id:[[:space:]]*//p' "/proc/$sensor/fdinfo/$number")
		kind=$(bpftool -j map show id "$id" | jq -r '.type + " " + .name')
		case $kind in
		"ringbuf "* | "perf_event_array "* | "array pk_skip") ;;
		*) unknown="$unknown map:$kind" ;;
		esac
		;;
	*) unknown="$unknown $number->$target" ;;
	esac
done
[ -z "$unknown" ] || fail "the sensor holds descriptors it should not:$unknown"
tell "$(find "/proc/$sensor/fd" -type l | wc -l) descriptors, each of a kind that is allowed"

# What it may write of maps: the two rings' consumer positions, and pk_skip, pk_skipped, pk_seen. Not the filters of the deny maps.
if [ "$(status_of .capture.path)" = ring ]; then
	sizes=$(awk '$2 ~ /w/ && /bpf-map/ { print $1 }' "/proc/$sensor/maps" | while IFS=- read -r from to; do echo $((0x$to - 0x$from)); done | sort -n | tr '\n' ' ')
	equal "sizes of the maps that the sensor may write" "4096 4096 524288 524288 524288 " "$sizes"
fi

# And the map itself refuses: as that user, with its (empty) capabilities, by the map's id.
deny=$(bpftool -j map show | jq -r '[.[] | select(.name == "pk_deny4")][-1].id')
[ "$deny" != null ] || fail "no map named pk_deny4 is loaded"
setpriv --reuid "$uid" --clear-groups --inh-caps=-all --bounding-set=-all --no-new-privs \
	bpftool map update id "$deny" key 1 2 3 4 value 0 0 0 0 0 0 0 0 >"$DIR/out" 2>&1 && fail "the sensor's user could write the deny map"
grep -q -i -E 'permitted|denied' "$DIR/out" || fail "the attempt failed for another reason: $(cat "$DIR/out")"
tell "its user may not open the deny map: $(tail -n 1 "$DIR/out")"

# Work still goes on: the stage of reading is the one that was locked up.
events_start
in_c curl -s -o /dev/null "http://$S4:$PORT/still"
wait_until 10 "a request is seen" events_reach http.request 1 '."url.path" == "/still"'
picket_down
