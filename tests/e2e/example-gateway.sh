#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "examples/gateway, as a user would start it, sees an attack in the events and has the attacker blocked"
gateway=${PICKET_EXAMPLE_GATEWAY:?the example gateway}
need openssl
openssl genpkey -algorithm ed25519 -out "$DIR/gateway.key" 2>"$DIR/openssl"
openssl pkey -in "$DIR/gateway.key" -pubout -out "$DIR/gateway.pub"
net_up
nginx_up
: >"$DIR/gateway.jsonl"
nsenter --net="/run/netns/$NS_S" "$gateway" --listen 127.0.0.1:$GATEWAY_PORT --log "$DIR/gateway.jsonl" --sign-key "$DIR/gateway.key" \
	>"$DIR/gateway.out" 2>"$DIR/gateway.err" &
own $!
wait_until 10 "the example gateway listens" in_s bash -c "exec 3<>/dev/tcp/127.0.0.1/$GATEWAY_PORT"
picket_up "$(CORROBORATE=true VERIFY="verify_key_file: $DIR/gateway.pub" gateway_yaml)
mode: enforce"
good_up $D4 $S4 $PORT
attack $C4 $S4:$PORT 300 && fail "300 guesses and the attacker is still served"
wait_until 10 "the block" is_blocked $C4
equal "who asked for it" gateway "$(pk blocks --json | jq -r --arg t $C4 'select(.target == $t).source')"
good_unharmed
tell "blocked by its signed verdict, which cites what a detection fired on; the good client: $(good_count) requests, 0 errors"
at_least "lines in its log" 10 "$(wc -l <"$DIR/gateway.jsonl")"
picket_down
