#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
# A server that answers several pipelined requests in one write shows the kernel half one status line. How many of the
# others are still owed nobody can say, until the connection was silent for long (ANSWERS_FORGET_NS, 10 s).
. "$(dirname "$0")/lib.sh"
story "answers in one write cost requests their status, never give them another's, and silence ends it"
SILENCE=11
net_up
nginx_up
picket_up
[ "$(status_of .capture.answers.seen)" = true ] || skip "this kernel shows no answers"
events_start
start_s "$PYTHON" "$E2E/answers.py" merge 8081
wait_until 10 "the server listens" in_s bash -c "exec 3<>/dev/tcp/127.0.0.1/8081"

# "PATH STATUS" of this server's requests, in their order.
seen() {
	events_of http.request | jq -r 'select(."server.port" == 8081) |
		[."picket.request.index", ."url.original" + " " + ((."http.response.status_code" // "-") | tostring)] | @tsv' |
		sort -n | cut -f2-
}
seen_reach() { [ "$(seen | wc -l)" -ge "$1" ]; }

equal "what the client got" "200 404 500 201 202 403 204" \
	"$(in_c "$PYTHON" "$E2E/answers.py" merged $S4 8081 $SILENCE)"
wait_until 10 "all seven requests are told" seen_reach 7
printf '/%s/x -\n' 200 404 500 201 202 >"$DIR/expected"
printf '/%s/x %s\n' 403 403 204 204 >>"$DIR/expected"
seen >"$DIR/seen"
same_file "requests and their statuses" "$DIR/expected" "$DIR/seen"
tell "four requests answered in one write have no status, nor has the first one behind the silence; the next ones have theirs"
nothing_lost
picket_down
