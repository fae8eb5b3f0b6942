#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "a gateway takes back only what it said itself: an operator's block stays his, and in mode observe nothing changes"
net_up
nginx_up
gateway_up
picket_up "$(gateway_yaml)
mode: enforce"

verdicts() { status_of .verdicts.gateway; }
verdicts_reach() { [ "$(verdicts)" -ge "$1" ]; }
number=0
gateway_says() { # block|unblock ADDRESS
	local before
	number=$((number + 1))
	before=$(verdicts)
	printf '200\napplication/json\n{"verdicts":[{"id":"g-%d","action":"%s","target":{"scope":"ip","value":"%s"},"ttl_s":3600,"confidence":1,"reason":"story","evidence":[]}]}' \
		$number "$1" "$2" >"$DIR/answers/$number.tmp"
	mv "$DIR/answers/$number.tmp" "$DIR/answers/$number.answer"
	# Somebody who is never blocked here makes the batch that is answered so.
	in_c curl -s -o /dev/null -m 10 "http://[$S6]:$PORT/asks/$number"
	wait_until 10 "the gateway's verdict $number ($1 $2) is decided" verdicts_reach $((before + 1))
}
served() { in_c curl -s -o /dev/null -m "${2:-0.7}" --interface "$1" "http://$S4:$PORT/"; }
owner() { pk blocks --json | jq -r --arg t "$1" 'select(.target == $t) | .source'; }
blocked_by() { # SOURCE ADDRESS WHEN
	equal "owner of the block of $2 $3" "$1" "$(owner "$2")"
	if served "$2"; then fail "$2 is served $3"; fi
}

# Automatic verdicts ask for a completed handshake.
served $C4 10 || fail "$C4 is not served"
served $D4 10 || fail "$D4 is not served"

exits 0 pk block $C4 --ttl 5m
blocked_by operator $C4 "at first"
gateway_says block $C4
blocked_by gateway $C4 "after the gateway's longer block"
equal "who asked for it" "operator gateway" "$(pk why $C4 --json | jq -r '[.claims[].source] | join(" ")')"
gateway_says unblock $C4
blocked_by operator $C4 "after the gateway's unblock"
tell "an operator's 5 minutes, then a gateway's hour, then its unblock: blocked still, by the operator's"

gateway_says block $D4
blocked_by gateway $D4 "after the gateway's block"
exits 0 pk mode observe
gateway_says unblock $D4
blocked_by gateway $D4 "in mode observe, after the gateway's unblock"
tell "in mode observe its unblock changes nothing, of its own block either"
exits 0 pk mode enforce
gateway_says unblock $D4
if is_blocked $D4; then fail "in mode enforce the gateway may not lift its own block"; fi
served $D4 10 || fail "$D4 is not served after the gateway lifted its block"
blocked_by operator $C4 "at the end"
tell "in mode enforce it lifts its own"

exits 0 pk unblock $C4
served $C4 10 || fail "$C4 is not served after the operator's unblock"
picket_down
