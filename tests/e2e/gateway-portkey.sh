#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "a real Portkey between picket and a model: each of its answers is known, what it has handed on is not sent twice, a block comes back"
need node npm

# By the lockfile, into the build tree: once.
PEER=$PICKET_BUILD/peers/portkey
if [ ! -e "$PEER/ready" ]; then
	mkdir -p "$PEER"
	cp "$E2E/../peers/portkey/package.json" "$E2E/../peers/portkey/package-lock.json" "$PEER"
	(cd "$PEER" && timeout 120 npm ci --ignore-scripts --no-audit --no-fund --fetch-retries=1 --fetch-timeout=20000 >"$DIR/npm.log" 2>&1 && : >ready) ||
		skip "Portkey cannot be had: $(tail -n 1 "$DIR/npm.log")"
fi

net_up
nginx_up
echo ok >"$DIR/mode"
: >"$DIR/model.jsonl"
start_s "$PYTHON" "$E2E/model.py" 9950 "$DIR/model.jsonl" "$DIR/mode" 2>>"$DIR/model.err"
wait_until 10 "the model listens" in_s bash -c "exec 3<>/dev/tcp/127.0.0.1/9950"
# It listens on every address of its namespace, which is the story's.
start_s env NODE_ENV=production node "$PEER/node_modules/@portkey-ai/gateway/build/start-server.js" --port=8787 --headless \
	>"$DIR/portkey.log" 2>&1
greets() { in_s curl -s -m 2 http://127.0.0.1:8787/ | grep -q Gateway; }
wait_until 60 "Portkey greets" greets

printf 'sk-model-key\n' >"$DIR/model.key"
hook='"before_request_hooks":[{"type":"guardrail","id":"g","deny":true,"checks":[{"id":"default.contains","parameters":{"operator":"none","words":["picket-gateway-test"]}}]}]'
printf '{"provider":"openai","api_key":"sk-model-key","custom_host":"http://127.0.0.1:9950/v1",%s}\n' "$hook" >"$DIR/guarded.json"
chmod 600 "$DIR/model.key" "$DIR/guarded.json"
gateway() { # NAME [MORE LINES]
	printf '  - name: %s\n    profile: portkey\n    url: http://127.0.0.1:8787/v1/chat/completions\n    model: test-model\n' "$1"
	printf '    linger_ms: 200\n    requests_per_minute: 600\n'
	shift
	[ $# = 0 ] || printf '    %s\n' "$@"
}
host="x-portkey-custom-host: http://127.0.0.1:9950/v1"
picket_config "gateways:
$(gateway good "token_file: $DIR/model.key" "headers:" "  x-portkey-provider: openai" "  $host")
$(gateway lost "token_file: $DIR/model.key" "headers: [\"$host\"]")
$(gateway guarded "header_files: {x-portkey-config: $DIR/guarded.json}")"
tried() { # STATUS GATEWAY MODE SITUATION
	echo "$3" >"$DIR/mode"
	exits "$1" in_s "$PICKET_BIN" gateway test "$2" -c "$DIR/picket.yaml" --json
	equal "situation of $2 with a model that says $3" "$4" "$(jq -r .situation "$DIR/out")"
	grep -q sk-model-key "$DIR/out" && fail "the key is shown"
	return 0
}
tried 0 good ok taken
equal "the key at the model" "Bearer sk-model-key" "$(tail -n 1 "$DIR/model.jsonl" | jq -r .head.authorization)"
tail -n 1 "$DIR/model.jsonl" | jq -e '.head | has("idempotency-key")' >/dev/null || fail "the idempotency key does not arrive"
tried 1 good 401 token
tried 1 good 429 slow_down
jq -r '.answer[]' "$DIR/out" | grep -qi '^retry-after: 1' || fail "retry-after does not come through"
tried 1 good quota quota
tried 1 good reset provider_unreachable
tried 1 good page error_inside
tried 1 good stream provider_no_json
tried 1 lost ok portkey_config
before=$(wc -l <"$DIR/model.jsonl")
tried 1 guarded ok guardrail
equal "status of a guardrail" 446 "$(jq .status "$DIR/out")"
equal "what of it reached the model" "$before" "$(wc -l <"$DIR/model.jsonl")"
tried 0 good form=json_object taken
tell "ten answers through Portkey $(jq -r .version "$PEER/node_modules/@portkey-ai/gateway/package.json"), each known for what it is"

echo stream >"$DIR/mode"
: >"$DIR/model.jsonl"
picket_up "mode: enforce
gateways:
  - name: local
    protocol: local
    mode: observe
$(gateway good "token_file: $DIR/model.key" "headers:" "  x-portkey-provider: openai" "  $host")"
of() { pk gateway list --json | jq -r "select(.name == \"good\") | $1"; }
# Portkey says 500, but the model has had it: not again.
attack $C4 $S4:$PORT 30 || fail "the attacker is cut off"
dropped() { [ "$(of '.events_dropped_by.refused // 0')" -ge 1 ]; }
wait_until 20 "a batch that is dropped" dropped
equal "batches that the model got twice" "" "$(jq -r '.head."idempotency-key"' "$DIR/model.jsonl" | sort | uniq -d)"
# What it never got is tried again.
echo 429 >"$DIR/mode"
attack $C4 $S4:$PORT 30 || fail "the attacker is cut off"
retried() { [ "$(of .retries)" -ge 1 ]; }
wait_until 20 "a retry after 429" retried
echo ok >"$DIR/mode"
attack $C4 $S4:$PORT 300 && fail "300 guesses and the attacker is still served"
wait_until 10 "picket blocks lists $C4" is_blocked $C4
tell "what the model may have had is not sent again, a 429 is, and the attacker is blocked by what came back"
picket_down
