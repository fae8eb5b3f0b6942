#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
# From an attacker's request to its first connection that nobody answers, seen from the attacker: COUNT of them (default 1000), four
# at a time, with a gateway that answers at once and the defaults of delivery (linger_ms 100, a spool). Bar: p99 <= 150 ms.
# Resolution 4 ms; of that time up to 100 ms is the batch's age.
#
#     request-to-drop.sh [COUNT]
. "$(dirname "$0")/../e2e/lib.sh"
COUNT=${1:-1000}
story "from request to drop, $COUNT attackers"
net_up
nginx_up
ip -n "$NS_S" route add 10.9.0.0/16 via $C4
ip -n "$NS_C" route add local 10.9.0.0/16 dev lo
nsenter --net="/run/netns/$NS_S" "$PYTHON" "$E2E/judge.py" gateway $GATEWAY_PORT "$DIR" 2>>"$DIR/gateway.err" &
own $!
wait_until 10 "the gateway listens" in_s bash -c "exec 3<>/dev/tcp/127.0.0.1/$GATEWAY_PORT"
picket_up "$(many_blocks_yaml)
gateways:
  - name: judge
    protocol: batch
    url: http://127.0.0.1:$GATEWAY_PORT/events
    unsigned_verdicts: true
    corroborate: false"
nsenter --net="/run/netns/$NS_C" "$PYTHON" "$E2E/judge.py" attack $S4 $PORT 10.9 0 "$COUNT" 4 >"$DIR/times"
equal "attackers that were dropped" "$COUNT" "$(awk '$1 < 10000' "$DIR/times" | wc -l)"
equal "blocks in force" "$COUNT" "$(blocked_count)"
equal "batches that were sent before they were on the disk" 0 "$(pk gateway list --json | jq .spool.bypassed)"
sort -n "$DIR/times" | awk '{ v[NR] = $1 } END { printf "%d %d %d\n", v[int((NR + 1) / 2)], v[int(NR * 0.99)], v[NR] }' >"$DIR/summary"
read -r p50 p99 max <"$DIR/summary"
tell "request to drop: n=$COUNT p50 $p50 ms, p99 $p99 ms, max $max ms (bar: p99 <= 150); a sync takes $(pk gateway list --json | jq .spool.sync_us_mean) us"
at_most "p99 in ms" 150 "$p99"
picket_down
