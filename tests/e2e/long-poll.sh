#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "a gateway's verdict blocks by long poll, without a batch that it could answer; refused where it is not signed for that question"
need openssl
export GATEWAY_SIGN_KEY=$DIR/gateway.key GATEWAY_HEADS=$DIR/heads.jsonl
(umask 077 && printf 'hmac: %s\n' "$(openssl rand -base64 32)" >"$GATEWAY_SIGN_KEY")
net_up
nginx_up
gateway_up
picket_up "mode: enforce
$(VERIFY="verify_key_file: $GATEWAY_SIGN_KEY" gateway_yaml "    verdicts_url: http://127.0.0.1:$GATEWAY_PORT/verdicts?of=e2e")"
of() { pk gateway list --json | jq -r "$1"; }
for source in $C4 $D4; do in_c curl -s -o /dev/null --interface "$source" "http://$S4:$PORT/hello"; done
asked() { [ "$(of .poll.asked)" -ge "${1:-1}" ] && [ "$(of .events_held)" = 0 ] && [ "$(of .batches)" -ge 1 ]; }
wait_until 10 "the question is asked, and the batch delivered" asked
settled 10 of .batches >"$DIR/settled"
before=$(wc -l <"$DIR/gateway.jsonl")
equal "questions, as long as nobody answers" 1 "$(of .poll.asked)"

say_block() { # NAME ADDRESS
	printf '200\napplication/json\n{"verdicts":[{"id":"%s","action":"block","target":{"scope":"ip","value":"%s"},"ttl_s":600,"confidence":1}]}' \
		"$1" "$2" >"$DIR/answers/$1.tmp"
	mv "$DIR/answers/$1.tmp" "$DIR/answers/$1.poll"
}
say_block first $C4
wait_until 10 "the verdict blocks" is_blocked $C4
decided() { [ "$(wc -l <"$DIR/gateway.jsonl")" -gt "$before" ]; }
wait_until 10 "the gateway is told of it" decided
equal "events since then" picket.decision "$(tail -n +$((before + 1)) "$DIR/gateway.jsonl" | jq -r '.data."event.name"' | sort -u)"
equal "verdicts, all of them by poll" "1 1" "$(of '"\(.verdicts) \(.poll.verdicts)"')"
equal "who asked for it" "gateway test" "$(pk blocks --json | jq -r '.source + " " + .origin' | head -n 1)"
wait_until 10 "the next question" asked 2
equal "the question" "GET /verdicts?of=e2e HTTP/1.1 wait=30" "$(jq -r 'select(.[""] | startswith("GET")) | .[""] + " " + .prefer' "$GATEWAY_HEADS" | head -n 1)"
equal "nonces, one a question" 2 "$(jq -r 'select(.[""] | startswith("GET")) | ."picket-nonce"' "$GATEWAY_HEADS" | sort -u | wc -l)"
tell "blocked by a verdict that came with no batch; one question at a time"

# The gateway goes away and comes back, with another key: what it says is not believed.
kill "$GATEWAY_PID"
explained() { [[ $(of .poll.last_error) == *"$1"* ]] && pk status | tr -s ' \n' ' ' | grep -q "not heard at its verdicts_url: [^;]*$1"; }
wait_until 20 "that nobody is there is told" explained "no connection to it"
cp "$GATEWAY_SIGN_KEY" "$DIR/right.key"
printf 'hmac: %s\n' "$(openssl rand -base64 32)" >"$GATEWAY_SIGN_KEY"
say_block forged $D4
gateway_up
refused() { [ "$(of '.verdicts_refused.signature // 0')" -ge 1 ]; }
wait_until 40 "a verdict by another key is refused" refused
wait_until 10 "and that is told" explained "the signature of its answer is not good"
is_blocked $D4 && fail "a forged verdict blocks"
kill "$GATEWAY_PID"
cp "$DIR/right.key" "$GATEWAY_SIGN_KEY"
say_block second $D4
gateway_up
wait_until 60 "a verdict by the right key, after all that" is_blocked $D4
equal "its last error" null "$(of .poll.last_error)"
begun=$(date +%s)
picket_down
at_most "seconds until it has ended, with a question open" 5 $(($(date +%s) - begun))
tell "away, forged, and back: told, refused, and heard again"
