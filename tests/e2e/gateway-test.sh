#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "picket gateway test says of each gateway whether it is understood, and if not, what it is and what mends it"
need openssl
need_python cryptography
KEY=s3cret-of-the-gateway
printf '%s\n' $KEY >"$DIR/token"
chmod 600 "$DIR/token"
openssl genpkey -algorithm ed25519 -out "$DIR/gateway.key" 2>"$DIR/openssl"
openssl pkey -in "$DIR/gateway.key" -pubout -out "$DIR/gateway.pub"
printf 'keyid: shared-1\nhmac: %s\n' "$(openssl rand -base64 32)" >"$DIR/shared.key"
chmod 600 "$DIR/shared.key"
net_up
nginx_up "}
	server { listen 127.0.0.1:9901; default_type text/html;
		location /page { return 200 '<html><body>It works!</body></html>'; }
		location /key { if (\$http_x_key != $KEY) { return 401; } return 204; }
		location /closed { return 403; }
		location /moved { return 307 /page; }
		location /failed { return 503; }
		location /error { default_type application/json; return 200 '{\"code\":-1,\"error\":\"no model\"}'; }"
gateway_up
if [ -n "${PICKET_EXAMPLE_GATEWAY:-}" ]; then
	start_s "$PICKET_EXAMPLE_GATEWAY" --listen 127.0.0.1:9902 --log "$DIR/example.jsonl" --sign-key "$DIR/gateway.key" \
		>"$DIR/example.out" 2>&1
	wait_until 10 "the example gateway listens" in_s bash -c "exec 3<>/dev/tcp/127.0.0.1/9902"
fi
# The one in Python, once with each kind of key.
start_s "$PYTHON" "$E2E/../../examples/gateway/sign.py" 9903 "$DIR/gateway.key" 2>"$DIR/sign.err"
start_s "$PYTHON" "$E2E/../../examples/gateway/sign.py" 9904 "$DIR/shared.key" 2>"$DIR/sign.err"
for port in 9903 9904; do
	wait_until 10 "the gateway in Python listens on $port" in_s bash -c "exec 3<>/dev/tcp/127.0.0.1/$port"
done

gateway() { # NAME URL [MORE LINES], of which the first may say why its verdicts are believed
	printf '  - name: %s\n    protocol: batch\n    url: %s\n' "$1" "$2"
	shift 2
	case ${1:-} in
	verify_key_file* | verdicts*) ;;
	*) printf '    unsigned_verdicts: true\n' ;;
	esac
	[ $# = 0 ] || printf '    %s\n' "$@"
}
at=http://127.0.0.1:9901
picket_config "gateways:
  - name: local
    protocol: local
$(gateway good http://127.0.0.1:$GATEWAY_PORT/events)
$(gateway example http://127.0.0.1:9902/events "verify_key_file: $DIR/gateway.pub")
$(gateway python http://127.0.0.1:9903/events "verify_key_file: $DIR/gateway.pub")
$(gateway python-shared http://127.0.0.1:9904/events "verify_key_file: $DIR/shared.key")
$(gateway other-key http://127.0.0.1:9904/events "verify_key_file: $DIR/gateway.pub")
$(gateway keyed $at/key?secret=$KEY "token_file: $DIR/token" "auth_header: X-Key" "auth_scheme: raw")
$(gateway unkeyed $at/key)
$(gateway page $at/page)
$(gateway closed $at/closed)
$(gateway moved $at/moved)
$(gateway failed $at/failed)
$(gateway error $at/error)
$(gateway down http://127.0.0.1:9/)
$(gateway nowhere http://gateway.invalid/ "verdicts: false")
$(gateway encrypted https://127.0.0.1:9901/)"
try() { in_s "$PICKET_BIN" gateway test "$@" -c "$DIR/picket.yaml"; }

tried() { # STATUS GATEWAY SITUATION WORDS
	exits "$1" try "$2"
	grep -qF "$4" "$DIR/out" || fail "gateway $2: \"$4\" is not said: $(cat "$DIR/out" "$DIR/err")"
	exits "$1" try "$2" --json
	equal "situation of gateway $2" "$3" "$(jq -r .situation "$DIR/out")"
	cat "$DIR/out" >>"$DIR/all"
}
# A verdict, a wrong one, and another wrong one: what can be read, and what is refused and why.
verdict() { printf '{"action":"%s","target":{"scope":"ip","value":"%s"},"ttl_s":%s,"confidence":1}' "$@"; }
for i in 1 2; do
	printf '200\napplication/json\n{"verdicts":[%s,%s,%s]}' "$(verdict block $C4 60)" "$(verdict destroy $C4 60)" "$(verdict block $C4 0)" \
		>"$DIR/answers/$i.answer"
done
tried 1 good some_refused "understood: 1 verdicts, 2 refused"
equal "verdicts read" "block $C4" "$(jq -r '.verdicts[] | .action + " " + .target' "$DIR/out")"
equal "verdicts refused" '{"action":1,"ttl":1}' "$(jq -c .verdicts_refused "$DIR/out")"
tried 0 good taken "result: it took the batch"
equal "events of trials, all marked" "4 true" "$(jq -s '"\(length) \(all(.data."picket.test"))"' -r "$DIR/gateway.jsonl")"
events_valid
[ -n "${PICKET_EXAMPLE_GATEWAY:-}" ] && tried 0 example taken "POST /events HTTP/1.1"
tried 0 python taken "result: it took the batch"
tried 0 python-shared taken "result: it took the batch"
tried 1 other-key signature "mend: is verify_key_file that of its key?"
tried 0 keyed taken "X-Key: ***"
tried 1 unkeyed token "mend: see token_file"
tried 1 page web_page "mend: url may be that of a console or portal"
tried 1 closed forbidden "mend: have its owner allowed"
tried 1 moved redirect "mend: set url to the final address"
tried 1 failed failed "HTTP/1.1 503"
tried 1 error error_inside "it says success, but its answer is an error"
tried 5 down no_connection "sent: nothing"
tried 5 nowhere no_address "the name of its host has no address"
tried 5 encrypted tls_none "it does not speak TLS at that port"
tell "understood, refused, a web page, 401, 403, a redirect, 503, an error with 200, nobody, no name, no TLS: each said, with its mend"

exits 0 try local
exits 2 try unknown
exits 5 try
equal "gateways tried without a name" 15 "$(grep -c '^gateway ' "$DIR/out")"
cat "$DIR/out" "$DIR/err" >>"$DIR/all"
exits 5 try --json
equal "objects, one a gateway" 15 "$(jq -s length "$DIR/out")"
cat "$DIR/out" >>"$DIR/all"
grep -q $KEY "$DIR/all" && fail "a secret is shown"
chmod 600 "$DIR/token"
rm "$DIR/token"
exits 2 try keyed
grep -q 'token_file: .*cannot be read' "$DIR/err" || fail "it is not said which file is missing: $(cat "$DIR/err")"
tell "all of them at once, no secret shown, and a file that is missing is named"

# The daemon's own list: where, what role, how long events wait.
picket_up "gateways:
$(gateway keyed $at/key?secret=$KEY "verdicts: false")
$(gateway down http://127.0.0.1:9/)"
in_c curl -s -o /dev/null "http://$S4:$PORT/hello"
waits() { [ "$(pk gateway list --json | jq -r 'select(.name == "down").lag_ms')" -ge 100 ]; }
wait_until 20 "an event that waits, and for how long" waits
equal "url and role" "$at/key?secret=*** listener" "$(pk gateway list --json | jq -r 'select(.name == "keyed") | .url + " " + .role')"
pk gateway list >"$DIR/list"
grep -q '^down .* enforce .* [0-9]*m*s ' "$DIR/list" || fail "the list shows no lag: $(cat "$DIR/list")"
grep -q '^  down: no connection to it' "$DIR/list" || fail "the list explains no error: $(cat "$DIR/list")"
grep -q $KEY "$DIR/list" && fail "the list shows a secret"
picket_down
