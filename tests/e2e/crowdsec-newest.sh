#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "decisions as the newest LAPI writes them, and as one does whose database fails, whose cursor others move, or that is something else"
need_python
net_up
nginx_up
FAKE=$DIR/fake
mkdir "$FAKE"
served() { in_c curl -s -o /dev/null -m "${2:-0.5}" --interface "$1" "http://$S4:$PORT/"; }
dropped() { ! served "$1"; }
lists_of() { pk lists --json | jq -r "select(.name == \"crowdsec\") | $1"; }
in_force() { [ "$(lists_of .in_force)" = "$1" ]; }
of() { pk gateway list --json | jq -r "select(.name == \"crowdsec\") | $1"; }
of_at_least() { [ "$(of "$1")" -ge "$2" ]; }
write() { # NAME, content from stdin
	cat >"$FAKE/.$1"
	mv "$FAKE/.$1" "$FAKE/$1"
}
decision() { # ID SCOPE VALUE DURATION
	printf '{"duration":"%s","id":%d,"origin":"CAPI","scenario":"crowdsecurity/http-probing","scope":"%s","type":"ban","uuid":"9f-%d","value":"%s"}' "$4" "$1" "$2" "$1" "$3"
}
# As the newest one: "new" first, lists that are empty and not null.
startup() { # HOW-MANY more
	printf '{"new": ['
	decision 1 ip $D4 4h
	for i in $(seq "$1"); do
		printf ','
		decision $((100 + i)) ip 198.18.$((i / 250)).$((i % 250)) 4h
	done
	printf '], "deleted": []}'
}
startup 199 | write startup
start_s "$PYTHON" "$E2E/lapi.py" 18081 "$FAKE" >"$DIR/lapi.log" 2>&1
wait_until 10 "the LAPI answers" in_s curl -s -o /dev/null http://127.0.0.1:18081/v1/decisions
(umask 077 && printf 'the-key' >"$DIR/key")
picket_up "gateways:
  - {name: crowdsec, protocol: crowdsec, url: 'http://127.0.0.1:18081/', token_file: $DIR/key, interval: 1s, resync: 4s,
     usage_interval: 2s, timeout_ms: 2000}"
wait_until 10 "the decisions are in force" in_force 200
if served $D4; then fail "a banned client gets an answer"; fi
equal "key and agent" "the-key picket" "$(jq -r 'select(.path | startswith("/v1/decisions/stream")) | "\(.key) \(.agent | split("/")[0])"' "$FAKE/requests" | sort -u)"
equal "the first request" "/v1/decisions/stream?startup=true&scopes=ip,range,as,country" "$(jq -r 'select(.key) | .path' "$FAKE/requests" | head -n 1)"
tell "new before deleted, [] for none, uuid, chunks: 200 decisions in force"

usage() { jq -c "select(.path == \"/v1/usage-metrics\") | .body.remediation_components[0].metrics[0].items[] | select(.name == \"$1\")" "$FAKE/requests"; }
drops_told() { [ "$(usage dropped | jq -s 'map(select(.unit == "packet" and .labels.origin == "CAPI" and .labels.ip_type == "ipv4") | .value) | add')" -gt 0 ]; }
wait_until 20 "it was told what its decisions dropped" drops_told
equal "active decisions, as they were told" 200 "$(usage active_decisions | tail -n 1 | jq .value)"
at_least "packets that were looked at" 1 "$(usage processed | jq -s 'map(.value) | add')"
jq -e 'select(.path == "/v1/usage-metrics") | .encoding == null and (.body.remediation_components | length == 1) and
	(.body.remediation_components[0] | .type == "picket" and .version != "" and .os.name != "" and .utc_startup_timestamp > 0)' \
	"$FAKE/requests" >/dev/null || fail "what it is told is not as it should be: $(grep usage-metrics "$FAKE/requests" | head -n 1)"
tell "usage metrics: active decisions, what they dropped by origin, packets looked at"

{ printf '{"new": ['; decision 7 ip 203.0.113.7 8s; printf ','; decision 8 ip 203.0.113.7 2h; printf '], "deleted": ['; decision 101 ip 198.18.0.1 -1s; printf ']}'; } | write delta
startup 199 | sed 's/\("new": \[\)/\1'"$(decision 8 ip 203.0.113.7 2h | sed 's/[&/]/\\&/g')"',/' | write startup
wait_until 10 "the delta is in force" in_force 200
for _ in 1 2; do
	{ printf '{"new": [], "deleted": ['; decision 7 ip 203.0.113.7 -1s; printf ','; decision 101 ip 198.18.0.1 -2s; printf ']}'; } | write delta
	wait_until 10 "it is told once more" test -e "$FAKE/delta.told"
	rm -f "$FAKE/delta.told"
	sleep 1.5
done
pk why 203.0.113.7 --json | jq -e '.blocked and .block.ttl_s > 3600' >/dev/null || fail "a delete that was told again took the longer ban"
tell "of two bans in one delta the longer counts; deletes that come again take nothing"

startup 199 | sed 's/\("new": \[\)/\1'"$(decision 8 ip 203.0.113.7 2h | sed 's/[&/]/\\&/g'),$(decision 9 range 203.0.113.128/25 2h | sed 's/[&/]/\\&/g')"',/' | write startup
wait_until 20 "what another bouncer was told is in force" sh -c "'$PICKET_ASK' why 203.0.113.200 --json | jq -e .blocked"
wait_until 10 "that deltas did not tell it is counted" of_at_least .crowdsec.untold 1
grep -q 'were not told as they were made' "$DIR/picket.log" || fail "nobody says that the key may have two users"
tell "what another user of the key has taken is found by asking for everything, and told"

held=$(of .crowdsec.decisions)
before=$(of .crowdsec.wholes)
startup 3 | write startup
wait_until 20 "a list that was cut short" of_at_least .crowdsec.wholes $((before + 1))
equal "decisions after a 200 that lacks nearly all" "$held" "$(of .crowdsec.decisions)"
if served $D4; then fail "a client of the list is served"; fi
startup 199 | write startup
before=$(of .crowdsec.wholes)
wait_until 20 "a whole list" of_at_least .crowdsec.wholes $((before + 2))
tell "a 200 with valid JSON that lacks nearly all of it takes nothing"

startup 1 | write startup
believed() { [ "$(of .crowdsec.decisions)" -le 3 ]; }
wait_until 40 "a list that is short three times in a row is believed" believed
if served $D4; then fail "a client of the short list is served"; fi
tell "three such lists in a row are believed"

# Sanitizers take three times the memory and the time.
most() { if grep -q __asan_init "$PICKET_BIN"; then echo $(($1 * 3)); else echo "$1"; fi; }
failed_with() { of .last_error | grep -q "$1"; }
try() { # MODE WHAT-IT-SAYS
	echo "$1" | write mode
	wait_until 45 "mode $1 is told as: $2" failed_with "$2"
	if served $D4; then fail "mode $1 unblocked a client"; fi
	alive "$PICKET_PID" || fail "picket ended by mode $1"
}
try 403 "does not know the key"
try 500 "the LAPI failed"
try 404 "no LAPI answers there"
try html "is no JSON"
try other "is no decision stream"
try half "ended before its end"
try cut "ended before"
# With sanitizers it may not read as much in its time.
if grep -q __asan_init "$PICKET_BIN"; then
	try endless 'longer than 64 MiB\|did not answer in time'
else
	try endless "longer than 64 MiB"
fi
try silent "did not answer in time"
echo ok | write mode
ok_again() { [ "$(of .state)" = idle ]; }
wait_until 60 "it answers again" ok_again
if served $D4; then fail "after the failures a client is served"; fi
at_most "kB that the sensor needs at most" "$(most 130000)" "$(awk '/^VmHWM/ { print $2 }' "/proc/$(sensor_pid)/status")"
tell "403, 500, 404, a web page, another API, halves, without end, silence: each is named, none unblocks"
picket_down
