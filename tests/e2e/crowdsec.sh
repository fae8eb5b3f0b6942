#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/lapi.sh
. "$(dirname "$0")/lapi.sh"
story "decisions of a real CrowdSec LAPI: in force as they were meant, as long as they were meant, and no failure unblocks"
net_up
nginx_up
lapi_up
served() { in_c curl -s -o /dev/null -m "${2:-0.5}" --interface "$1" "http://$S4:$PORT/"; }
dropped() { ! served "$1"; }
served6() { in_c curl -g -s -o /dev/null -m "${2:-0.5}" --interface "$1" "http://[$S6]:$PORT/"; }
dropped6() { ! served6 "$1"; }
of() { pk lists --json | jq -r "select(.name == \"crowdsec\") | $1"; }
of_is() { [ "$(of "$1")" = "$2" ]; }
left_is_over() { # ADDRESS SECONDS: by the kernel's own entry
	pk why "$1" --json | jq -e --argjson s "$2" '.blocked and .block.ttl_s > $s' >/dev/null
}

cs decisions add -i $D4 -d 10m >/dev/null
cs decisions add -r 198.51.100.0/24 -d 1h --reason subnet >/dev/null
cs decisions add -i $D6 -d 1h >/dev/null
cs decisions add --scope AS --value 64500 -d 1h >/dev/null
cs decisions add --scope Country --value XX -d 1h --type captcha >/dev/null
cs decisions add -i 203.0.113.9 -d 1h --type captcha >/dev/null
in_s "$PYTHON" -c "
import socket
s = socket.create_server(('0.0.0.0', 2222))
while True: s.accept()[0].close()" &
own $!
other_port() { in_c "$PYTHON" -c "import socket; socket.create_connection(('$S4', 2222), 3, ('$D4', 0))" 2>/dev/null; }
picket_up "capture: {never_ports: [2222], packet_mode: $PICKET_MODE}
$(lapi_gateway "interval: 1s, resync: 5s, usage_interval: 1s")"
wait_until 10 "three decisions are in force" of_is .in_force 3
if served $D4; then fail "a banned client gets an answer"; fi
if served6 $D6; then fail "a banned IPv6 client gets an answer"; fi
served $C4 5 || fail "a client that is not banned gets no answer"
equal "AS, Country and another type, counted" 3 "$(of .ignored)"
other_port || fail "a ban with scope ports closes a port that is not watched"
equal "entries that metrics have" 3 "$(pk metrics | sed -n 's/^picket_list_entries{list="crowdsec",state="in_force"} //p')"
tell "bans of the start are in force, on the watched ports alone, IPv4 and IPv6; an AS, a country and a captcha are counted and left out"

ip -n "$NS_C" addr add 198.51.100.1/32 dev eth0
ip -n "$NS_C" addr add 198.51.100.254/32 dev eth0
ip -n "$NS_S" route add 198.51.100.0/24 dev eth0
if served 198.51.100.1; then fail "the first address of a banned range gets an answer"; fi
if served 198.51.100.254; then fail "the last address of a banned range gets an answer"; fi
pk why 198.51.100.77 --json >"$DIR/why"
jq -e '.blocked and .block.source == "crowdsec" and .block.target == "198.51.100.0/24"' "$DIR/why" >/dev/null ||
	fail "why does not name the range: $(cat "$DIR/why")"
tell "a banned range is blocked from its first address to its last"

exits 0 pk why $D4
grep -q 'cscli' "$DIR/out" || fail "why does not name the origin: $(cat "$DIR/out")"
grep -q "manual 'ban' from 'story'" "$DIR/out" || fail "why does not name the scenario: $(cat "$DIR/out")"
grep -q 'decision 1' "$DIR/out" || fail "why does not name the decision: $(cat "$DIR/out")"
tell "why names origin, scenario and number of the decision"

cs decisions add -i 192.0.2.50 -d 8s >/dev/null
wait_until 10 "the short ban is in force" of_is .in_force 4
cs decisions add -i 192.0.2.50 -d 10m >/dev/null
wait_until 10 "the ban is extended" left_is_over 192.0.2.50 60
sleep 9
left_is_over 192.0.2.50 60 || fail "an extended ban ended with the first one: $(pk why 192.0.2.50 --json)"
tell "a ban that is extended outlives its first end"

cs decisions delete -i $D6 >/dev/null
wait_until 10 "the deleted ban is out of force" served6 $D6 5
if served $D4; then fail "with one ban another one went"; fi
if served 198.51.100.254; then fail "with a ban its neighbour's range went"; fi
cs decisions add -i 198.51.100.1 -d 1h >/dev/null
wait_until 10 "an address inside a banned range" of_is .in_force 4
# By its number: by an address cscli takes the ranges as well that hold it.
cs decisions delete --id "$(pk why 198.51.100.1 --json | jq -r '.lists[0].decisions[0].id')" >/dev/null
wait_until 10 "the ban of the address is gone" of_is .in_force 3
if served 198.51.100.1; then fail "the delete of an address took the range that covers it"; fi
tell "a delete takes what it names, and no range and no neighbour with it"

# This version knows no usage metrics.
equal "times that it was told of its use" 1 "$(grep -c 'POST /v1/usage-metrics.* 404 ' "$DIR/lapi/lapi.log")"
equal "state of the gateway" "idle null" "$(pk gateway list --json | jq -r 'select(.name == "crowdsec") | "\(.state) \(.last_error)"')"
tell "an old LAPI that knows no usage metrics is told once, and nothing is wrong"

lapi_stop
wait_until 10 "status tells that the LAPI is gone" sh -c "'$PICKET_ASK' status --json | jq -e '.hints | map(select(.text | contains(\"gateway crowdsec is backing off\"))) | length == 1'"
if served $D4; then fail "a LAPI that went away unblocked a client"; fi
old=$(sensor_pid)
kill -KILL "$old"
new_sensor() {
	local now
	now=$(sensor_pid)
	[ -n "$now" ] && [ "$now" != "$old" ] && "$PICKET_BIN" status
}
wait_until 20 "a new sensor" new_sensor
sleep 3
if served $D4; then fail "a new sensor unblocked a client while the LAPI was away"; fi
tell "the LAPI is away: bans stay, also when the sensor process is started anew"

picket_down
picket_again
wait_until 10 "after a start without the LAPI the ban is in force" dropped $D4
left_is_over 192.0.2.50 60 || fail "after a start without the LAPI a ban has another end: $(pk why 192.0.2.50)"
pk why $D4 --json | jq -e '.lists[0].decisions[0] | .origin == "cscli" and .id > 0' >/dev/null ||
	fail "after a start without the LAPI nobody knows who wanted it: $(pk why $D4)"
tell "picket is started while the LAPI is away: what was known is in force again, with who wanted it and until when"

sed -i '$ a enforcement: {pin: true}' "$DIR/picket.yaml"
picket_down
picket_again
wait_until 10 "with enforcement.pin the ban is in force" dropped $D4
picket_down
if served $D4; then fail "with enforcement.pin a stop unblocked a client"; fi
picket_again
if served $D4; then fail "with enforcement.pin a start unblocked a client"; fi
tell "with enforcement.pin a stop unblocks nobody either"

lapi_start
cs decisions add -i $C4 -d 1h >/dev/null
wait_until 30 "what was decided meanwhile is in force" dropped $C4
if served $D4; then fail "the LAPI came back, and a ban went"; fi
cs decisions delete --all >/dev/null
wait_until 30 "all bans are deleted" served $D4 5
wait_until 10 "none is in force" of_is .in_force 0
tell "the LAPI is back: everything is asked for anew"
picket_down
