#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "a block may only count, or only take what is over a rate; the strongest of several decides, and each is taken back by itself"
net_up
nginx_up
gateway_up
picket_up "$(gateway_yaml)
mode: enforce
enforcement: {rate_limit: 5, rate_burst: 60}"
served() { in_c curl -s -o /dev/null -m 1 --interface $D4 "http://$S4:$PORT/$1"; }
dropped() { pk blocks --json | jq -se --arg t $D4 --argjson n "$1" 'map(select(.target == $t and .packets >= $n)) | length == 1' >/dev/null; }
served before || fail "the client gets no answer before anything"

exits 0 pk block $D4 --ttl 5m --action shadow
for i in 1 2 3; do served "shadow/$i" || fail "a client in shadow gets no answer"; done
wait_until 10 "picket blocks counts what would have been dropped" dropped 9
equal "packets dropped of a client in shadow" 0 "$(status_of .kernel.packets_dropped)"
at_least "packets that would have been" 9 "$(status_of .kernel.packets_shadowed)"
tell "shadow: three requests answered, $(status_of .kernel.packets_shadowed) packets counted"

exits 0 pk block $D4 --ttl 5m --action rate_limit
equal "the action of the operator's claim" rate_limit "$(pk blocks --json | jq -r .action)"
answered=0 refused=0
for i in $(seq 40); do
	if served "rate/$i"; then answered=$((answered + 1)); else refused=$((refused + 1)); fi
	[ $refused -ge 3 ] && break
done
[ $refused -gt 0 ] || fail "a client far over its rate lost nothing"
at_least "requests within the burst" 3 $answered
in_c curl -s -o /dev/null -m 5 --interface $C4 "http://$S4:$PORT/neighbour" || fail "the neighbour gets no answer"
again() { served again; }
wait_until 30 "the client is served again when it has waited" again
tell "rate_limit: $answered requests at once, then none, then one again"

says() { # ACTION MORE
	printf '200\napplication/json\n{"verdicts":[{"action":"%s","target":{"scope":"ip","value":"%s"},"confidence":1%s}]}' "$1" $D4 "$2" >"$DIR/answer"
	mv "$DIR/answer" "$DIR/answers/1.answer"
}
# A gateway's block is stronger; when the gateway takes it back, the limit is left.
says block ',"ttl_s":120'
in_c curl -s -o /dev/null -m 5 --interface $C4 "http://$S4:$PORT/asks"
blocked() { [ "$(pk blocks --json | jq -r '.action + " " + .source')" = "block gateway" ]; }
wait_until 20 "the gateway's block prevails" blocked
if served blocked; then fail "a blocked client gets an answer"; fi
equal "claims that picket why tells of" "operator gateway" "$(pk why $D4 --json | jq -r '[.claims[].source] | join(" ")')"
says unblock ""
in_c curl -s -o /dev/null -m 5 --interface $C4 "http://$S4:$PORT/asks-again"
limited() { [ "$(pk blocks --json | jq -r '.action + " " + .source')" = "rate_limit operator" ]; }
wait_until 20 "what is left is the operator's limit" limited
wait_until 30 "the client is served within it" again
exits 0 pk unblock $D4
equal "blocks at the end" 0 "$(pk blocks --json | wc -l)"
tell "a gateway's block prevails over the operator's limit, and leaves it behind when it is taken back"

# reset: the client is told at once. A veth takes frames that native XDP sends back only where its other end has a program, too.
if [ "$PICKET_MODE" = xdp-native ]; then
	in_c ip link set dev eth0 xdpdrv obj "${PICKET_FOREIGN_XDP:-$PICKET_BUILD/tests/e2e/foreign-xdp.bpf.o}" sec xdp
fi
told() { # HOST: refused, and not after a while
	local begin status=0
	begin=$(date +%s%N)
	in_c curl -s -o /dev/null -m 5 --interface "$2" "http://$1:$PORT/reset" || status=$?
	[ $status = 7 ] && [ $((($(date +%s%N) - begin) / 1000000)) -lt 900 ]
}
exits 0 pk block $D4 --ttl 5m --action reset
exits 0 pk block $D6 --ttl 5m --action reset
told $S4 $D4 || fail "a client under reset is not told at once"
told "[$S6]" $D6 || fail "a client under reset is not told at once by IPv6"
at_least "resets by status" 2 "$(status_of .kernel.resets)"
in_c curl -s -o /dev/null -m 5 --interface $C4 "http://$S4:$PORT/neighbour" || fail "the neighbour gets no answer"
# Beyond the rate it is silent.
for i in $(seq 400); do
	in_c curl -s -o /dev/null -m 0.2 --interface $D4 "http://$S4:$PORT/many" || true
	[ $((i % 20)) != 0 ] || [ "$(status_of .kernel.resets_withheld)" = 0 ] || break
done
at_least "resets withheld by status" 1 "$(status_of .kernel.resets_withheld)"
tell "reset: refused at once, $(status_of .kernel.resets) times, then in silence $(status_of .kernel.resets_withheld) times"
exits 0 pk unblock $D4
exits 0 pk unblock $D6
served after || fail "the client gets no answer after unblock"
picket_down
