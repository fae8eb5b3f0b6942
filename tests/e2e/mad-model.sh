#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
# tests/e2e/mad-model.sh [ANSWERS]: so many answers (20; the long form is 500, ten minutes).
# MAD_GGUF=FILE: a model of your own in place of the one without sense: it reads all of each question. MAD_SECONDS=N: what it may take
# for an answer (3).
# MAD_UNGUARDED=1: the gateway's word counts without a detection beside it. Then the story must fail, which shows that it can.
. "$(dirname "$0")/lib.sh"
ANSWERS=${1:-20}
: "${MAD_GGUF:=}" "${MAD_UNGUARDED:=}"
story "llama.cpp with random weights under the JSON grammar, $ANSWERS answers: nothing is done that the guard forbids, and each refusal has its reason"
need node npm bpftool
[ "$(node -p 'process.versions.node.split(".")[0]')" -ge 20 ] || skip "node-llama-cpp wants node 20, here is $(node --version)"

# By the lockfile, into the build tree: once.
LLAMA=$E2E/../peers/llama PEER=$PICKET_BUILD/peers/llama
if [ ! -e "$PEER/ready" ]; then
	mkdir -p "$PEER"
	cp "$LLAMA/package.json" "$LLAMA/package-lock.json" "$PEER"
	(cd "$PEER" && timeout 240 npm ci --omit=optional --ignore-scripts --no-audit --no-fund --fetch-retries=1 --fetch-timeout=20000 \
		>"$DIR/npm.log" 2>&1) || skip "llama.cpp cannot be had: $(tail -n 1 "$DIR/npm.log")"
	(cd "$PEER" && node -e 'import("node-llama-cpp").then((m) => m.getLlama({gpu: false, build: "never"})).then(() => process.exit(0))' \
		>"$DIR/npm.log" 2>&1) || skip "there is no llama.cpp for this machine: $(tail -n 1 "$DIR/npm.log")"
	: >"$PEER/ready"
fi
cp "$LLAMA/server.mjs" "$PEER"

# Who does nothing, who guesses passwords, and who does so from where nobody may be blocked.
GOOD=80 BAD=20 KEPT=10
net_up
ip -n "$NS_S" route add 10.66.0.0/16 via $C4
who() { # FIRST-DIGIT COUNT
	seq -f "10.66.$1.%.0f" "$2"
}
for a in $(who 1 $GOOD) $(who 2 $BAD) $(who 3 $KEPT); do printf 'addr add %s/32 dev eth0\n' "$a"; done >"$DIR/addresses"
ip -n "$NS_C" -batch "$DIR/addresses"
nginx_up 'location = /api/login { return 401; }'
: >"$DIR/log"
if [ -z "$MAD_GGUF" ]; then
	"$PYTHON" "$LLAMA/mad_gguf.py" "$DIR/mad.gguf"
	start_s node "$PEER/server.mjs" 9950 "$DIR/mad.gguf" "$DIR/log" "$ANSWERS" --mad >"$DIR/llama.log" 2>&1
else
	start_s node "$PEER/server.mjs" 9950 "$MAD_GGUF" "$DIR/log" "$ANSWERS" >"$DIR/llama.log" 2>&1
fi
wait_until 120 "llama.cpp listens" in_s bash -c "exec 3<>/dev/tcp/127.0.0.1/9950"
# The built-in analysis only says what it would do: what is blocked here, the model asked for. Everybody is asked about, also who did
# nothing, and limits that are not what this is about are wide. Groups of offenders are off: each is decided on alone.
picket_up "mode: enforce
guard: {automatic_per_minute: 10000, automatic_per_hour: 10000, blast_radius: 1, good_requests: 1000000, group_offenders: 0}
limits: {ttl_max: 1h, protect: [10.66.3.0/24]}
proxies: {default: direct}
gateways:
  - name: local
    protocol: local
    mode: observe
  - name: mad
    profile: openai
    url: http://127.0.0.1:9950/v1/chat/completions
    model: mad
    response_format: json_schema
    corroborate: $([ -n "$MAD_UNGUARDED" ] && echo false || echo true)
    clients: all
    ask_score: 0
    linger_ms: 50
    clients_per_question: 4
    opinion_ttl: 0s
    requests_per_minute: 600
    tokens_per_hour: 0
    tokens_per_day: 0
    timeout_ms: 600000
    deadline_ms: 600000"
events_start

: >"$DIR/cut"
start_c "$PYTHON" "$E2E/mad_clients.py" $S4 $PORT $GOOD $BAD $KEPT "$DIR/cut" 2>"$DIR/clients.err"
CLIENTS=$!
given() { wc -l <"$DIR/log"; }
all_given() { [ "$(given)" -ge "$ANSWERS" ]; }
wait_until $((120 + ANSWERS * ${MAD_SECONDS:-3})) "$ANSWERS answers of the model" all_given
of() { pk gateway list --json | jq -c "select(.name == \"mad\") | $1"; }
all_read() { [ "$(of '.answers."2xx" // 0')" -ge "$ANSWERS" ]; }
wait_until 30 "the last answer is read" all_read
requests() { status_of .detection.requests; }
more() { [ "$(requests)" -ge "$before" ]; }
before=$(($(requests) + GOOD * 2)) # all of them once more
wait_until 60 "everybody goes on" more
alive $CLIENTS || fail "the clients ended: $(tail -n 3 "$DIR/clients.err")"

# What it may not come to, by the commands and by what the kernel holds.
equal "who is not to be blocked and was cut off" "" "$(sort -u "$DIR/cut" | paste -sd ' ')"
told() { events_count picket.decision '."picket.decision.source" == "gateway"'; }
settled 10 told >"$DIR/told"
events_of picket.decision '."picket.decision.source" == "gateway"' >"$DIR/decisions"
blocked() { jq -c 'select(."picket.decision.outcome" == "blocked")' "$DIR/decisions"; }
others() { grep -v '^10\.66\.2\.' | sort -u | paste -sd ' ' || true; }
equal "blocks of clients who did nothing, or may not be blocked" "" "$(blocked | jq -r '."picket.decision.target"' | others)"
equal "blocks beyond what the configuration allows" "" "$(blocked | jq -r 'select(."picket.decision.ttl_s" > 3600 or ."picket.decision.confidence" < 0.8 or
	(."picket.decision.evidence" | length) == 0) | ."picket.decision.target"')"
equal "in force" "" "$(pk blocks --json | jq -r .target | others)"
bpftool -j map dump id "$(map_of pk_deny4)" | jq -r '.[].key[0:4] | map(ltrimstr("0x")) | join(" ")' >"$DIR/kernel"
equal "entries of the kernel's deny list of others" "" "$(grep -v '^0a 42 02' "$DIR/kernel" || true)"
tell "blocked are $(wc -l <"$DIR/kernel") of $BAD who guess passwords, on events on which a detection fired; $((GOOD + KEPT)) others were served throughout"
of . >"$DIR/gateway"
"$PYTHON" "$E2E/mad_account.py" "$DIR/log" "$DIR/gateway" "$DIR/decisions" >"$DIR/table" || {
	cat "$DIR/table"
	fail "the account of answers does not add up"
}
sed 's/^/  /' "$DIR/table"
equal "answers" "$ANSWERS" "$(given)"
tell "each answer is a verdict or refused under a name, as an independent reader counts them; each block that was asked for has its reason"
wait_until 30 "an even account" account_is_even
picket_down
