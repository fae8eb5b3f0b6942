#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
# count-requests.sh keepalive|connections [REQUESTS]
#
# The keep-alive load is paced (16,000 requests a second), so that the account does not depend on who else needs the
# processors; COUNT_RPS=0 lets it run as fast as it can.
. "$(dirname "$0")/lib.sh"
how=${1:?keepalive or connections}
story "what picket saw is what nginx logged, $how, over veth and loopback"
need h2load ab
net_up
nginx_up
gateway_up
picket_up "$(gateway_yaml)"

# Many targets, with and without query, long and short.
for i in $(seq 200); do
	echo "/api/v1/users/$i?page=$((i % 7))&q=$(head -c $((i % 60)) /dev/zero | tr '\0' q)"
done >"$DIR/targets"
printf '{"some":"body"}' >"$DIR/body"

load() { # in_s|in_c ADDRESS
	if [ "$how" = keepalive ]; then
		sed "s|^|http://$2:$PORT|" "$DIR/targets" >"$DIR/uris"
		pace="--rps=${COUNT_RPS:-500}"
		[ "${COUNT_RPS:-500}" = 0 ] && pace=--h1
		load_in_parts "$1" "$requests" "$pace" -i "$DIR/uris"
		load_in_parts "$1" 1000 -d "$DIR/body" "http://$2:$PORT/post"
		! grep '^status codes' "$DIR/loads" | grep -v ' 2xx, 0 3xx, 0 4xx, 0 5xx$' || fail "not every answer was 200"
	else
		"$1" ab -q -n "$requests" -c 16 "http://$2:$PORT/one/each?a=b" >"$DIR/load" 2>&1 || fail "ab: $(tail -n 3 "$DIR/load")"
		grep -q '^Failed requests: *0$' "$DIR/load" || fail "$(grep '^Failed' "$DIR/load")"
	fi
}

compare() { # LEG
	wait_until 60 "every request reaches the gateway ($1)" gateway_has_all
	gateway_requests | sort | uniq -c >"$DIR/seen"
	sort "$DIR/access.log" | uniq -c >"$DIR/logged"
	same_file "requests over $1, nginx's log against picket's events, by method and target" "$DIR/logged" "$DIR/seen"
	tell "$(logged) requests over $1, the same multiset of method and target"
}
requests=${2:-$([ "$how" = keepalive ] && echo 100000 || echo 20000)}
load in_c $S4
compare veth
load in_s 127.0.0.1
compare "veth and loopback"
nothing_lost
tell "all loss counters are 0"
picket_down
