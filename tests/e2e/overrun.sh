#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "when the ring overruns, every missing request lies on a connection flagged with a gap, and none is invented"
need h2load pgrep
net_up
NGINX_FULL="\$remote_port \$request_method \$request_uri" nginx_up
gateway_up
picket_up "$(gateway_yaml)
capture:
  ring_bytes: 64KiB
  ports: [$PORT]"

# Every request has a target of its own, so that "which is missing" has an answer.
for i in $(seq 20000); do echo "http://$S4:$PORT/overrun/$i"; done >"$DIR/uris"
sensor=$(sensor_pid)
start_c h2load --h1 -n 20000 -c 16 -t 1 --rps 400 -i "$DIR/uris" >"$DIR/load" 2>&1
half() { [ "$(logged)" -ge "$1" ]; }
for stop in 3000 7000 11000; do
	wait_until 60 "$stop requests" half $stop
	kill -STOP "$sensor"
	wait_until 60 "2000 more with the reader stopped" half $((stop + 2000))
	kill -CONT "$sensor"
done
wait_until 120 "all requests are served" half 20000
closed() { [ "$(jq -c 'select(.data."event.name" == "net.connection")' "$DIR/gateway.jsonl" | wc -l)" -ge 16 ]; }
wait_until 20 "the connections' ends" closed
wait_until 60 "all that is not lost is told" at_rest
seen=$(gateway_count)

gateway_requests | sort >"$DIR/seen"
sort "$DIR/access.log" >"$DIR/logged"
equal "events of requests that nginx never got" 0 "$(comm -13 "$DIR/logged" "$DIR/seen" | wc -l)"
missing=$(comm -23 "$DIR/logged" "$DIR/seen" | wc -l)
at_least "requests missing (the overrun was real)" 100 "$missing"
at_least "records the kernel half counted as lost" 1 "$(status_of '.kernel.requests_lost + .kernel.requests_over_share')"
tell "$seen of $(logged) seen, $missing missing, 0 invented"

# A connection that is flagged: its event counts gaps, or says that its beginning was not seen.
jq -r 'select(.data."event.name" == "net.connection" and (.data."picket.connection.gaps" > 0 or .data."picket.connection.complete" == false))
	| .data."network.peer.port"' "$DIR/gateway.jsonl" | sort -u >"$DIR/flagged"
comm -23 "$DIR/logged" "$DIR/seen" >"$DIR/missing"
awk 'NR == FNR { missing[$0] = 1; next } { port = $1; sub(/^[^ ]* /, ""); if ($0 in missing) print port }' \
	"$DIR/missing" "$DIR/access.full" | sort -u >"$DIR/ports"
equal "connections with missing requests that are not flagged" 0 "$(comm -23 "$DIR/ports" "$DIR/flagged" | wc -l)"
tell "$(wc -l <"$DIR/ports") connections miss requests, each is flagged"
at_least "picket.loss events the gateway got" 1 "$(grep -c '"event.name":"picket.loss"' "$DIR/gateway.jsonl" || true)"
tell "the gateway was told of the loss"
picket_down
