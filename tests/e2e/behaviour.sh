#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
# Who does little at a time: a list of passwords at the pace of a person, a walk through other people's objects. The shipped detections, with windows
# twenty times as short, so that the story need not last half an hour. Beside them an office behind one address, expired tokens, a health check.
. "$(dirname "$0")/lib.sh"
story "a stuffer and an enumerator at the pace of a person are blocked, and nobody of those who look like them"
net_up
# shellcheck disable=SC2016 # nginx expands it
nginx_up 'location = /api/login { if ($http_x_right) { return 200 "in\n"; } return 401; }
				location = /healthz { return 404; }
				location /orders/ { if ($http_authorization = "") { return 401; } if ($http_x_expired) { return 401; }
					if ($uri ~ "^/orders/9") { return 403; } return 200 "order\n"; }'
ROOT=$(cd "$E2E/../.." && pwd)
mkdir "$DIR/rules"
for f in "$ROOT"/policies/detections/*.yaml; do
	sed 's/window: 60s/window: 3s/; s/window: 30m/window: 90s/; s/cool_down: 5m/cool_down: 10s/' "$f" >"$DIR/rules/${f##*/}"
done
picket_up "mode: enforce
detect: {policies: [$(printf '%s, ' "$DIR"/rules/*.yaml | sed 's/, $//')]}"
events_start

ask() { # SOURCE PATH [CURL-ARGUMENT...]
	local source=$1 path=$2 host=$S4
	shift 2
	case $source in *:*) host="[$S6]" ;; esac
	in_c curl -g -s -o /dev/null -m 5 --interface "$source" "$@" "http://$host:$PORT$path"
}
order() { # SOURCE TOKEN ID [CURL-ARGUMENT...]
	local source=$1 token=$2 id=$3
	shift 3
	ask "$source" "/orders/$id" -H "Authorization: Bearer $token" "$@"
}
login() { # SOURCE PASSWORD [CURL-ARGUMENT...]
	local source=$1 password=$2
	shift 2
	ask "$source" /api/login -H 'Content-Type: application/json' -d "{\"user\":\"u\",\"password\":\"$password\"}" "$@"
}
of() { # ORIGIN: a condition on decisions
	echo ".\"picket.decision.origin\" == \"$1\""
}

# An office behind $C4: ten people read their orders, log in, and two get it wrong; a health check asks for what is not there.
for i in $(seq 0 9); do
	for id in 1 2 3; do order $C4 "user-$i" "1$i$id"; done
	login $C4 "right-$i" -H 'X-Right: 1'
	[ $((i % 5)) = 0 ] && login $C4 "wrong$i"
	ask $C4 /healthz
	sleep 0.4
done
# Their tokens expire; each is tried thrice, then there is a new one.
for i in $(seq 0 9); do
	for id in 1 2 3; do order $C4 "user-$i" "1$i$id" -H 'X-Expired: 1'; done
	order $C4 "renewed-$i" "1${i}1"
done
orders_known() { pk routes --json | jq -se 'any(.route == "/orders/{id}")' >/dev/null; }
wait_until 10 "the routes are learned" orders_known
equal "blocks of an office" 0 "$(blocked_count)"

# One of the office walks through what is not his. Nobody can deny him alone here, and the office is not denied for it.
for id in $(seq 9001 9012); do
	order $C4 user-3 "$id"
	order $C4 "user-$((id % 3))" 111
	sleep 0.5
done
wait_until 10 "he is told of" events_reach picket.decision 1 "$(of objects-forbidden)"
equal "whom the verdict names" 1 "$(events_of picket.decision "$(of objects-forbidden)" | jq -r '."picket.decision.target"' | grep -c '^consumer:c_' || true)"
equal "why it was not done" no_point "$(events_of picket.decision "$(of objects-forbidden)" | jq -r '."picket.decision.why"' | head -n 1)"
equal "blocks of an office with an enumerator in it" 0 "$(blocked_count)"
tell "an office with an enumerator in it: his credential is named, its address is not"

# The same from an address of his own.
asked=0
for id in $(seq 9101 9140); do
	order $D4 thief "$id" || break
	asked=$((asked + 1))
	sleep 0.5
done
wait_until 10 "he is blocked" is_blocked $D4
at_most "requests of the enumerator until then" 14 $asked
tell "an enumerator at an address of his own is blocked after $asked requests"

# A list of passwords, one in two seconds: the fast detections, with windows of three, do not see it.
tries=0
for password in a bb ccc dddd eeeee ffffff ggggggg hhhhhhhh iiiiiiiii jjjjjjjjjj kkkkkkkkkkk llllllllllll mmmmmmmmmmmmm; do
	login $C6 $password || break
	tries=$((tries + 1))
	sleep 2
done
wait_until 10 "the stuffer is blocked" is_blocked $C6
at_most "tries of the stuffer" 10 $tries
wait_until 10 "by what" events_reach picket.decision 1 "$(of login-stuffing)"
tell "a stuffer with one try in two seconds is blocked after $tries"

is_blocked $C4 && fail "the office is blocked"
equal "status of the office's own request" 200 "$(order $C4 renewed-1 111 -w '%{http_code}')"
pk clients --json >"$DIR/clients"
equal "requests of the enumerator that picket clients has" 1 "$(jq -s --arg t $D4 '[.[] | select(.target == $t and .forbidden > 7)] | length' "$DIR/clients")"
pk clients $C6 >"$DIR/client" || fail "picket clients $C6 failed"
grep -q 'login-stuffing' "$DIR/client" || fail "picket clients does not tell what fired: $(cat "$DIR/client")"
grep -q '^now  *blocked' "$DIR/client" || fail "picket clients does not tell of the block: $(cat "$DIR/client")"
pk baseline '/orders/{id}' --json | jq -se 'any(.detection == "object-enumeration" and .groups > 5)' >/dev/null || fail "picket baseline knows nothing of /orders/{id}: $(pk baseline --json)"
pk baseline reset >/dev/null || fail "picket baseline reset failed"
equal "what is normal after a reset" 0 "$(pk baseline --json | jq -s length)"
tell "the office is served; picket clients and picket baseline say what is known"
picket_down
