#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "what must never be blocked is not, whoever asks: exit 4 and the reason"
net_up
ip -n "$NS_S" route add default via $D4
nginx_up
gateway_up
picket_up "$(gateway_yaml)
mode: enforce
limits:
  protect: [203.0.113.0/24, 2001:db8:77::/48]
  ttl_max: 1h"

refused() { # TARGET WHY
	exits 4 pk block "$1" --ttl 5m
	grep -q "$2" "$DIR/err" "$DIR/out" || fail "block $1: the answer does not name \"$2\": $(cat "$DIR/out" "$DIR/err")"
	is_blocked "$1" && fail "$1 is blocked"
	tell "$1: $2"
}
refused 127.0.0.1 loopback
refused ::1 loopback
refused $S4 "own address"
refused $S6 "own address"
refused $D4 "default gateway"
refused 203.0.113.9 configured
refused 203.0.113.0/24 configured
refused 2001:db8:77::1 configured
refused 10.0.0.0/8 ""
refused 0.0.0.0/0 ""
refused ::/0 ""
exits 4 pk block 198.51.100.1 --ttl 2h
grep -q ttl "$DIR/err" "$DIR/out" || fail "a block beyond ttl_max is refused without naming the ttl"
tell "a time beyond limits.ttl_max"
exits 2 pk block not-an-address --ttl 5m
exits 2 pk block 198.51.100.1/24 --ttl 5m
exits 2 pk block 198.51.100.1 --ttl soon
equal "blocks" 0 "$(blocked_count)"

# A gateway gets no further than a person.
hostile() { # ADDRESS
	printf '200\napplication/json\n{"verdicts":[{"id":"h-1","action":"block","target":{"scope":"ip","value":"%s"},"ttl_s":60,"confidence":1,"reason":"x","evidence":[]}]}' "$1" \
		>"$DIR/answers/1.tmp"
	mv "$DIR/answers/1.tmp" "$DIR/answers/1.answer"
	in_c curl -s -o /dev/null -m 10 "http://$S4:$PORT/x"
	wait_until 10 "the answer was taken" test -e "$DIR/answers/1.done"
	rm -f "$DIR/answers/1.done"
}
before=$(status_of .decisions.refused)
for a in 127.0.0.1 $S4 $D4 203.0.113.9; do
	hostile "$a"
done
refusals() { [ "$(status_of .decisions.refused)" -ge $((before + 4)) ]; }
wait_until 10 "four refusals of the gateway's verdicts" refusals
equal "blocks" 0 "$(blocked_count)"
tell "the same from a gateway: four refused, nothing blocked"
picket_down
