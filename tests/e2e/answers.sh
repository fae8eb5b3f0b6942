#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
# answers.sh [REQUESTS]
. "$(dirname "$0")/lib.sh"
requests=${1:-20000}
story "each request has the status that nginx logged for it, and no other's"
need h2load ab
BACKEND=9911
net_up
nginx_up "
	error_log /dev/null crit;
	root $DIR/root;
	sendfile on;
	location /file { }
	location /missing { }
	location /none { return 204; }
	location /moved { return 302 /file; }
	location /limit { client_max_body_size 1k; }
	location /up { proxy_pass http://127.0.0.1:$BACKEND; }
	location /ws { proxy_pass http://127.0.0.1:$BACKEND; proxy_http_version 1.1;
		proxy_set_header Upgrade \$http_upgrade; proxy_set_header Connection upgrade; }"
mkdir -p "$DIR/root"
chmod 755 "$DIR/root"
# A body that looks like answers.
yes 'HTTP/1.1 500 this is no answer' | head -c 200000 >"$DIR/root/file"
head -c 100000 /dev/zero >"$DIR/body"
start_s "$PYTHON" "$E2E/answers.py" backend $BACKEND
gateway_up
picket_up "$(gateway_yaml)"
[ "$(status_of .capture.answers.seen)" = true ] || skip "this kernel shows no answers"

ask() { # WHAT... of answers.py, from the client
	in_c "$PYTHON" "$E2E/answers.py" "$@"
}
curl_c() { in_c curl -s -o /dev/null "$@"; }

# "STATUS METHOD TARGET", what nginx logged and what the gateway got.
logged_answers() { awk '{ sub(/"/, "", $3); print $2, $3, $4 }' "$DIR/access.full"; }
seen_answers() {
	jq -r 'select(.data."event.name" == "http.request") | [.id, "\(.data."http.response.status_code" // "-") " +
		(.data."http.request.method_original" // .data."http.request.method") + " " + .data."url.original"] | @tsv' \
		"$DIR/gateway.jsonl" | sort -u | cut -f2-
}
reached() { [ "$(gateway_count)" -ge "$(wc -l <"$DIR/access.full")" ]; }
compare() { # WHAT
	wait_until 30 "every request reaches the gateway ($1)" reached
	logged_answers | sort | uniq -c >"$DIR/logged"
	seen_answers | sort | uniq -c >"$DIR/seen"
	same_file "requests and their statuses, $1: nginx's log against picket's events" "$DIR/logged" "$DIR/seen"
	tell "$1: the same multiset of method, target and status"
}

for i in 1 2 3; do
	curl_c "http://$S4:$PORT/file" "http://$S4:$PORT/none" "http://$S4:$PORT/missing/$i" "http://$S4:$PORT/moved"
	curl_c -I "http://[$S6]:$PORT/file"
	curl_c -H "If-Modified-Since: $(date -u -R -r "$DIR/root/file" | sed 's/+0000/GMT/')" "http://$S4:$PORT/file?304"
	curl_c -d @"$DIR/body" "http://$S4:$PORT/limit/$i"
	curl_c --data-binary @"$DIR/body" -H 'Expect: 100-continue' "http://$S4:$PORT/up/$i"
	curl_c -H 'Transfer-Encoding: chunked' --data-binary @"$DIR/body" "http://$S4:$PORT/up/chunked/$i"
done
in_s curl -s -o /dev/null "http://127.0.0.1:$PORT/file?lo" "http://[::1]:$PORT/missing?lo"
equal "statuses of an idle connection" "200 200" "$(ask slow $S4 $PORT /slow | tr '\n' ' ' | sed 's/ $//')"
equal "status of a body that nobody wants" 413 "$(ask early $S4 $PORT /limit/early)"
equal "answer to an upgrade" 101 "$(ask websocket $S4 $PORT /ws | cut -d ' ' -f 1)"
compare "sendfile, HEAD, 204, 302, 304, 404, 413, 100-continue, early, idle, WebSocket"

equal "answers to pipelined requests" 203 "$(ask pipeline $S4 $PORT 200)"
compare "and pipelined"

# The time of an idle answer, and its size.
head=$(in_c curl -s -o "$DIR/got" -w '%{size_header}' "http://$S4:$PORT/file?size")
wait_until 10 "the request for the size" reached
size=$(jq -r 'select(.data."url.original" == "/file?size") | .data."http.response.size"' "$DIR/gateway.jsonl")
equal "size of an answer by sendfile, head and body" $((head + 200000)) "$size"
latency=$(jq -r 'select(.data."url.original" == "/file?size") | .data."picket.http.latency_ns"' "$DIR/gateway.jsonl")
at_least "latency, ns" 1000 "$latency"
at_most "latency, ns" 5000000000 "$latency"
tell "its size is what the client got, its latency is that of the server"

for i in $(seq 200); do
	case $((i % 4)) in
	0) echo "http://$S4:$PORT/missing/$i" ;;
	1) echo "http://$S4:$PORT/none?$i" ;;
	2) echo "http://$S4:$PORT/moved?$i" ;;
	3) echo "http://$S4:$PORT/api/$i" ;;
	esac
done >"$DIR/uris"
in_c h2load --h1 -n "$requests" -c 32 -t 1 --rps=250 -i "$DIR/uris" >"$DIR/load" 2>&1
in_c ab -q -n $((requests / 8)) -c 16 "http://$S4:$PORT/missing/one/each" >"$DIR/load" 2>&1
compare "and $requests on 32 connections, $((requests / 8)) on one each"
jq -e '.capture.answers | .unsure == 0 and .missed == 0 and .full == 0 and .expired == 0' >/dev/null <<<"$(pk status --json)" ||
	fail "some answers were not told: $(status_of .capture.answers)"
equal "requests that still wait for an answer" 0 "$(status_of .capture.answers.held)"
nothing_lost
tell "no answer was unsure or missed; all loss counters are 0"
say "answers: $(pk status --json | jq -c .capture.answers)"
picket_down
