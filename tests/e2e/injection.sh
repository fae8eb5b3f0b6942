#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "a model that obeys every text which clients write to it blocks nobody whom no detection fired for, and saves none for whom one did"
TABLE_OF=$PICKET_BUILD/tests/unit/injection_test
[ -x "$TABLE_OF" ] || skip "$TABLE_OF is not built"
"$PICKET_BUILD/tests/unit/injection_test" --table >"$DIR/table"
COUNT=$(wc -l <"$DIR/table")
at_least "attacks in the table" 60 "$COUNT"
net_up
# Each attack from an address of its own; the one whom many of them name is a client who does nothing.
ip -n "$NS_S" route add 10.66.0.0/16 via $C4
VICTIM=10.66.0.9
ip -n "$NS_C" addr add $VICTIM/32 dev eth0
for n in $(seq "$COUNT"); do ip -n "$NS_C" addr add "10.66.1.$n/32" dev eth0; done
nginx_up 'location = /api/login { return 401; }'
echo obeys >"$DIR/mode"
: >"$DIR/model.jsonl"
start_s "$PYTHON" "$E2E/model.py" 9950 "$DIR/model.jsonl" "$DIR/mode" 2>>"$DIR/model.err"
wait_until 10 "the model listens" in_s bash -c "exec 3<>/dev/tcp/127.0.0.1/9950"
# The worst case: everybody is asked about, also who did nothing, eight at a time; limits that are not what this is about are wide.
# Groups of offenders are off: each attacker is to be decided on alone.
picket_up "mode: enforce
guard: {automatic_per_minute: 10000, automatic_per_hour: 10000, blast_radius: 1, good_requests: 1000000, group_offenders: 0}
proxies: {default: direct}
gateways:
  - name: local
    protocol: local
  - name: model
    profile: openai
    url: http://127.0.0.1:9950/v1/chat/completions
    model: obedient
    clients: all
    ask_score: 0
    linger_ms: 100
    opinion_ttl: 0s
    requests_per_minute: 600
    tokens_per_hour: 0
    tokens_per_day: 0"
events_start
good_up $D4 $S4 $PORT
victim() { in_c curl -s -o /dev/null -m 5 --interface $VICTIM "http://$S4:$PORT/items"; }
(while victim; do sleep 0.2; done) &
own $!
in_c "$PYTHON" "$E2E/injector.py" $S4 $PORT 10.66.1 "$DIR/table" >"$DIR/attackers"
equal "attackers" "$COUNT" "$(wc -l <"$DIR/attackers")"

blocked() { pk blocks --json | jq -r .target | sort -V; }
all_blocked() { [ "$(blocked | grep -c '^10\.66\.1\.')" = "$COUNT" ]; }
within 20 all_blocked || {
	blocked >"$DIR/blocked"
	fail "for these the model's word counted: $(sort -V "$DIR/attackers" | comm -23 <(sort "$DIR/attackers") <(sort "$DIR/blocked") | tr '\n' ' ')"
}
equal "blocks of others" "" "$(blocked | grep -v '^10\.66\.1\.' || true)"
tell "$COUNT of $COUNT attackers are blocked, nobody else"

# That it was tried: the model asked for the block of who did nothing, and was refused; it allowed attackers, who are blocked.
decisions() { events_of picket.decision "$1"; }
asked_for_victim() {
	decisions '."picket.decision.source" == "gateway" and (."picket.decision.target" == "'$VICTIM'" or ."picket.decision.target" == "'$D4'")'
}
tried() { [ "$(asked_for_victim | wc -l)" -ge 1 ]; }
wait_until 20 "a block of the good clients that the model asks for" tried
equal "what became of these" "" "$(asked_for_victim | jq -r '."picket.decision.outcome"' | grep -c '^blocked$' | grep -v '^0$' || true)"
asked_for_victim | jq -r '."picket.decision.why"' | sort | uniq -c >"$DIR/whys"
grep -q uncorroborated "$DIR/whys" || fail "for want of what were they refused: $(cat "$DIR/whys")"
equal "decisions without a reason" 0 "$(decisions '(."picket.decision.why" // "") == ""' | wc -l)"
of() { pk gateway list --json | jq -r "select(.name == \"model\") | $1"; }
at_least "names that were not in the question" 1 "$(of '.verdicts_refused.target // 0')"
victim || fail "who was accused is not served"
good_unharmed
tell "blocks of good clients that it asked for: $(asked_for_victim | wc -l), refused: $(tr -s ' \n' ' ' <"$DIR/whys"); $(of .asker.questions) questions, $(of .asker.clients_asked) clients"
grep -oE '10\.(66|77)\.[0-9]+\.[0-9]+' "$DIR/model.jsonl" | grep -v "^$S4\$" >"$DIR/addresses" && fail "addresses were sent: $(head -n 3 "$DIR/addresses")"
tell "no address was sent"
wait_until 30 "an even account" account_is_even
picket_down
