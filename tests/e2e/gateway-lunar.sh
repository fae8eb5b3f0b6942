#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "a gateway behind Lunar's proxy: found by headers, its errors told from the gateway's, no batch twice when it stalls"
need haproxy openssl
haproxy -vv | grep -q USE_LUA=1 || skip "this haproxy has no Lua"

net_up
export GATEWAY_HEADS=$DIR/heads.jsonl GATEWAY_SIGN_KEY=$DIR/gateway.key
(umask 077 && printf 'hmac: %s\n' "$(openssl rand -base64 32)" >"$GATEWAY_SIGN_KEY")
: >"$GATEWAY_HEADS"
gateway_up
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=tls.example -days 2 -keyout "$DIR/server.key" \
	-out "$DIR/server.pem" 2>>"$DIR/openssl"
nginx_up "}
	server { listen 127.0.0.1:9443 ssl; ssl_certificate $DIR/server.pem; ssl_certificate_key $DIR/server.key;
		location / { return 204; } }
	server { listen 127.0.0.1:9901; location /token { return 401; } location / { return 204; }"
start_s "$PYTHON" -c 'import socket, time
s = socket.create_server(("127.0.0.1", 9911), backlog=64)
time.sleep(3600)'
printf '%s 127.0.0.1\n' gateway.example tls.example down.example >"$DIR/lunar.hosts"
sed "s,\$E2E,$E2E,g; s,\$DIR,$DIR,g; s,\$C4,$C4,g" "$E2E/lunar.cfg" >"$DIR/lunar.cfg"
: >"$DIR/engine.log"
start_s "$PYTHON" "$E2E/lunar_engine.py" 8002 "$DIR/engine.log" 2>"$DIR/engine.err"
ENGINE_PID=$!
start_s haproxy -f "$DIR/lunar.cfg" -db >>"$DIR/lunar.log" 2>&1
wait_until 10 "the proxy listens" in_s bash -c "exec 3<>/dev/tcp/127.0.0.1/8000"
wait_until 10 "its engine listens" in_s bash -c "exec 3<>/dev/tcp/127.0.0.1/8002"

gateway() { # NAME URL [MORE LINES]
	printf '  - name: %s\n    profile: lunar\n    url: %s\n    corroborate: false\n    verify_key_file: %s\n' "$1" "$2" "$GATEWAY_SIGN_KEY"
	shift 2
	printf '%s\n' "$@" | grep -q '^lunar_url' || printf '    lunar_url: http://127.0.0.1:8000\n'
	[ $# = 0 ] || printf '    %s\n' "$@"
}
at=http://gateway.example:$GATEWAY_PORT
printf 'k3y-of-the-proxy\n' >"$DIR/lunar.key"
chmod 600 "$DIR/lunar.key"

# --- each answer of the proxy's own is known as such ------------------------------------------------------------------
picket_config "gateways:
$(gateway good "$at/events?x=1" "lunar_key_file: $DIR/lunar.key" "headers: {x-team: blue}")
$(gateway encrypted https://tls.example:9443/events)
$(gateway token http://gateway.example:9901/token)
$(gateway stripped $at/events "lunar_url: http://127.0.0.1:8001")
$(gateway unresolved http://nowhere.example/events)
$(gateway down http://down.example:9/events)
$(gateway slow http://gateway.example:9911/slow)
$(gateway blocked http://blocked.example/events)
$(gateway quota $at/quota)
$(gateway mocked $at/mocked)
$(gateway later $at/later)
$(gateway cached $at/cached)"
tried() { # STATUS GATEWAY SITUATION
	exits "$1" in_s "$PICKET_BIN" gateway test "$2" -c "$DIR/picket.yaml" --json
	equal "situation of gateway $2" "$3" "$(jq -r .situation "$DIR/out")"
	cat "$DIR/out" >>"$DIR/all"
}
verdict() { printf '200\napplication/json\n{"verdicts":[{"action":"block","target":{"scope":"ip","value":"%s"},"ttl_s":60,"confidence":1}]}' $C4; }
tried 0 good taken
head_of() { jq -r --arg n "$1" '.[$n] // "none"' "$GATEWAY_HEADS" | tail -n 1; }
equal "request line at the gateway" "POST /events?x=1 HTTP/1.1" "$(head_of "")"
equal "host at the gateway" "gateway.example:$GATEWAY_PORT" "$(head_of host)"
equal "our own header at the gateway" blue "$(head_of x-team)"
equal "x-lunar-* at the gateway" 0 "$(jq -r 'keys[] | select(startswith("x-lunar"))' "$GATEWAY_HEADS" | wc -l)"
equal "the proxy's key, masked" 1 "$(jq -r '.request[]' "$DIR/out" | grep -c '^x-lunar-api-key: \*\*\*$')"
tried 0 encrypted taken
tried 1 token token
tried 1 stripped lunar_no_host
tried 1 unresolved lunar_unresolved
tried 1 down lunar_unreachable
tried 1 slow lunar_timeout
tried 1 blocked haproxy_denied
tried 1 quota lunar_quota
tried 1 mocked lunar_answered
tried 0 later lunar_enqueued
equal "verdicts of what is kept for later" 0 "$(jq .verdicts_read "$DIR/out")"
verdict >"$DIR/answers/1.answer"
tried 1 cached other_batch
equal "verdicts of another's answer" 0 "$(jq .verdicts_read "$DIR/out")"
verdict >"$DIR/answers/2.answer"
tried 0 good taken
equal "verdicts of its own answer" 1 "$(jq .verdicts_read "$DIR/out")"
grep -q k3y-of-the-proxy "$DIR/all" && fail "a secret is shown"
tell "TLS and plain, found by headers that stay at the proxy; twelve answers of proxy and gateway told apart"

# --- the daemon -------------------------------------------------------------------------------------------------------
: >"$DIR/gateway.jsonl"
: >"$DIR/engine.log"
picket_up "mode: enforce
gateways:
$(gateway good $at/events)
$(gateway stripped $at/stripped "lunar_url: http://127.0.0.1:8001")
$(gateway mocked $at/mocked)"
of() { pk gateway list --json | jq -r --arg n "$1" "select(.name == \$n) | $2"; }
target=$(printf 'x%.0s' $(seq 1000))
for i in $(seq 300); do printf 'url = "http://%s:%s/%s-%s"\noutput = /dev/null\n' $S4 $PORT "$i" "$target"; done >"$DIR/urls"
in_c curl -s -K "$DIR/urls"
all_there() { [ "$(gateway_requests | grep -c "^GET .*$target")" = 300 ]; }
wait_until 30 "all requests at the gateway" all_there
at_least "bodies that the engine saw" 10 "$(wc -l <"$DIR/engine.log")"
equal "bodies of which it saw less than all" "" "$(awk '$1 != $2' "$DIR/engine.log" | head -n 3)"
at_most "largest body, bytes" 24576 "$(awk '$1 > max { max = $1 } END { print max + 0 }' "$DIR/engine.log")"
tell "300 events of 2 KiB, no batch larger than what its flows can see"

verdict >"$DIR/answers/3.answer"
in_c curl -s -o /dev/null "http://$S4:$PORT/one-more"
blocked() { pk blocks --json | jq -r .target | grep -qF $C4; }
wait_until 20 "the gateway's verdict, through the proxy" blocked
pk unblock $C4 >/dev/null
equal "verdicts of what the proxy made up" 0 "$(of mocked .verdicts)"
equal "events that it kept from the gateway, counted as delivered" 0 "$(of mocked .events_delivered)"
tell "a verdict comes back through it; what a flow answers in the gateway's place is none, and delivers nothing"

# A configuration error costs one attempt in half a minute, not a loop.
at_least "dropped where the proxy has no host" 1 "$(of stripped .events_dropped)"
at_most "attempts there" 2 "$(of stripped .attempts)"
of stripped .last_error | grep -q 'Lunar proxy was not told where to send it' || fail "not explained: $(of stripped .last_error)"

# --- its engine hangs: after 5 s the proxy goes on without it ------------------------------------------------------------
: >"$DIR/gateway.jsonl"
before=$(of good .attempts)
kill -STOP "$ENGINE_PID"
in_c curl -s -o /dev/null "http://$S4:$PORT/while-it-hangs"
hung() { gateway_requests | grep -q while-it-hangs; }
wait_until 30 "the event that waited for the engine" hung
taken() { [ "$(of good .events_held)" = 0 ]; }
wait_until 30 "nothing waits any more" taken
equal "times it came" 1 "$(jq -r 'select(.data."url.original" == "/while-it-hangs") | .id' "$DIR/gateway.jsonl" | wc -l)"
equal "retries" 0 "$(of good .retries)"
at_most "attempts meanwhile" 2 $(($(of good .attempts) - before))
kill -CONT "$ENGINE_PID"
picket_down
tell "its engine hung for 5 s: one attempt, delivered once"

# The control: who waits for 3 s only sends it twice.
: >"$DIR/gateway.jsonl"
picket_up "gateways:
$(gateway hasty $at/events "timeout_ms: 3000")"
kill -STOP "$ENGINE_PID"
in_c curl -s -o /dev/null "http://$S4:$PORT/hasty"
twice() { [ "$(jq -r 'select(.data."url.original" == "/hasty") | .id' "$DIR/gateway.jsonl" | wc -l)" -ge 2 ] || [ "$(of hasty .retries)" -ge 1 ]; }
wait_until 30 "the batch goes a second time" twice
kill -CONT "$ENGINE_PID"
picket_down
tell "the control: a timeout shorter than that sends again"
