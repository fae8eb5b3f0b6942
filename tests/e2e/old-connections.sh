#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "connections that were open before picket are followed from their next request on, with its answer"
net_up
nginx_up
rm -f "$DIR/go"
start_c "$PYTHON" "$E2E/old-connections.py" $S4 $PORT "$DIR/go" >"$DIR/client" 2>&1
CLIENT=$!
wait_until 10 "both connections are open" grep -q open "$DIR/client"
picket_up
events_start
touch "$DIR/go"
wait_until 10 "the client is done" gone $CLIENT
equal "what the client says" open "$(cat "$DIR/client")"
wait_until 10 "four requests are seen" events_reach http.request 4
equal "requests seen" 4 "$(settled 5 events_count http.request)"
for path in /used/1 /used/2 /silent/1 /silent/2; do
	E=$(events_of http.request | jq -c --arg p $path 'select(."url.path" == $p)')
	equal "status of $path" 200 "$(jq -r '."http.response.status_code"' <<<"$E")"
done
ids() { events_of http.request | jq -r --arg p "$1" 'select(."url.path" | startswith($p)) | ."picket.connection.id"' | sort -u; }
equal "connections of the used one" 1 "$(ids /used | wc -l)"
equal "connections of the silent one" 1 "$(ids /silent | wc -l)"
[ "$(ids /used)" != "$(ids /silent)" ] || fail "both are one connection: $(ids /used)"
tell "the first request after the start has its answer, and its connection is the second one's"
picket_down
