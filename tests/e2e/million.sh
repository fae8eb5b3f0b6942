#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
# A million requests of four kinds of client, over veth and loopback: method, target and status are nginx's, as multisets.
#
#     million.sh [THOUSANDS]     default 1000; takes about four minutes
#
# Paced, so that the account does not depend on who else needs the processors.
. "$(dirname "$0")/lib.sh"
THOUSANDS=${1:-1000}
story "$THOUSANDS,000 requests by h2load, ab, curl and a client with a TCP of its own: nginx's log, with statuses"
need h2load ab
need_python socket
net_up
nginx_up 'location /missing { return 404; } location /created { return 201 "made\n"; } location /empty { return 204; }
	location /moved { return 302 /elsewhere; } location /broken { return 503 "no\n"; }'
gateway_up
picket_up "$(gateway_yaml)"
mac=$(mac_of "$NS_C" eth0)
ip -n "$NS_S" neigh replace 10.77.0.9 lladdr "$mac" dev eth0 nud permanent

for i in $(seq 200); do
	echo "/api/v1/users/$i?page=$((i % 7))&q=$(head -c $((i % 60)) /dev/zero | tr '\0' q)"
	echo "/missing/$i"
	echo "/created/$i"
	echo "/empty/$((i % 9))"
	echo "/moved/$i?to=$((i % 3))"
	echo "/broken/$((i % 5))"
done >"$DIR/targets"
printf '{"some":"body"}' >"$DIR/body"

keepalive() { # in_s|in_c ADDRESS REQUESTS
	sed "s|^|http://$2:$PORT|" "$DIR/targets" >"$DIR/uris"
	load_in_parts "$1" $(($3 * 4 / 5)) --rps=500 -i "$DIR/uris"
	load_in_parts "$1" $(($3 / 5)) --rps=500 -d "$DIR/body" "http://$2:$PORT/created/by-post"
}

connections() { # in_s|in_c ADDRESS REQUESTS
	"$1" ab -q -n "$3" -c 16 "http://$2:$PORT/one/each?a=b" >"$DIR/load" 2>&1 || fail "ab: $(tail -n 3 "$DIR/load")"
}

by_curl() { # in_s|in_c ADDRESS
	local i
	for i in $(seq 100); do
		"$1" curl -s -o /dev/null -o /dev/null -o /dev/null -I "http://$2:$PORT/head/$i" "http://$2:$PORT/missing/$i" \
			"http://$2:$PORT/broken/$i"
		"$1" curl -s -o /dev/null -X DELETE "http://$2:$PORT/empty/$i"
		"$1" curl -s -o /dev/null -T "$DIR/targets" "http://$2:$PORT/created/put-$i"
	done
}

part=$((THOUSANDS * 1000 / 20))
keepalive in_c $S4 $((part * 7))
keepalive in_s 127.0.0.1 $((part * 7))
connections in_c $S4 $((part * 3))
connections in_s 127.0.0.1 $((part * 3))
by_curl in_c $S4
by_curl in_s 127.0.0.1
for i in 1 2 3 4; do
	in_c "$PYTHON" "$E2E/shuffle.py" 10.77.0.9 $S4 $PORT 200 "/shuffled/$i" >/dev/null
done
total=$(settled 20 logged)
at_least "requests that nginx logged" $((THOUSANDS * 1000)) "$total"
wait_until 120 "every request reaches the gateway" gateway_has_all
jq -r 'select(.data."event.name" == "http.request") | [.id, (.data."http.request.method_original" // .data."http.request.method") + " " +
	.data."url.original" + " " + (.data."http.response.status_code" // "-" | tostring)] | @tsv' "$DIR/gateway.jsonl" |
	sort -u | cut -f2- | sort | uniq -c >"$DIR/seen"
awk '{ print $3, $4, $2 }' "$DIR/access.full" | sort | uniq -c >"$DIR/logged"
same_file "requests, nginx's log against picket's events, by method, target and status" "$DIR/logged" "$DIR/seen"
nothing_lost
tell "$total requests: the same multiset of method, target and status; nothing lost, every account even"
picket_down
