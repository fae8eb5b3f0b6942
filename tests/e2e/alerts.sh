#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "a block is told once by webhook and program; many of one matter are one alert, and a deaf webhook costs nothing but itself"
need bpftool pgrep jq
net_up
nginx_up "location = /api/login { return 401; }"
mkdir -p "$DIR/hook"
chmod 755 "$DIR"
chmod 777 "$DIR/hook"
printf 'hook-token\n' >"$DIR/token"
chmod 600 "$DIR/token"

hook_up() {
	start_s "$PYTHON" "$E2E/hook.py" 9090 "$DIR/hook/posts" "$DIR/hook/status"
	HOOK_PID=$!
	wait_until 10 "the webhook listens" in_s bash -c 'exec 3<>/dev/tcp/127.0.0.1/9090'
}
echo 200 >"$DIR/hook/status"
: >"$DIR/hook/posts"
hook_up
cat >"$DIR/openapi.yaml" <<-YAML
	openapi: 3.1.0
	info: {title: api, version: "1"}
	paths: {/api/login: {post: {responses: {"401": {description: no}}}}}
YAML
# shellcheck disable=SC2016
picket_up 'mode: enforce
api: {openapi: '"$DIR"'/openapi.yaml}
capture:
  ports: [8080]
alerts:
  about: [block, question, limit, loss, mended]
  webhook: http://127.0.0.1:9090/alerts
  webhook_token_file: '"$DIR/token"'
  command: [sh, -c, "cat >>'"$DIR"'/hook/commands; echo >>'"$DIR"'/hook/commands"]
  pause: 2s'

alert() { # JQ-CONDITION: such alerts that came to the webhook
	jq -c "select(.body | $1)" "$DIR/hook/posts"
}
told() { [ -n "$(alert "$1")" ]; }

if attack $C4 "$S4:$PORT" 60; then fail "the attacker was never cut off"; fi
wait_until 20 "the attacker is blocked" is_blocked $C4
wait_until 10 "the webhook is told" told '.kind == "block" and .state == "new"'
got=$(alert '.kind == "block" and .state == "new"' | head -n 1)
equal "its source" $C4 "$(jq -r '.body.sources[0]' <<<"$got")"
equal "its route" /api/login "$(jq -r '.body.routes[0]' <<<"$got")"
equal "the token" "Bearer hook-token" "$(jq -r .authorization <<<"$got")"
equal "the key" "$(jq -r .body.id <<<"$got")" "$(jq -r .key <<<"$got")"
ran() { grep -q '"kind":"block"' "$DIR/hook/commands"; }
wait_until 10 "the program runs" ran
equal "what the program got" "$(jq -c .body <<<"$got")" "$(head -n 1 "$DIR/hook/commands" | jq -c .)"
equal "alerts of one block" 1 "$(alert '.kind == "block"' | wc -l)"
tell "one block, one alert, the same to both: $(jq -r .body.text <<<"$got")"

# Somebody else empties the deny maps.
map=$(map_of pk_deny4)
before=$(status_of .blocks.mended)
# shellcheck disable=SC2086
bpftool map delete id "$map" key ${C4//./ }
mended() { [ "$(status_of .blocks.mended)" -gt "$before" ]; }
wait_until 20 "the entry is put back" mended
wait_until 10 "the webhook is told" told '.kind == "mended"'
tell "tampering is told: $(alert '.kind == "mended"' | head -n 1 | jq -r .body.text)"

# A webhook that answers 500, then nothing at all.
echo 500 >"$DIR/hook/status"
exits 0 pk unblock $C4
sent=$(status_of '.alerts.outlets[] | select(.name == "webhook").sent')
if attack $C4 "$S4:$PORT" 60; then fail "the attacker was never cut off"; fi
wait_until 20 "the attacker is blocked again" is_blocked $C4
failed() { [ "$(status_of '.alerts.outlets[] | select(.name == "webhook").failed')" -ge 1 ]; }
wait_until 40 "the webhook failed" failed
equal "alerts that it took meanwhile" "$sent" "$(status_of '.alerts.outlets[] | select(.name == "webhook").sent')"
pk status --json | jq -e '.hints[] | select(.text | startswith("alerts do not arrive (webhook): it answered 500"))' >/dev/null ||
	fail "no hint: $(pk status --json | jq -c .hints)"
ran_again() { [ "$(grep -c '"kind":"block"' "$DIR/hook/commands")" -ge 2 ]; }
wait_until 20 "the program is told all the same" ran_again
kill -STOP "$HOOK_PID"
begin=$(date +%s%N)
picket_down
kill -CONT "$HOOK_PID"
at_most "milliseconds to stop beside a webhook that hangs" 8000 $((($(date +%s%N) - begin) / 1000000))
gone_runner() { ! pgrep -x picket-alert >/dev/null; }
wait_until 5 "the process that runs programs ends" gone_runner
tell "a webhook that answers 500 is asked three times and told of in status; the program is not held up for ever"
