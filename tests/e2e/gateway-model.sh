#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "a model judges: of suspicious clients alone, without their addresses; its block is the guard's to allow, its nonsense blocks nobody"
net_up
nginx_up
MODEL_PORT=9950
model_up() {
	echo ok >"$DIR/mode"
	: >"$DIR/model.jsonl"
	start_s "$PYTHON" "$E2E/model.py" $MODEL_PORT "$DIR/model.jsonl" "$DIR/mode" X-AI-Provider=moonshot X-AI-Model=moonshot-v1-8k \
		2>>"$DIR/model.err"
	wait_until 10 "the model listens" in_s bash -c "exec 3<>/dev/tcp/127.0.0.1/$MODEL_PORT"
}
model_up
printf 'sk-model-key\n' >"$DIR/model.key"
chmod 600 "$DIR/model.key"
# The built-in analysis only says what it would do: what is blocked here, the model asked for.
yaml="mode: enforce
gateways:
  - name: local
    protocol: local
    mode: observe
  - name: model
    profile: openai
    url: http://127.0.0.1:$MODEL_PORT/v1/chat/completions
    token_file: $DIR/model.key
    model: test-model
    linger_ms: 200
    requests_per_minute: 600
  - name: watcher
    profile: openai
    role: observe
    url: http://127.0.0.1:$MODEL_PORT/watcher/chat/completions
    model: test-model
    linger_ms: 200
    requests_per_minute: 600"

# --- what a model may say that is no verdict ----------------------------------------------------------------------------
picket_config "$yaml"
tried() { # STATUS MODE SITUATION
	echo "$2" >"$DIR/mode"
	exits "$1" in_s "$PICKET_BIN" gateway test model -c "$DIR/picket.yaml" --json
	equal "situation of a model that says $2" "$3" "$(jq -r .situation "$DIR/out")"
	grep -q sk-model-key "$DIR/out" && fail "the key is shown"
	return 0
}
tried 0 ok taken
equal "who answered" moonshot/moonshot-v1-8k "$(jq -r .model "$DIR/out")"
tried 1 prose no_completion
tried 1 cut no_completion
tried 1 refusal no_completion
tried 1 error error_inside
tried 1 page web_page
tried 1 stream no_completion
tried 1 mad some_refused
tried 1 401 token
tried 1 429 slow_down
tried 1 quota quota
tried 1 500 failed
tried 0 form=tool taken
equal "forms that were tried" "json_schema json_object tool" "$(tail -n 3 "$DIR/model.jsonl" |
	jq -r 'if .body.tools then "tool" else .body.response_format.type end' | paste -sd ' ')"
tell "thirteen answers of a model, each known for what it is; the form of JSON that it takes is found"

# --- the daemon ---------------------------------------------------------------------------------------------------------
echo mad >"$DIR/mode"
: >"$DIR/model.jsonl"
picket_up "$yaml"
events_start
good_up $D4 $S4 $PORT
of() { pk gateway list --json | jq -r --arg n "$1" "select(.name == \$n) | $2"; }
attack $C4 $S4:$PORT 30 || fail "the attacker is cut off by nonsense"
refused() { [ "$(of model '.verdicts_refused | (.target // 0) >= 2 and (.evidence // 0) >= 1')" = true ]; }
wait_until 20 "refused answers" refused
equal "blocks by nonsense" 0 "$(blocked_count)"
equal "verdicts read in nonsense" 0 "$(of model .verdicts)"
tell "sources nobody sent and evidence nobody has: refused, $(of model '.verdicts_refused | tojson')"

echo form=json_object >"$DIR/mode"
attack $C4 $S4:$PORT 300 && fail "300 guesses and the attacker is still served"
wait_until 10 "picket blocks lists $C4" is_blocked $C4
D=$(events_of picket.decision | jq -c 'select(."picket.decision.outcome" == "blocked")' | head -n 1)
equal "who decided" "gateway model $C4" "$(jq -r '."picket.decision.source" + " " + ."picket.decision.origin" + " " + ."picket.decision.target"' <<<"$D")"
jq -r '."picket.decision.reason"' <<<"$D" | grep -q '^credential_attack: login guessing (moonshot/moonshot-v1-8k)$' ||
	fail "the reason does not name the model: $D"
pk why $C4 | grep -q moonshot/moonshot-v1-8k || fail "picket why does not name the model"
pk gateway list >"$DIR/list"
grep -q 'model: moonshot/moonshot-v1-8k answered last; [1-9][0-9]* tokens today' "$DIR/list" || fail "the list does not: $(cat "$DIR/list")"
AUDIT=$(cat "$DIR"/state/audit/*.jsonl 2>/dev/null || cat "$DIR"/*/audit/* 2>/dev/null || true)
jq -c 'select(.kind == "decision" and .event."picket.decision.outcome" == "blocked") | .event' <<<"$AUDIT" | head -n 1 >"$DIR/record"
equal "model, prompt, tokens, time in the record" "moonshot/moonshot-v1-8k judge/2 120 true" "$(jq -r '[."picket.decision.model",
	(."picket.decision.prompt" | split(" ")[0]), ."picket.decision.tokens", (."picket.decision.answer_ms" >= 0)] | join(" ")' "$DIR/record")"
# What would be asked about it, and what is, when it is sent.
asked_before=$(wc -l <"$DIR/model.jsonl")
exits 0 pk gateway test --dossier $C4 -c "$DIR/picket.yaml"
grep -q '"model":"test-model"' "$DIR/out" || fail "what would be sent is not shown: $(head -c 300 "$DIR/out")"
grep -q 'login-guessing\\"' "$DIR/out" || fail "the detection is not in what would be sent: $(head -c 3000 "$DIR/out")"
grep -q "$C4" "$DIR/out" && fail "the client's address is in what would be sent"
equal "questions by showing" "$asked_before" "$(wc -l <"$DIR/model.jsonl")"
exits 0 in_s "$PICKET_BIN" gateway test model --dossier $C4 -c "$DIR/picket.yaml" --json
equal "what a model says of it" "block $C4" "$(jq -r '.verdicts[0] | .action + " " + .target' "$DIR/out")"
exits 1 pk gateway test --dossier 192.0.2.99 -c "$DIR/picket.yaml"
tell "the record has model, prompt, tokens and time; what would be asked about a client is shown, and sent when asked to"
good_unharmed
equal "blocks" 1 "$(blocked_count)"
tell "blocked by the model's word on the request on which a detection fired; who answered is told"

# What was sent.
grep -oE '10\.77\.0\.[0-9]+' "$DIR/model.jsonl" | grep -v "^$S4\$" >"$DIR/addresses" && fail "addresses of clients were sent: $(head -n 3 "$DIR/addresses")"
equal "events of the good client that were sent" 0 "$(grep -c 'raw/1\|steady' "$DIR/model.jsonl" || true)"
at_least "events that are filtered" 20 "$(of model .events_filtered)"
equal "the account of events" true "$(of model '.events_offered == .events_delivered + .events_dropped + .events_filtered + .events_held')"
watched() { [ "$(of watcher .verdicts)" -ge 1 ]; }
wait_until 20 "verdicts that the observer gave" watched
of watcher .last_verdict | grep -q "^block $C4, confidence 0.95" || fail "what the observer said is not shown: $(of watcher .last_verdict)"
equal "decisions by the observer" 0 "$(events_of picket.decision '."picket.decision.origin" == "watcher"' | wc -l)"
equal "role of the observer" observer "$(of watcher .role)"
wait_until 30 "an even account" account_is_even
tell "no address left, nothing of the good client; the observer was read and decided nothing"
picket_down
