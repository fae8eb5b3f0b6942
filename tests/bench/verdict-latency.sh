#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# From a verdict's last byte to the first dropped packet, and from its withdrawal to the first that passes: COUNT clients
# (default 1000), IPv4 and IPv6, around the real daemon. See verdict_latency.c. COUNT is the first argument.
. "$(dirname "$0")/../e2e/lib.sh"
COUNT=${1:-1000}
: "${VERDICT_LATENCY:=$PICKET_BUILD/tests/bench/verdict_latency}"

run() { # SERVER-ADDRESS PREFIX
	coproc BENCH { exec "$VERDICT_LATENCY" "/run/netns/$NS_S" "/run/netns/$NS_C" "$1" $PORT $GATEWAY_PORT "$2" "$COUNT" 2>&1; }
	own "$BENCH_PID"
	exec 4<&"${BENCH[0]}" 5>&"${BENCH[1]}"
	read -r line <&4 && equal "the bench" listening "$line"
	picket_up "$(
		cat <<-YAML
			mode: enforce
			guard:
			  automatic_per_minute: 5000
			limits:
			  inserts_per_second: 100000
			  blocks_max: 4096
			gateways:
			  - name: bench
			    protocol: batch
			    url: http://127.0.0.1:$GATEWAY_PORT/events
			    linger_ms: 5
		YAML
	)"
	echo go >&5
	cat <&4 >"$DIR/report"
	cat "$DIR/report"
	pk events --json --back 2000 --name picket.decision | jq -s -r 'map(."picket.decision.verdict_to_installed_us" // empty | tonumber) | sort | "daemon   verdict to installed  n=\(length)  p50 \(.[length / 2 | floor]) us  p99 \(.[length * 99 / 100 | floor]) us"'
	picket_down
	grep -q MISSED "$DIR/report" && MISSED=1
	equal "lines of the report" 2 "$(grep -c 'p50' "$DIR/report")"
}

story "a verdict stops its client within a millisecond"
net_up
ip -n "$NS_S" route add 10.9.0.0/16 via $C4
ip -n "$NS_C" route add local 10.9.0.0/16 dev lo
ip -n "$NS_S" route add fd09::/64 via $C6
ip -n "$NS_C" route add local fd09::/64 dev lo
MISSED=0
run $S4 10.9.
run $S6 fd09::
[ "$MISSED" = 0 ] || fail "a bar was missed"
tell "p50 <= 0.2 ms and p99 <= 1 ms, block and unblock, IPv4 and IPv6"
