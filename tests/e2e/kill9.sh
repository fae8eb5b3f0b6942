#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
# kill9.sh [TIMES]
. "$(dirname "$0")/lib.sh"
times=${1:-20}
story "kill -9 of either process, $times times each, under a running client: no request fails, nothing stays attached"
need bpftool pgrep
net_up
nginx_up
picket_up
good_up $D4 $S4 $PORT
exits 0 pk block $C4 --ttl 30m

new_sensor() { # OLD
	local now
	now=$(sensor_pid)
	[ -n "$now" ] && [ "$now" != "$1" ] && "$PICKET_BIN" status
}
for i in $(seq "$times"); do
	old=$(sensor_pid)
	kill -KILL "$old"
	wait_until 30 "the warden starts the sensor again (kill $i)" new_sensor "$old"
	# The kernel goes on dropping meanwhile, and the new sensor knows what it holds.
	in_c curl -s -o /dev/null -m 0.3 --interface $C4 "http://$S4:$PORT/" && fail "the block was lost with the sensor (kill $i)"
	is_blocked $C4 || fail "the new sensor does not know the block (kill $i)"
done
good_unharmed
tell "the sensor: $times times killed, restarted, the block held; $(good_count) requests of the good client, 0 errors"

attached() {
	local xdp tc
	xdp=$(in_s ip -j link show eth0 | jq -r '.[0].xdp.prog.id // empty')
	tc=$(in_s tc filter show dev eth0 ingress 2>/dev/null | grep -c . || true)
	if [ -n "$xdp" ]; then printf 'xdp:%s' "$xdp"; fi
	if [ "$tc" != 0 ]; then printf ' tc:%s' "$tc"; fi
}
# What this daemon holds of the kernel's, by id: other daemons on this machine are none of this story's business.
holds() { # prog|map
	sed -n "s/^$1_id:[[:space:]]*//p" "/proc/$PICKET_PID/fdinfo/"* | sort -un
}
programs='' maps=''
left() {
	local id
	attached
	for id in $programs; do bpftool prog show id "$id" 2>/dev/null || true; done
	# The kill switch is pinned, so that a panic outlives a crash; a new daemon takes it up.
	for id in $maps; do bpftool map show id "$id" 2>/dev/null | grep -v ' name pk_kill ' | grep ' name ' || true; done
}
nothing_left() {
	left >"$DIR/left"
	[ ! -s "$DIR/left" ]
}
note_holdings() {
	programs=$(holds prog) maps=$(holds map)
	at_least "programs that the daemon holds" 2 "$(wc -w <<<"$programs")"
	at_least "maps that the daemon holds" 5 "$(wc -w <<<"$maps")"
}
note_holdings
nothing_left && fail "the daemon runs and holds nothing: this story looks at the wrong place"
kill -KILL "$PICKET_PID"
wait_until 10 "the warden is gone" gone "$PICKET_PID"
wait_until 10 "nothing of ours is attached or loaded" nothing_left
for i in $(seq 2 "$times"); do
	picket_start
	wait_until 30 "picket is ready again (start $i)" picket_ready
	sensor=$(sensor_pid)
	note_holdings
	kill -KILL "$PICKET_PID"
	wait_until 10 "the warden is gone (kill $i)" gone "$PICKET_PID"
	wait_until 10 "the sensor dies with the warden (kill $i)" gone "$sensor"
	wait_until 10 "nothing of ours is attached or loaded (kill $i)" nothing_left
done
good_unharmed
in_c curl -s -o /dev/null -m 10 --interface $C4 "http://$S4:$PORT/" || fail "after the warden's death somebody is still dropped"
tell "the warden: $times times killed, nothing left attached; $(good_count) requests of the good client, 0 errors"
PICKET_PID=
