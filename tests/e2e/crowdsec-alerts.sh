#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/lapi.sh
. "$(dirname "$0")/lapi.sh"
story "what is blocked here is told to a real CrowdSec LAPI, once, as long as it lasts, and taken back with the block"
net_up
nginx_up
lapi_up
MACHINE="machine_id: picket, password_file: $DIR/lapi/password"
decisions() { # jq filter, of the decisions on $C4
	cs decisions list -a -i $C4 -o json | jq -r "[.[]?.decisions[]? | select(.origin == \"picket\")] | $1"
}
alerts() { cs alerts list -a --ip $C4 -o json | jq -r "[.[]? | select(.scenario | startswith(\"picket/\"))] | $1"; }
decisions_are() { [ "$(decisions length)" = "$1" ]; }
alerts_are() { [ "$(alerts length)" = "$1" ]; }
of() { pk gateway list --json | jq -r "select(.name == \"crowdsec\") | .crowdsec$1"; }
of_is() { [ "$(of "$1")" = "$2" ]; }
seconds() { # of Go's duration, as "14m58.2s"
	awk -v d="$1" 'BEGIN { n = split(d, part, /[hms]/); s = 0; if (d ~ /h/) { s += part[1] * 3600; i = 1 } if (d ~ /m/) s += part[++i] * 60; print int(s + part[++i]) }'
}

# The example, with this LAPI's port and secrets.
mkdir "$DIR/etc"
cp "$DIR/lapi/key" "$DIR/etc/crowdsec.key"
cp "$DIR/lapi/password" "$DIR/etc/crowdsec.password"
sed "s,/etc/picket,$DIR/etc,; s,127.0.0.1:8080,127.0.0.1:$LAPI_PORT," "$E2E/../../examples/gateways/crowdsec.yaml" >"$DIR/example.yaml"
exits 0 pk config check "$DIR/example.yaml"
try() { in_s "$PICKET_BIN" gateway test -c "$DIR/example.yaml" "$@"; }
exits 0 try
grep -q 'knows us' "$DIR/out" || fail "gateway test says: $(cat "$DIR/out")"
equal "what gateway test asks" "key 200 login 200 heartbeat 200" "$(try --json | jq -r '.steps | map("\(.step) \(.status)") | join(" ")')"
if grep -q -e "$(cat "$DIR/lapi/key")" -e picket-password-1 "$DIR/out"; then fail "gateway test shows a secret"; fi
echo another-key >"$DIR/etc/crowdsec.key"
exits 1 try
grep -q 'HTTP 403: .*cscli bouncers add' "$DIR/out" || fail "a wrong key is not explained: $(cat "$DIR/out")"
cp "$DIR/lapi/key" "$DIR/etc/crowdsec.key"
echo another-password >"$DIR/etc/crowdsec.password"
exits 1 try
grep -q 'HTTP 401: .*cscli machines' "$DIR/out" || fail "a wrong password is not explained: $(cat "$DIR/out")"
sed -i "s,127.0.0.1:$LAPI_PORT,127.0.0.1:$PORT," "$DIR/example.yaml"
exits 1 try
grep -q 'no list of decisions' "$DIR/out" || fail "another server is not explained: $(cat "$DIR/out")"
sed -i "s,127.0.0.1:$PORT,127.0.0.1:1," "$DIR/example.yaml"
exits 5 try
tell "gateway test: key and login are known; else it says which is not, and what mends it"

picket_up "mode: enforce
$(lapi_gateway "interval: 1s, $MACHINE")"
wait_until 10 "picket has logged in" of_is .machine.logins 1
wait_until 10 "it says that it lives" of_is .machine.heartbeats 1
attack $C4 $S4:$PORT 300 && fail "300 guesses and the attacker is still served"
wait_until 10 "picket blocks $C4" is_blocked $C4
wait_until 10 "the LAPI has a decision" decisions_are 1
equal "type, scope and scenario" "ban Ip picket/login-guessing" "$(decisions '.[0] | "\(.type) \(.scope) \(.scenario)"')"
left=$(seconds "$(decisions '.[0].duration')")
ttl=$(pk why $C4 --json | jq .block.ttl_s)
at_least "seconds that the LAPI has left, of picket's $ttl" $((ttl - 3)) "$left"
at_most "seconds that the LAPI has left, of picket's $ttl" $((ttl + 3)) "$left"
equal "alerts" 1 "$(alerts length)"
alerts '.[0].events[0].meta[].key' >/dev/null
tell "a block is a decision at the LAPI a moment later, with what is left of it: $left s"

wait_until 10 "it came back and is known as ours" of_is .counts.own 1
equal "what the list has of it" 0 "$(pk lists --json | jq -r 'select(.name == "crowdsec") | .entries')"
equal "alerts that were sent" 1 "$(of .machine.bans)"
tell "what comes back in the stream is known as ours: no second block, no second alert"

exits 0 pk unblock $C4
wait_until 10 "the LAPI has no decision any more" decisions_are 0
equal "decisions that were taken back" 1 "$(of .machine.deleted)"
in_c curl -s -o /dev/null -m 5 --interface $C4 "http://$S4:$PORT/" || fail "who was unblocked gets no answer"
tell "unblock takes the decision back"

# A LAPI that was started anew knows no token of before.
lapi_stop
lapi_start
ip -n "$NS_C" addr add 10.77.0.4/24 dev eth0
attack 10.77.0.4 $S4:$PORT 300 && fail "300 guesses and another attacker is still served"
another() { [ "$(cs decisions list -a -i 10.77.0.4 -o json | jq -r '[.[]?.decisions[]? | select(.origin == "picket")] | length')" = 1 ]; }
wait_until 30 "the LAPI has a decision on another one" another
at_least "logins" 2 "$(of .machine.logins)"
tell "a token that is not known any more: another login, and nothing is lost"
exits 0 pk unblock 10.77.0.4
cs decisions delete --all >/dev/null
picket_down

# A LAPI that is away while the block is made: told late, the ban ends with ours.
lapi_stop
picket_up "mode: enforce
guard: {ttl_default: 60s}
$(lapi_gateway "interval: 1s, $MACHINE")"
attack $C4 $S4:$PORT 300 && fail "300 guesses and the attacker is still served"
wait_until 10 "picket blocks $C4" is_blocked $C4
sleep 5
lapi_start
wait_until 60 "the LAPI has the decision" decisions_are 1
left=$(seconds "$(decisions '.[0].duration')")
ttl=$(pk why $C4 --json | jq .block.ttl_s)
at_most "seconds that the LAPI has left, of picket's $ttl" $((ttl + 3)) "$left"
at_least "seconds that the LAPI has left, of picket's $ttl" $((ttl - 3)) "$left"
tell "told late, the ban ends with ours: $left s left there, $ttl s here"
picket_down

# Mode observe: a record, and nobody is blocked by it.
cs alerts delete --all >/dev/null
picket_up "mode: observe
$(lapi_gateway "interval: 1s, $MACHINE")"
attack $D4 $S4:$PORT 300 || true
# By --ip cscli finds alerts that have decisions.
records() { cs alerts list -a -o json | jq -r --arg ip $D4 '[.[]? | select(.source.ip == $ip and (.scenario | startswith("picket/")) and .simulated)] | length'; }
has_record() { [ "$(records)" -ge 1 ]; }
within 20 has_record || fail "the LAPI has no record: $(of .machine)"
equal "decisions in mode observe" 0 "$(cs decisions list -a -i $D4 -o json | jq -r '[.[]?.decisions[]? | select(.origin == "picket")] | length')"
equal "records of one attack" 1 "$(records)"
tell "in mode observe the LAPI gets a record, and no decision"
picket_down

# A client that comes through a balancer which picket can do nothing about: its ban is for others.
if command -v haproxy >/dev/null; then
	NS_K=pe2e-k-$$
	ns_add "$NS_K"
	link_up "$NS_C" front "$NS_K" eth0
	ip -n "$NS_C" addr add 10.78.0.1/24 dev front
	ip -n "$NS_K" addr add 10.78.0.2/24 dev eth0
	BALANCER=10.78.0.1
	cat >"$DIR/haproxy.cfg" <<-CFG
		defaults
			mode http
			timeout connect 5s
			timeout client 20s
			timeout server 20s
			option forwardfor
		listen balancer
			bind $BALANCER:8001
			server one $S4:$PORT
	CFG
	start_c haproxy -f "$DIR/haproxy.cfg" -db >"$DIR/haproxy.log" 2>&1
	wait_until 10 "the balancer listens" in_c bash -c "exec 3<>/dev/tcp/$BALANCER/8001"
	# shellcheck source=tests/e2e/through.sh
	. "$E2E/through.sh"
	picket_up "mode: enforce
proxies: {trusted: [$C4]}
enforcement: {publish: true}
$(lapi_gateway "interval: 1s, $MACHINE")"
	client_up 10.78.0.2 8001 attacker post
	published() { [ "$(cs decisions list -a -i 10.78.0.2 -o json | jq -r '[.[]?.decisions[]? | select(.origin == "picket")] | length')" = 1 ]; }
	wait_until 30 "the LAPI has the ban of a client behind the balancer" published
	kill "$CLIENT"
	equal "entries of the kernel" 0 "$(status_of .blocks.desired)"
	equal "point of the decision" published "$(pk blocks --json | jq -r .point)"
	tell "a client behind a balancer is banned at the LAPI, for whoever enforces it there"
	picket_down
fi
