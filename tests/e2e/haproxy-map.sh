#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
# Clients behind an HAProxy that denies by a map, by the recipe of docs/haproxy.md, word for word. Only paths are the story's own.
. "$(dirname "$0")/lib.sh"
story "a client behind HAProxy is denied by its map, its neighbour is not, and entries end whatever becomes of picket or HAProxy"
need haproxy
need_python
net_up
NS_K=pe2e-k-$$
ns_add "$NS_K"
link_up "$NS_C" front "$NS_K" eth0
ip -n "$NS_C" addr add 10.78.0.1/24 dev front
for i in 2 3 4; do
	ip -n "$NS_K" addr add 10.78.0.$i/24 dev eth0
done
BALANCER=10.78.0.1
ATTACKER=10.78.0.2
NEIGHBOUR=10.78.0.3
THIRD=10.78.0.4
nginx_up

ROOT=$(cd "$E2E/../.." && pwd)
recipe=$(sed -n "/^\`\`\`haproxy\$/,/^\`\`\`\$/p" "$ROOT/docs/haproxy.md" | sed '1d;$d' |
	sed "s,/run/haproxy/picket.sock mode 660 group picket,$DIR/haproxy.sock mode 666,; s,/etc/haproxy/picket.map,$DIR/picket.map,")
[ -n "$recipe" ] || fail "no recipe in docs/haproxy.md"
: >"$DIR/picket.map"
cat >"$DIR/haproxy.cfg" <<-CFG
	global
	$(grep '^stats ' <<<"$recipe")
	defaults
		mode http
		timeout connect 5s
		timeout client 20s
		timeout server 20s
		option forwardfor
	listen balancer
		bind $BALANCER:8001
		$(grep '^http-request ' <<<"$recipe")
		server one $S4:$PORT
CFG
in_k() { nsenter --net="/run/netns/$NS_K" "$@"; }
haproxy_up() {
	nsenter --net="/run/netns/$NS_C" haproxy -f "$DIR/haproxy.cfg" -db >>"$DIR/haproxy.log" 2>&1 &
	HAPROXY_PID=$!
	own $HAPROXY_PID
	wait_until 10 "HAProxy listens" in_k bash -c "exec 3<>/dev/tcp/$BALANCER/8001"
}
haproxy_up
# shellcheck source=tests/e2e/through.sh
. "$E2E/through.sh"
status_at() { # SOURCE STATUS
	[ "$(in_k curl -s -o /dev/null -m 5 -w '%{http_code}' --interface "$1" "http://$BALANCER:8001/")" = "$2" ]
}
printf '# nobody\n' >"$DIR/listed"
picket_up "mode: enforce
proxies:
  trusted: [$C4]
haproxy:
  - {name: edge, socket: $DIR/haproxy.sock, map: $DIR/picket.map, entries_max: 3}
lists:
  - {name: bad, path: $DIR/listed}"
events_start
map_is() { # DESIRED INSTALLED MISSING EXTRA
	status_of '.haproxy[0] | [.state, .desired, .installed, .missing, .extra] | @tsv' | tr '\t' ' ' | grep -qx "up $1 $2 $3 $4"
}
wait_until 10 "the map is kept" map_is 0 0 0 0

# The attacker is judged by its own address, denied within 100 ms, and nobody else is.
client_up $NEIGHBOUR 8001 neighbour
NEIGHBOURING=$CLIENT
client_up $ATTACKER 8001 attacker post
ATTACKING=$CLIENT
wait_until 20 "the attacker is denied" has_status attacker 403
sleep 0.3
kill "$ATTACKING"
verdict() {
	events_of picket.decision | jq -r "select(.\"picket.decision.target\" == \"$ATTACKER\" and .\"picket.decision.outcome\" == \"blocked\") | $1" |
		head -n 1
}
equal "point of the decision" http "$(verdict '."picket.decision.point"')"
decided=$(verdict .time_unix_nano)
late=$(awk -v at="$decided" '$3 == 200 && $1 > at + 100000000' "$DIR/attacker" | wc -l)
equal "requests of the attacker that began 100 ms after the verdict and passed" 0 "$late"
first=$(awk -v at="$decided" '$3 == 403 { printf "%.1f", ($2 - at) / 1e6; exit }' "$DIR/attacker")
tell "the attacker met 403 $first ms after the verdict; before: $(statuses attacker)"
equal "entries of the kernel" 0 "$(status_of .blocks.desired)"
wait_until 5 "status: one wanted, one in the map" map_is 1 1 0 0
unharmed neighbour

# HAProxy is restarted: its map is empty, and is filled again.
kill "$NEIGHBOURING"
kill -TERM "$HAPROXY_PID"
wait_until 10 "HAProxy ends" gone "$HAPROXY_PID"
restarted=$(date +%s%N)
haproxy_up
within 10 status_at $ATTACKER 403 || fail "10 s after its restart HAProxy does not deny the attacker"
filled=$((($(date +%s%N) - restarted) / 1000000))
mended() { [ "$(status_of '.haproxy[0].mended')" -ge 1 ]; }
wait_until 5 "status tells that it was mended" mended
grep -q "the map of HAProxy differed from the list and was mended" "$DIR/picket.log" || fail "the log does not tell of it"
wait_until 5 "status: one wanted, one in the map" map_is 1 1 0 0
tell "HAProxy restarted: filled again after $filled ms, and told"

# What somebody else changes in the map is mended as well.
runtime() { # COMMAND
	"$PYTHON" -c 'import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall((sys.argv[2] + "\n").encode())
while True:
    b = s.recv(65536)
    if not b:
        break
    sys.stdout.write(b.decode())' "$DIR/haproxy.sock" "$1"
}
runtime "del map $DIR/picket.map $ATTACKER" >/dev/null
runtime "add map $DIR/picket.map $NEIGHBOUR 9999999999" >/dev/null
wait_until 10 "the attacker is denied again" status_at $ATTACKER 403
wait_until 10 "the neighbour passes again" status_at $NEIGHBOUR 200
tell "an entry taken out by hand came back, one put there by hand went"

# An HAProxy that hangs costs a warning, and nothing else.
kill -STOP "$HAPROXY_PID"
begin=$(date +%s%N)
exits 0 pk block $THIRD --ttl 5m
at_most "ms that a block took while HAProxy hung" 1000 $((($(date +%s%N) - begin) / 1000000))
hangs() { status_of '.hints[].text' | grep -q "the map of HAProxy edge cannot be kept"; }
wait_until 10 "status warns" hangs
kill -CONT "$HAPROXY_PID"
wait_until 10 "what was blocked meanwhile is denied" status_at $THIRD 403
exits 0 pk unblock $THIRD
wait_until 5 "unblocked, it passes" status_at $THIRD 200
tell "HAProxy hung: picket went on, and caught up"

# The kill switch empties the map.
exits 0 pk panic
wait_until 10 "with the kill switch the attacker passes" status_at $ATTACKER 200
exits 0 pk resume
wait_until 10 "resumed, it does not" status_at $ATTACKER 403

# picket killed: nobody notices, and the next sensor goes on with what the map holds.
client_up $NEIGHBOUR 8001 neighbour
sensor=$(sensor_pid)
kill -KILL "$sensor"
restarts() { [ "$(status_of .sensor.restarts 2>/dev/null || echo 0)" -ge 1 ]; }
wait_until 15 "the sensor is back" restarts
wait_until 10 "status: one wanted, one in the map" map_is 1 1 0 0
status_at $ATTACKER 403 || fail "the attacker passes since the sensor was killed"
exits 0 pk why $ATTACKER
unharmed neighbour
tell "sensor killed: 0 errors, what the map held is in force"

# A block list is in the map, decisions first, and only as far as there is room.
printf '%s\n203.0.113.1\n203.0.113.2\n' $THIRD >"$DIR/listed.new" && mv "$DIR/listed.new" "$DIR/listed"
wait_until 10 "who is in a list is denied" status_at $THIRD 403
wait_until 5 "status: four wanted, three in the map" map_is 4 3 1 0
equal "entries without room" 1 "$(status_of '.haproxy[0].beyond')"
status_of '.hints[].text' | grep -q "1 entries of block lists are not in the map of HAProxy edge" || fail "status does not say so"
mends=$(status_of '.haproxy[0].mended')
sensor=$(sensor_pid)
kill -KILL "$sensor"
restarts_again() { [ "$(status_of .sensor.restarts 2>/dev/null || echo 0)" -ge 2 ]; }
wait_until 15 "the sensor is back" restarts_again
wait_until 10 "status: four wanted, three in the map" map_is 4 3 1 0
status_at $THIRD 403 || fail "who is in a list passes since the sensor was killed"
equal "blocks of decisions" 1 "$(pk blocks --json | wc -l)"
printf '# nobody\n' >"$DIR/listed.new" && mv "$DIR/listed.new" "$DIR/listed"
wait_until 10 "out of the list, it passes" status_at $THIRD 200
wait_until 5 "status: one wanted, one in the map" map_is 1 1 0 0
at_most "entries that others had changed" "$mends" "$(status_of '.haproxy[0].mended')"
unharmed neighbour
tell "a block list stands in the map, follows its file, and is nobody's block after a restart"

# picket stands still: an entry ends in time all the same.
exits 0 pk block $THIRD --ttl 3s
wait_until 5 "the third is denied" status_at $THIRD 403
sensor=$(sensor_pid)
kill -STOP "$PICKET_PID" "$sensor"
begin=$(date +%s%N)
within 10 status_at $THIRD 200 || fail "picket stands still, and the third is denied beyond its time"
at_most "ms until a block of 3 s had ended" 5000 $((($(date +%s%N) - begin) / 1000000))
status_at $ATTACKER 403 || fail "the attacker passes since picket stands still"
kill -CONT "$PICKET_PID" "$sensor"
unharmed neighbour
tell "picket stopped: 0 errors, entries end in time; $(median_ms neighbour 0) ms a request (median)"

exits 0 pk unblock $ATTACKER
wait_until 5 "unblocked, the attacker passes" status_at $ATTACKER 200
exits 0 pk block $ATTACKER --ttl 3s
wait_until 5 "blocked, it does not" status_at $ATTACKER 403
picket_down
within 10 status_at $ATTACKER 200 ||
	fail "picket is gone, and the attacker does not pass after its time, $(date +%s); the map: $(runtime "show map $DIR/picket.map")"
unharmed neighbour
tell "picket gone: 0 errors, entries end in time"
