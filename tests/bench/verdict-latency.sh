#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
# From a verdict to the first dropped packet, and from its withdrawal to the first that passes: COUNT clients (default 1000),
# IPv4 and IPv6, around the real daemon. See verdict_latency.c. Two lines each: from the moment picket had the verdict's last
# byte (the bars: p50 <= 0.2 ms, p99 <= 1 ms), and from the moment the gateway handed it over, which has the way through two
# TCP stacks and the waking of the daemon in it. The gateway, the client and the API server of the bench are one thread, which
# in life run elsewhere: it has the last processor for itself, picket the others, else its looking is in the way of what it
# looks for. The last line is the machine's own: how long an idle processor takes to run a process that another one woke.
#
#     verdict-latency.sh [COUNT]
. "$(dirname "$0")/../e2e/lib.sh"
COUNT=${1:-1000}
: "${VERDICT_LATENCY:=$PICKET_BUILD/tests/bench/verdict_latency}"
MISSED=0
LAST=$(($(nproc) - 1))
ON_LAST=()
[ "$LAST" = 0 ] || ON_LAST=(taskset --cpu-list "$LAST")

# Lines of "ID NANOSECONDS" on standard input: p50, p99, max of those whose id begins with LETTER.
line() { # WHAT LETTER BAR|-
	grep "^$2" | awk '{ print $2 / 1000 }' | sort -n | awk -v what="$1" -v bar="$3" '
		{ v[NR] = $1 }
		END {
			p50 = v[int((NR + 1) / 2)]; p99 = v[int(NR * 0.99)]
			missed = bar != "-" && (p50 > 200 || p99 > 1000)
			printf "%-34s n=%d  p50 %.0f us  p99 %.0f us  max %.0f us%s\n", what, NR, p50, p99, v[NR], missed ? "  MISSED" : ""
		}'
}

report() { # FAMILY
	sort "$DIR/effects" >"$DIR/effects.sorted"
	pk events --json --back 4000 --name picket.decision |
		jq -r 'select(."picket.decision.received_boot_ns") | [."picket.decision.id", ."picket.decision.received_boot_ns"] | join(" ")' |
		sort >"$DIR/received"
	join "$DIR/effects.sorted" "$DIR/received" | awk '{ printf "%s %d\n", $1, $3 - $4 }' >"$DIR/from-received"
	awk '{ printf "%s %d\n", $1, $3 - $2 }' "$DIR/effects" >"$DIR/from-sent"
	equal "verdicts whose decision was found" $((2 * COUNT)) "$(wc -l <"$DIR/from-received")"
	{
		line "$1 block, from received" b bar <"$DIR/from-received"
		line "$1 unblock, from received" u bar <"$DIR/from-received"
		line "$1 block, from the gateway" b - <"$DIR/from-sent"
		line "$1 unblock, from the gateway" u - <"$DIR/from-sent"
	} | tee "$DIR/report"
	if grep -q MISSED "$DIR/report"; then MISSED=1; fi
}

run() { # FAMILY SERVER-ADDRESS PREFIX
	coproc BENCH { exec "${ON_LAST[@]}" "$VERDICT_LATENCY" "/run/netns/$NS_S" "/run/netns/$NS_C" "$2" $PORT $GATEWAY_PORT "$3" "$COUNT"; }
	own "$BENCH_PID"
	exec 4<&"${BENCH[0]}" 5>&"${BENCH[1]}"
	read -r first <&4 && equal "the bench" listening "$first"
	picket_up "$(
		many_blocks_yaml
		cat <<-YAML
			gateways:
			  - name: bench
			    protocol: batch
			    url: http://127.0.0.1:$GATEWAY_PORT/events
			    unsigned_verdicts: true
			    linger_ms: 5
			    corroborate: false
		YAML
	)"
	if [ "$LAST" -gt 0 ]; then
		for pid in "$PICKET_PID" "$(sensor_pid)"; do
			taskset --all-tasks --cpu-list --pid "0-$((LAST - 1))" "$pid" >/dev/null
		done
	fi
	echo go >&5
	cat <&4 >"$DIR/effects"
	equal "verdicts that had an effect" $((2 * COUNT)) "$(wc -l <"$DIR/effects")"
	report "$1"
	picket_down
}

story "a verdict stops its client within a millisecond"
net_up
ip -n "$NS_S" route add 10.9.0.0/16 via $C4
ip -n "$NS_C" route add local 10.9.0.0/16 dev lo
ip -n "$NS_S" route add fd09::/64 via $C6
ip -n "$NS_C" route add local fd09::/64 dev lo
run IPv4 $S4 10.9.
run IPv6 $S6 fd09::
"$VERDICT_LATENCY" --wake
[ "$MISSED" = 0 ] || fail "a bar was missed"
tell "p50 <= 0.2 ms and p99 <= 1 ms, block and unblock, IPv4 and IPv6"
