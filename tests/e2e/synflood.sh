#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "under a SYN flood at full speed no record of a request is lost"
need hping3 timeout
net_up
nginx_up
gateway_up
picket_up "$(gateway_yaml)"
# Forged sources have no neighbour entries: answers to them die in the server's own namespace.
ip -n "$NS_S" route add blackhole default 2>/dev/null || true

timeout -s INT 80 nsenter --net="/run/netns/$NS_C" hping3 --flood --rand-source -S -p $PORT $S4 >"$DIR/flood" 2>&1 &
flood=$!
own $flood
headers() { [ "$(status_of .kernel.packets)" -gt 20000 ]; }
wait_until 10 "the flood arrives" headers
n=0
while [ "$(logged)" -lt 50 ] && alive $flood; do
	in_c curl -s -o /dev/null -m 5 --interface $D4 "http://$S4:$PORT/during/$n" || true
	n=$((n + 1))
done
kill -INT $flood
wait_until 10 "the flood ends" gone $flood
at_least "requests served during the flood" 20 "$(logged)"
reached() { [ "$(gateway_count)" -ge "$(logged)" ]; }
wait_until 30 "every request reaches the gateway" reached
gateway_requests | sort >"$DIR/seen"
sort "$DIR/access.log" >"$DIR/logged"
same_file "requests during the flood" "$DIR/logged" "$DIR/seen"
equal "request records lost" 0 "$(status_of '.kernel.requests_lost + .kernel.requests_over_share')"
tell "$(status_of .kernel.packets) packets, $(logged) requests meanwhile, 0 records lost; $(status_of '.kernel.headers_throttled') header events throttled"
picket_down
