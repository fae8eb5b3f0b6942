#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "before anything is enforced the forecast shows whom it would hit: an attacker, and a good client that a gateway calls one"
net_up
nginx_up 'location = /api/login { return 401; }'
gateway_up
picket_up "gateways:
  - name: local
    protocol: local
  - name: test
    protocol: batch
    url: http://127.0.0.1:$GATEWAY_PORT/events
    unsigned_verdicts: true
    corroborate: false"
value_of() { # TARGET JQ-PATH
	pk forecast --json | jq -r --arg t "$1" "[.forecast[] | select(.target == \$t)][0]$2"
}
counts() { [ "$(value_of "$1" .requests)" -ge "$2" ]; }

exits 0 pk forecast
grep -q '^nothing would have been blocked since ' "$DIR/out" || fail "a forecast of nothing: $(cat "$DIR/out")"

# The attacker guesses until it would be blocked, and goes on.
attack $C4 $S4:$PORT 60 || fail "somebody was dropped in mode observe"
wait_until 10 "the attacker would be blocked" counts $C4 0
before=$(value_of $C4 .requests)
attack $C4 $S4:$PORT 25 || fail "somebody was dropped in mode observe"
wait_until 10 "the attacker's further tries are counted" counts $C4 $((before + 25))

# The good client, and what a gateway says of it.
good() { in_c curl -s -f -o /dev/null -m 10 --interface $D4 "http://$S4:$PORT$1"; }
good /api/v1/users/1 || fail "the good client is not served"
# Not before: a verdict on somebody of whom no handshake was read yet is refused, and this one comes but once.
wait_until 10 "the gateway knows of the good client" grep -q "\"client.address\":\"$D4\"" "$DIR/gateway.jsonl"
printf '200\napplication/json\n{"verdicts":[{"id":"wrong","action":"block","target":{"scope":"ip","value":"%s"},"ttl_s":600,"confidence":1,"reason":"wrong","evidence":[]}]}' \
	$D4 >"$DIR/answers/1.tmp"
mv "$DIR/answers/1.tmp" "$DIR/answers/1.answer"
framed() {
	good /api/v1/users/2
	[ "$(value_of $D4 .id)" = wrong ]
}
wait_until 20 "the gateway's wrong verdict is written down" framed
before=$(value_of $D4 .requests)
for i in $(seq 20); do
	good "/api/v1/users/$i" || fail "the good client was dropped in mode observe"
done
wait_until 10 "the good client's requests are counted" counts $D4 $((before + 20))

equal "who would be hit first" $D4 "$(pk forecast --json | jq -r '.forecast[0].target')"
at_least "requests of the good client with 2xx" 20 "$(value_of $D4 .served)"
equal "by whom" gateway/test "$(value_of $D4 .source)/$(value_of $D4 .origin)"
equal "requests of the attacker with 2xx" 0 "$(value_of $C4 .served)"
equal "by whom" local "$(value_of $C4 .source)"
pk forecast >"$DIR/table"
grep -q "^Had you enforced since .*: 2 blocks, " "$DIR/table" || fail "no headline: $(cat "$DIR/table")"
grep -q "^$D4  *gateway/test  *block " "$DIR/table" || fail "the table lacks the good client: $(cat "$DIR/table")"
tell "the attacker: $(value_of $C4 .requests) requests, none with 2xx; the good client: $(value_of $D4 .requests), $(value_of $D4 .served) with 2xx"

# Had you enforced since a moment ago: nothing began since.
wait_until 10 "a second is over" bash -c "'$PICKET_BIN' forecast --since 1s --json | jq -e '.count == 0' >/dev/null"
exits 2 pk forecast --since tomorrow
tell "--since leaves out what would have begun before"
picket_down
