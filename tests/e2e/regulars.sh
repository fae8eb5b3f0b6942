#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
# Who is served here regularly, and what that is worth: an office of three with a guesser in it, an attacker who makes up tokens to look like an
# office, and a web page that has a regular's browser offend.
. "$(dirname "$0")/lib.sh"
story "an office is slowed, made-up tokens shield nobody, and no web page has a regular blocked; who does it by hand is"
net_up
# shellcheck disable=SC2016 # nginx expands it
nginx_up 'location /v1/orders { if ($http_authorization !~ "^Bearer good-[0-9]$") { return 401; } return 200 "orders\n"; }
				location = /api/login { return 401; }'
picket_up "mode: enforce
guard: {good_requests: 4, good_span: 1s, blast_radius: 1}"
events_start
orders() { # SOURCE TOKEN...: one request with each
	local source=$1 token
	shift
	for token; do
		in_c curl -g -s -o /dev/null -m 5 --interface "$source" -H 'Host: api.example' -H "Authorization: Bearer $token" "http://${where:-$S4}:$PORT/v1/orders" || true
	done
}
regulars_are() { [ "$(pk why "$1" --json | jq -r .regulars.here)" = "$2" ]; }

# The office is $C4, the regular with the browser $C6.
for _ in $(seq 8); do
	orders $C4 good-1 good-2 good-3
	where="[$S6]" orders $C6 good-4
	sleep 0.4
done
wait_until 10 "three regulars in the office" regulars_are $C4 3
wait_until 10 "one regular with a browser" regulars_are $C6 1
tell "regulars: 3 behind $C4, 1 behind $C6"

# $D4 makes up tokens. The server knows none of them.
orders $D4 $(seq -f 'fake-%g' 11)
equal "regulars that made-up tokens made" 0 "$(pk why $D4 --json | jq -r .regulars.here)"
orders $D4 fake-12
wait_until 10 "the rotation is told of" events_reach picket.decision 1 '."picket.decision.origin" == "token-rotation"'
wait_until 10 "it is blocked" is_blocked $D4
equal "what was done to it" block "$(pk blocks --json | jq -r --arg t $D4 'select(.target == $t).action')"
tell "12 made-up tokens: no regular, and the rotation itself is what it is blocked for"

# The guesser in the office.
attack $C4 $S4:$PORT 12 || true
wait_until 10 "the office is slowed" is_blocked $C4
equal "what was done to it" rate_limit "$(pk blocks --json | jq -r --arg t $C4 'select(.target == $t).action')"
equal "why" shared_address "$(events_of picket.decision | jq -r --arg t $C4 'select(."picket.decision.target" == $t)."picket.decision.why"' | head -n 1)"
tell "an office of three with a guesser in it is slowed, not blocked"

# A page of somebody else has the browser POST logins.
for i in $(seq 12); do
	in_c curl -g -s -o /dev/null -m 5 --interface $C6 -A 'Mozilla/5.0 (X11; Linux x86_64) Firefox/128.0' -H 'Origin: https://evil.example' \
		-H 'Content-Type: text/plain' -d "user=admin&password=$i" "http://[$S6]:$PORT/api/login" || fail "the browser was cut off"
done
asked() { pk pending --json | jq -se --arg t $C6 'any(.target == $t and .why == "cross_site")'; }
wait_until 10 "a person is asked about it" asked
is_blocked $C6 && fail "a web page had a regular blocked"
where="[$S6]" orders $C6 good-4
equal "status of the regular's own request" 200 "$(in_c curl -g -s -o /dev/null -m 5 -w '%{http_code}' --interface $C6 -H 'Authorization: Bearer good-4' "http://[$S6]:$PORT/v1/orders")"
pk why $C6 >"$DIR/why" || true
grep -q "regular" "$DIR/why" || fail "picket why does not tell of the regulars: $(cat "$DIR/why")"
tell "12 logins that a web page could have caused: a question, and the regular is served"

# By hand.
for i in $(seq 12); do
	in_c curl -g -s -o /dev/null -m 1 --interface $C6 -X POST -H 'Content-Type: application/json' -d '{}' "http://[$S6]:$PORT/api/login" || break
done
wait_until 10 "it is blocked" is_blocked $C6
equal "questions left about it" 0 "$(pk pending --json | jq -s 'length')"
tell "the same by hand is blocked, and nobody has to answer any more"
picket_down
