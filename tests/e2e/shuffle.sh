#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "requests in segments of one byte, out of order within eight, some twice, are seen once each"
need_python socket
net_up
nginx_up
picket_up
events_start
mac=$(mac_of "$NS_C" eth0)
ip -n "$NS_S" neigh replace 10.77.0.9 lladdr "$mac" dev eth0 nud permanent
equal "requests answered" 300 "$(in_c "$PYTHON" "$E2E/shuffle.py" 10.77.0.9 $S4 $PORT 300 /shuffled)"
equal "requests that nginx logged" 300 "$(settled 5 logged)"
wait_until 10 "every request" events_reach http.request 300
events_of http.request | jq -r '[."http.request.method", ."url.path"] | join(" ")' | sort >"$DIR/seen"
sort "$DIR/access.log" >"$DIR/logged"
same_file "requests, nginx's log against picket's events" "$DIR/logged" "$DIR/seen"
equal "anomalies" 0 "$(events_count tcp.anomaly)"
nothing_lost
tell "300 requests as nginx logged them, no anomaly, nothing lost"
picket_down
