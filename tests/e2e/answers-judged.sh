#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "who is refused again and again, or asks for what is not there, is known by the answers"
net_up
nginx_up '
	location /api/login { return 401; }
	location /shop/login { return 200; }
	location /nothing { return 404; }'
picket_up
[ "$(status_of .capture.answers.seen)" = true ] || skip "this kernel shows no answers"
events_start

ask() { # SOURCE TARGET...
	local from=$1 to=() t
	shift
	for t in "$@"; do to+=(-o /dev/null "http://$S4:$PORT$t"); done
	in_c curl -s --interface "$from" "${to[@]}"
}
login() { # SOURCE PATH TIMES
	local i
	for i in $(seq "$3"); do in_c curl -s -o /dev/null --interface "$1" -d "password=$i" "http://$S4:$PORT$2"; done
}
by() { printf '."picket.decision.origin" == "%s" and ."picket.decision.target" == "%s"' "$1" "$2"; }

login $D4 /shop/login 8
login $C4 /api/login 6
wait_until 10 "a decision about refused logins" events_reach picket.decision 1 "$(by login-failures $C4)"
tell "six refused logins are enough, eight that were let in are not"

# shellcheck disable=SC2046
ask $D4 $(printf '/there/%d ' $(seq 40))
# shellcheck disable=SC2046
ask $D4 $(printf '/nothing/here/%.0s ' $(seq 40))
# shellcheck disable=SC2046
ask $C4 $(printf '/nothing/%d ' $(seq 30))
wait_until 10 "a decision about missing paths" events_reach picket.decision 1 "$(by missing-paths $C4)"
equal "decisions about the other client" 0 "$(events_count picket.decision ".\"picket.decision.target\" == \"$D4\"")"
tell "thirty different paths that are not there are enough; forty that are there, and one missing forty times, are not"

# What it rests on can be looked up.
id=$(events_of picket.decision | jq -r "select($(by login-failures $C4)) | .\"picket.decision.evidence\"[0]")
wait_until 10 "the request that is named as evidence" events_reach http.request 1 ".\"picket.event.id\" == \"$id\""
equal "status of the request that is named as evidence" 401 \
	"$(events_of http.request | jq -r --arg i "$id" 'select(."picket.event.id" == $i) | ."http.response.status_code"')"
tell "the evidence is a request with status 401"
nothing_lost
picket_down
