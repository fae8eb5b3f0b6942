#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
# A time namespace moves the clocks of its processes, not those of the kernel half, as a restored container's does.
. "$(dirname "$0")/lib.sh"
story "in a time namespace, an hour or ten years ahead, blocks end in time and events have theirs"
need unshare
unshare --time --boottime 1 true 2>/dev/null || skip "no time namespaces here"
net_up
nginx_up
served() { in_c curl -s -o /dev/null -m "${2:-0.5}" --interface "$1" "http://$S4:$PORT/"; }
ms() { date +%s%3N; }
seen() { events_count http.request ".\"url.path\" == \"$1\"" | grep -q '^1$'; }

for ahead in 3600 315360000; do
	unshare --time --boottime $ahead --monotonic $ahead sleep 600 &
	holder=$!
	own $holder
	wait_until 5 "the time namespace is there" \
		bash -c "! [ /proc/$holder/ns/time_for_children -ef /proc/$$/ns/time ]"
	PICKET_ENTER=--time=/proc/$holder/ns/time_for_children picket_up
	[ "$(readlink "/proc/$PICKET_PID/ns/time")" != "$(readlink "/proc/$$/ns/time")" ] || fail "picket is in this time namespace"
	events_start

	before=$(ms)
	in_c curl -s -o /dev/null --interface $D4 "http://$S4:$PORT/ahead-$ahead"
	wait_until 10 "the request is seen" seen /ahead-$ahead
	at=$(events_of http.request | jq -r "select(.\"url.path\" == \"/ahead-$ahead\").time_unix_nano")
	at_least "time of the request, ms" $((before - 1000)) $((at / 1000000))
	at_most "time of the request, ms" "$(ms)" $((at / 1000000))

	# The kernel's seconds are rounded up: never early, at most a second late. With the daemon stopped nobody helps. What
	# was refused was tried while the block lasted; what was served, after it: how long a try takes here does not matter.
	begin=$(ms)
	exits 0 pk block $C4 --ttl 5s
	blocked=$(ms)
	served $C4 && fail "served although blocked"
	kill -STOP "$(sensor_pid)" "$PICKET_PID"
	refused=$(ms) try=$refused
	until served $C4 0.9; do
		refused=$try
		[ $((refused - blocked)) -lt 15000 ] || break
		try=$(ms)
	done
	end=$(ms)
	kill -CONT "$PICKET_PID" "$(sensor_pid)"
	at_least "ms until it was served again" 5000 $((end - begin))
	at_most "ms behind the block, when it was refused last" 6000 $((refused - blocked))
	wait_until 10 "picket blocks no longer lists it" bash -c "! \"$PICKET_BIN\" blocks --json | grep -q '\"$C4\"'"
	picket_down
	kill $holder
	tell "$ahead s ahead: refused for $((refused - begin)) ms of 5000, served after $((end - begin))"
done
