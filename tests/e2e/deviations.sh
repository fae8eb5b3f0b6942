#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "what nginx answers although it should not is seen, and so is what is pipelined behind it"
net_up
nginx_up
picket_up
events_start

n=0
try() { # NAME STATUSES BYTES: what nginx is expected to answer
	n=$((n + 1))
	got=$(in_c "$PYTHON" "$E2E/raw.py" send $S4 $PORT "$3")
	equal "nginx's answers to: $1" "$2" "$got"
}
try "an unknown method" "200 200" \
	'FOO /unknown HTTP/1.1\r\nHost: h\r\n\r\nGET /behind/unknown HTTP/1.1\r\nHost: h\r\n\r\n'
try "HTTP/1.2" "200 200" \
	'GET /version HTTP/1.2\r\nHost: h\r\n\r\nGET /behind/version HTTP/1.1\r\nHost: h\r\n\r\n'
try "lines ended by LF alone" "200 200" \
	'GET /lf HTTP/1.1\nHost: h\n\nGET /behind/lf HTTP/1.1\r\nHost: h\r\n\r\n'
try "empty lines before the request" "200 200" \
	'\r\n\r\nGET /empty HTTP/1.1\r\nHost: h\r\n\r\nGET /behind/empty HTTP/1.1\r\nHost: h\r\n\r\n'
try "several spaces in the request line" "200 200" \
	'GET   /spaces HTTP/1.1\r\nHost: h\r\n\r\nGET /behind/spaces HTTP/1.1\r\nHost: h\r\n\r\n'
try "a chunked body, then another request" "200 200" \
	'POST /chunked HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nGET /behind/chunked HTTP/1.1\r\nHost: h\r\n\r\n'
try "a body that looks like a request" "200 200" \
	'POST /body HTTP/1.1\r\nHost: h\r\nContent-Length: 37\r\n\r\nGET /not/a/request HTTP/1.1\r\nX: y\r\n\r\nGET /behind/body HTTP/1.1\r\nHost: h\r\n\r\n'
try "a head in two hundred headers" "200" \
	"GET /many HTTP/1.1\\r\\nHost: h\\r\\n$(for i in $(seq 90); do printf 'X-%s: v\\r\\n' "$i"; done)\\r\\n"
# Sixty requests in one write.
try "sixty pipelined" "$(yes 200 | head -n 60 | xargs)" \
	"$(for i in $(seq 60); do printf 'GET /pipe/%s HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n' "$i"; done)"

wait_until 10 "every request is seen" events_reach http.request "$(logged)"
settled 3 events_count http.request >/dev/null
events_of http.request | jq -r '(."http.request.method_original" // ."http.request.method") + " " + ."url.original"' | sort >"$DIR/seen"
sort "$DIR/access.log" >"$DIR/logged"
same_file "requests, nginx's log against picket's events" "$DIR/logged" "$DIR/seen"
tell "$(logged) requests as nginx answered them"

equal "method of FOO" _OTHER "$(events_of http.request | jq -r 'select(."url.path" == "/unknown")."http.request.method"')"
for want in "/version bad_version" "/lf bare_lf" "/empty leading_empty_line" "/spaces extra_space"; do
	path=${want% *} name=${want#* }
	events_of http.request | jq -se --arg p "$path" --arg n "$name" \
		'any(."url.path" == $p and (."picket.deviations" // [] | index($n)))' >/dev/null || fail "$path is not flagged $name"
	[ "$(events_count http.anomaly ".\"http.anomaly.name\" == \"$name\"")" -ge 1 ] || fail "no http.anomaly event named $name"
done
tell "each deviation is flagged by its name"
equal "well-formed requests that are flagged" 0 "$(events_of http.request | jq -c 'select((."url.path" | startswith("/behind/")) and ."picket.deviations")' | wc -l)"
tell "and none of the well-formed ones behind them is"
picket_down
