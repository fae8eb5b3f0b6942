#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "a hostile gateway's malformed verdicts block nobody, and each is counted under its reason"
net_up
nginx_up
gateway_up
picket_up "$(gateway_yaml)
mode: enforce"
in_c curl -s -o /dev/null "http://$S4:$PORT/hello"

mkdir "$DIR/cases"
"$PYTHON" - "$DIR/cases" $C4 <<'PY'
import json, os, sys
folder, client = sys.argv[1:]
def verdict(**change):
    v = {"id": "v-1", "action": "block", "target": {"scope": "ip", "value": client}, "ttl_s": 60, "confidence": 1,
         "reason": "r", "evidence": []}
    v.update(change)
    return v
def whole(*verdicts):
    return json.dumps({"verdicts": list(verdicts)}).encode()
text = json.dumps(verdict())
cases = [
    # expected reason, content type, body
    ("number", whole(verdict()).replace(b'"confidence": 1', b'"confidence": 1e999')),
    ("number", whole(verdict()).replace(b'"confidence": 1', b'"confidence": NaN')),
    ("ttl", whole(verdict(ttl_s=-5))),
    ("ttl", whole(verdict(ttl_s=0))),
    ("ttl", whole(verdict(ttl_s="60"))),
    ("confidence", whole(verdict(confidence=1.5))),
    ("confidence", whole(verdict(confidence=-0.1))),
    ("action", whole(verdict(action="destroy"))),
    ("target", whole(verdict(target={"scope": "ip", "value": "10.0.0.0/8"}))),
    ("target", whole(verdict(target={"scope": "ip", "value": client + " "}))),
    ("target", whole(verdict(target={"scope": "planet", "value": client}))),
    ("target", whole(verdict(target={"scope": "ip", "value": client, "surprise": 1}))),
    ("text", whole(verdict(reason="x" * 5000))),
    ("text", whole(verdict(reason="a\u0007b"))),
    ("duplicate_key", ('{"verdicts":[%s]}' % text.replace('"ttl_s": 60', '"ttl_s": 60, "ttl_s": 61')).encode()),
    ("trailing", whole(verdict()) + b"{}"),
    ("syntax", b"<html><body>It works!</body></html>"),
    ("syntax", whole(verdict())[:-1]),
    ("too_large", b'{"verdicts":[]' + b" " * (10 << 20) + b"}"),
    ("too_deep", b'{"verdicts":' + b"[" * 5000 + b"]" * 5000 + b"}"),
    ("shape", b'[]'),
    ("shape", b'{"verdicts":{}}'),
]
for i, (reason, body) in enumerate(cases):
    kind = b"text/html" if body.startswith(b"<") else b"application/json"
    with open(os.path.join(folder, "%02d-%s.answer" % (i, reason)), "wb") as f:
        f.write(b"200\n" + kind + b"\n" + body)
PY
# Each is laid out alone: every batch, also that of a connection's end, takes one answer.
refused() { pk gateway list --json | jq -r --arg r "$1" 'select(.name == "test").verdicts_refused[$r] // 0'; }
counted() { [ "$(refused "$reason")" -gt "$before" ]; }
answered() {
	in_c curl -s -o /dev/null -m 5 "http://$S4:$PORT/more"
	[ -e "$DIR/answers/$name.done" ]
}
for case in "$DIR"/cases/*.answer; do
	name=$(basename "$case" .answer)
	reason=${name#*-}
	before=$(refused "$reason")
	mv "$case" "$DIR/answers/"
	wait_until 20 "the gateway answers with $name" answered
	wait_until 10 "$name is counted under $reason" counted
done
tell "$(find "$DIR/answers" -name '*.done' | wc -l) malformed answers, each counted under its reason"
equal "blocks" 0 "$(blocked_count)"
equal "packets dropped" 0 "$(status_of .kernel.packets_dropped)"

# And the road itself is open: a well-formed one blocks.
printf '200\napplication/json\n{"verdicts":[{"id":"good","action":"block","target":{"scope":"ip","value":"%s"},"ttl_s":60,"confidence":1,"reason":"r","evidence":[]}]}' $C4 >"$DIR/answers/zz.tmp"
mv "$DIR/answers/zz.tmp" "$DIR/answers/zz.answer"
# The batch that takes the answer may be that of an earlier connection's end: then this request is dropped already.
in_c curl -s -o /dev/null -m 2 "http://$S4:$PORT/last" || true
wait_until 10 "a well-formed verdict blocks" is_blocked $C4
tell "a well-formed verdict does block"
picket_down
