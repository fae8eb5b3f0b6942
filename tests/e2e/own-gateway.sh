#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "a gateway on this same host, at an address that is watched: picket does not report its own reports, without end"
net_up
nginx_up
: >"$DIR/gateway.jsonl"
mkdir "$DIR/answers"
nsenter --net="/run/netns/$NS_S" "$PYTHON" "$E2E/gateway.py" $GATEWAY_PORT "$DIR/gateway.jsonl" "$DIR/answers" $S4 2>>"$DIR/gateway.err" &
own $!
wait_until 10 "the gateway listens" in_s bash -c "exec 3<>/dev/tcp/$S4/$GATEWAY_PORT"
picket_up "gateways:
  - name: test
    protocol: batch
    url: http://$S4:$GATEWAY_PORT/events
    verdicts: false"
jq -e --argjson p $GATEWAY_PORT 'index($p)' <<<"$(status_of '.capture.watched_ports | tojson')" >/dev/null ||
	fail "the gateway's port is not watched: this story shows nothing"
got() { grep -q "\"url.path\":\"$1\"" "$DIR/gateway.jsonl"; }
posts() { status_of '.gateways[] | select(.name == "test") | .batches'; }

in_c curl -s -o /dev/null -m 10 "http://$S4:$PORT/foreign"
wait_until 10 "the gateway has the foreign request" got /foreign
# Its connection's end may be told by a POST of its own: counted is what follows when all has been told.
wait_until 10 "all of it is delivered" at_rest
before=$(posts)
# What is counted is silence: it takes its time.
sleep 3
after=$(posts)
at_most "POSTs within 3 s of one foreign request" 5 $((after - before))
at_least "POSTs in all" 1 "$after"
equal "own POSTs among the requests that the gateway got" 0 "$(gateway_requests | grep -c ' /events$' || true)"
tell "$((after - before)) POSTs in 3 s after it, none about itself"

# Somebody else's request to the gateway's port is no report of ours, and is seen.
in_c curl -s -o /dev/null -m 10 -X POST -H 'Content-Type: application/json' -d '[]' "http://$S4:$GATEWAY_PORT/somebody"
wait_until 10 "another client's request to the same port is reported" got /somebody
tell "another client's request to the same port is seen"
picket_down
