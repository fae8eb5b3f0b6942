#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "a sensor that dies takes nothing along that an operator said, and a block on trial still ends by itself"
need pgrep
net_up
nginx_up
picket_up "mode: enforce"
served() { in_c curl -s -o /dev/null -m "${2:-0.5}" --interface "$1" "http://$S4:$PORT/"; }
class_of() { (pk why --json "$1" || true) | jq -r .proxy_class; }
new_sensor() { # OLD
	local now
	now=$(sensor_pid)
	[ -n "$now" ] && [ "$now" != "$1" ] && "$PICKET_BIN" status
}
trusted=203.0.113.5 kept=198.51.100.9

exits 0 pk mode observe
exits 0 pk proxies trust $trusted
equal "class of $trusted" trusted "$(class_of $trusted)"
exits 0 pk block $kept --ttl 10m --confirm-within 5s
exits 0 pk block --confirm $kept
start=$(date +%s%N)
exits 0 pk block $C4 --ttl 10m --confirm-within 5s
if served $C4; then fail "$C4 is served although it is blocked"; fi

old=$(sensor_pid)
kill -KILL "$old"
wait_until 20 "a new sensor" new_sensor "$old"
equal "mode, configured: enforce, set: observe" observe "$(pk mode --json | jq -r .mode)"
equal "class of $trusted" trusted "$(class_of $trusted)"
tell "the new sensor: mode observe, $trusted still a trusted proxy"

lifted() { served $C4 3 && ! is_blocked $C4; }
wait_until 15 "the block that nobody confirmed ends" lifted
took=$((($(date +%s%N) - start) / 1000000))
at_least "milliseconds until the unconfirmed block ended" 4000 $took
at_most "milliseconds until the unconfirmed block of 10 minutes ended" 40000 $took
is_blocked $kept || fail "the confirmed block ended as well"
at_least "seconds left of the confirmed block" 500 "$(pk blocks --json | jq -r --arg t $kept 'select(.target == $t).ttl_s')"
tell "the block that nobody confirmed ended after $took ms of 5 s, the confirmed one stays"
picket_down
