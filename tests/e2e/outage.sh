#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
# outage.sh [SECONDS [RATE [full]]]: a gateway is away for that long at RATE requests/s; `full`: half-way the disk is full as well.
. "$(dirname "$0")/lib.sh"
seconds=${1:-20} rate=${2:-5000} disk=${3:-}
story "a gateway is away for $seconds s at $rate events/s${disk:+, and half-way the disk is full}: memory stays flat, and afterwards the backlog goes at three times the rate while verdicts keep their time"
need pgrep
# Memory is measured here: what sanitizers keep of freed memory is none of picket's.
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}quarantine_size_mb=1"
net_up
nginx_up
ip -n "$NS_S" route add 10.9.0.0/16 via $C4
ip -n "$NS_C" route add local 10.9.0.0/16 dev lo
# With room for the last rest, up to 30 s behind the end of the outage.
bytes=$(((seconds + 45) * rate * 1500))
if [ "$disk" = full ]; then
	need unshare
	unshare -m true 2>/dev/null || skip "there are no mount namespaces here (/ is no mount point)"
	# Of what comes in that time it holds half; the rest of state_dir fits in beside it.
	cat >"$DIR/picket" <<-SH
		#!/bin/sh
		[ "\$1" = run ] || exec "$PICKET_BIN" "\$@"
		exec unshare -m sh -c 'mkdir -p "$DIR/state" &&
			mount -t tmpfs -o size=$((seconds * rate * 1000 / 2 + (16 << 20))),mode=700 none "$DIR/state" && exec "$PICKET_BIN" "\$@"' sh "\$@"
	SH
	chmod 755 "$DIR/picket"
	PICKET_BIN=$DIR/picket
fi
judge_up() {
	nsenter --net="/run/netns/$NS_S" "$PYTHON" "$E2E/judge.py" gateway $GATEWAY_PORT "$DIR" 2>>"$DIR/gateway.err" &
	JUDGE=$!
	own $JUDGE
	wait_until 10 "the gateway listens" in_s bash -c "exec 3<>/dev/tcp/127.0.0.1/$GATEWAY_PORT"
}
judge_up
picket_up "$(many_blocks_yaml)
gateways:
  - name: judge
    protocol: batch
    url: http://127.0.0.1:$GATEWAY_PORT/events
    unsigned_verdicts: true
    corroborate: false
    queue_events: 20000
    spool: $bytes"
for half in 1 2; do
	nsenter --net="/run/netns/$NS_C" "$PYTHON" "$E2E/spool.py" load $S4 $PORT $((rate / 2)) "$DIR/load.$half" 2>>"$DIR/load.err" &
	own $!
	loads="${loads:-} $!"
done

of_gateway() { pk gateway list --json | jq "$1"; }
resident() { awk '/^VmRSS/ { print $2 }' "/proc/$(sensor_pid)/status"; } # KiB
attackers() { # FIRST COUNT: p50 and p99 in ms
	nsenter --net="/run/netns/$NS_C" "$PYTHON" "$E2E/judge.py" attack $S4 $PORT 10.9 "$1" "$2" 2 | sort -n |
		awk '{ v[NR] = $1 } END { printf "%d %d\n", v[int((NR + 1) / 2)], v[int(NR * 0.99)] }'
}
judged() { jq ".$1" "$DIR/counts"; }

# 1. As usual.
sleep 3
attackers 0 100 >"$DIR/usual"
read -r usual50 usual99 <"$DIR/usual"
tell "as usual: request to drop p50 $usual50 ms, p99 $usual99 ms; $(resident) KiB"

# 2. Away.
kill -KILL $JUDGE
wait_until 5 "the gateway is gone" gone $JUDGE
before=$(awk '{ n += $3 } END { print n }' "$DIR/arrivals")
begun=$(date +%s)
sleep 4 # what grows once has grown
first=$(resident) most=$first
elapsed() { echo $(($(date +%s) - begun)); }
away_long_enough() {
	[ "$(elapsed)" -ge "$seconds" ] || return 1
	# Where the load is slower than it should be, memory is full later.
	[ "$disk" != full ] || [ "$(elapsed)" -ge $((seconds * 4)) ] || [ "$(of_gateway .events_dropped)" -gt 0 ]
}
until away_long_enough; do
	sleep 1
	now=$(resident)
	[ "$now" -le "$most" ] || most=$now
done
held=$(of_gateway .events_held)
dropped=$(of_gateway .events_dropped)
tell "away: $held events held, $dropped dropped; $first KiB, then $most KiB at most; state $(of_gateway .state), spool $(of_gateway .spool.bytes) bytes, $(of_gateway .spool.state)"
at_least "events held or dropped" $((seconds * rate / 2)) $((held + dropped))
if [ "$disk" = full ]; then
	# Memory takes the place of the disk, as far as it may: queue_events.
	at_most "KiB of memory" $((first + (40 << 10))) "$most"
	at_least "dropped, when memory was full as well" 1 "$dropped"
	equal "error of the spool" '"No space left on device"' "$(of_gateway .spool.error)"
else
	at_most "KiB of memory" $((first * 11 / 10)) "$most"
	equal "dropped" 0 "$dropped"
fi

# 3. Back: new verdicts beside the old events. Before, it may take as long as the last rest.
rm "$DIR/counts"
judge_up
back() { [ -s "$DIR/counts" ] && [ "$(judged batches)" -gt 0 ]; }
wait_until 40 "the gateway is found" back
attackers 1000 100 >"$DIR/back"
read -r back50 back99 <"$DIR/back"
backlog_is_gone() { [ "$(of_gateway .spool.events)" = 0 ]; }
wait_until $((seconds + 60)) "the backlog is worked off" backlog_is_gone

# 4. The account, to the event.
# shellcheck disable=SC2086
kill $loads
drained() { [ "$(of_gateway .events_held)" = 0 ] && [ "$(status_of '.accounting.balanced')" = true ]; }
wait_until 30 "all of it is delivered" drained
sleep 0.3
equal "events that the gateway counted, before and after" "$(of_gateway .events_delivered)" $((before + $(judged events)))
"$PYTHON" "$E2E/judge.py" backlog "$DIR/arrivals" >"$DIR/backlog"
tell "back: $(cat "$DIR/backlog"), beside $rate/s that came; request to drop p50 $back50 ms, p99 $back99 ms"
at_least "events/s while the backlog goes" $((3 * rate)) "$(jq .per_s "$DIR/backlog")"
at_least "events that came meanwhile" $(((seconds - 5) * rate / 3)) "$(jq .events "$DIR/backlog")"
# What a full disk did not take lies behind what it took later.
[ "$disk" = full ] || equal "batches out of their order" 0 "$(jq .disorder "$DIR/backlog")"
# As usual, or nearly: the gateway answers both, and the machine is the same. Of a short outage the backlog is gone before half
# of them came, and among other stories two that had to wait are all that p99 is: there half of them are asked about.
at_most "p50 from request to drop beside the backlog, in ms" $((usual50 * 3 / 2 + 20)) "$back50"
[ "$seconds" -lt 60 ] || at_most "p99 from request to drop beside the backlog, in ms" $((usual99 * 3 / 2 + 20)) "$back99"
tell "the account: $(of_gateway '"offered \(.events_offered), delivered \(.events_delivered), dropped \(.events_dropped), spool dropped \(.spool.events_dropped), bypassed \(.spool.bypassed)"')"
picket_down
