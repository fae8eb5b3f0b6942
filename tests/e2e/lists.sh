#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "block lists in files: followed, changed by their difference, never against who is protected, and kept when a file is broken"
need pgrep
net_up
nginx_up
mkdir "$DIR/lists"
write() { # NAME, content from stdin: as a careful writer does
	cat >"$DIR/lists/.$1"
	mv "$DIR/lists/.$1" "$DIR/lists/$1"
}
served() { in_c curl -s -o /dev/null -m "${2:-0.5}" --interface "$1" "http://$S4:$PORT/"; }
served6() { in_c curl -g -s -o /dev/null -m "${2:-0.5}" --interface "$1" "http://[$S6]:$PORT/"; }
dropped6() { ! served6 "$1"; }
of() { pk lists --json | jq -r --arg n "$1" "select(.name == \$n) | $2"; }
of_is() { [ "$(of "$1" "$2")" = "$3" ]; }
changed_at() { date +%s%N; }
at_most_5s() { # SINCE WHAT
	at_most "milliseconds until $2" 5000 $((($(date +%s%N) - $1) / 1000000))
}

write bad <<LIST
# who is not wanted
$D4
198.51.100.0/24 ; a network
$S4
127.0.0.1
not an address
LIST
write crowdsec <<<'[]'
picket_up "lists:
  - {name: bad, path: $DIR/lists/bad}
  - {name: crowdsec, path: $DIR/lists/crowdsec, scope: host}"
wait_until 10 "the list is in force" of_is bad .in_force 2
if served $D4; then fail "a client in the list gets an answer"; fi
served $C4 5 || fail "a client that is in no list gets no answer"
equal "entries refused since they are protected" 2 "$(of bad .refused.protected_network)"
equal "lines that cannot be read" "1 6 not an address" "$(of bad '"\(.unreadable) \(.unreadable_first[0].at) \(.unreadable_first[0].text)"')"
equal "blocks of others" 0 "$(blocked_count)"
exits 0 pk why $D4
grep -q 'in list *bad: '$D4 "$DIR/out" || fail "why does not name the list: $(cat "$DIR/out")"
exits 0 pk why 198.51.100.77
grep -q '198.51.100.0/24' "$DIR/out" || fail "why does not name the list's prefix: $(cat "$DIR/out")"
exits 0 pk blocks
grep -q '^bad: 2 addresses and prefixes' "$DIR/out" || fail "blocks does not name the list: $(cat "$DIR/out")"
exits 0 pk lists
equal "in the kernel, and missing there" "2 0" "$(status_of '"\(.blocks.installed) \(.blocks.missing)"')"
tell "a plain list: two entries in force, two refused since they are protected, one line unreadable; the neighbour is served"

nsenter --net="/run/netns/$NS_C" "$PYTHON" -c '
import socket, sys
s = socket.socket(socket.AF_INET6)
s.bind((sys.argv[1], 0))
s.connect((sys.argv[2], int(sys.argv[3])))
try:
    print("came" if s.recv(1) else "eof")
except ConnectionError:
    print("reset")' $D6 $S6 $PORT >"$DIR/held" &
own $!
holds() { in_s ss -Htn state established "sport = :$PORT" | grep -q -F "$D6"; }
wait_until 10 "a client holds a connection" holds
write bad <<LIST
$D6
198.51.100.0/24
LIST
since=$(changed_at)
wait_until 10 "who was added is dropped" dropped6 $D6
wait_until 10 "who was removed is served" served $D4 3
at_most_5s "$since" "the file's difference is in force"
wait_until 10 "what it had open is ended" grep -q '^reset$' "$DIR/held"
grep 'a block list was read' "$DIR/picket.log" | tail -n 1 | grep -q 'added=1 removed=3' ||
	fail "the change was not taken as a difference: $(grep 'a block list was read' "$DIR/picket.log" | tail -n 1)"
tell "replaced by another: one added, one removed, $((($(date +%s%N) - since) / 1000000)) ms later"

exits 0 pk block $D6 --ttl 5m
exits 0 pk unblock $D6
grep -q 'the block list bad names it' "$DIR/out" || fail "unblock does not say that a list is left: $(cat "$DIR/out")"
if served6 $D6; then fail "an unblock took out what a list names"; fi
exits 4 pk unblock $D6
grep -q 'limits.protect' "$DIR/err" || fail "unblock does not say what to do: $(cat "$DIR/err")"
tell "an operator's unblock leaves what the list names, and says what to do"

old=$(sensor_pid)
kill -KILL "$old"
new_sensor() {
	local now
	now=$(sensor_pid)
	[ -n "$now" ] && [ "$now" != "$old" ] && "$PICKET_BIN" status
}
if served6 $D6; then fail "served while there is no sensor"; fi
wait_until 20 "a new sensor" new_sensor
if served6 $D6; then fail "served after the sensor was restarted"; fi
wait_until 10 "the new sensor knows the list" of_is bad .in_force 2
equal "blocks adopted from the list" 0 "$(blocked_count)"
tell "the sensor was killed: still in force, and the list's, not adopted as anybody's block"

write crowdsec <<LIST
[{"value": "$D4", "scope": "Ip", "type": "ban", "duration": "8s", "origin": "cscli", "scenario": "x"},
 {"value": "64500", "scope": "AS", "type": "ban", "duration": "4h"}]
LIST
wait_until 10 "the decision is in force" of_is crowdsec .in_force 1
if served $D4; then fail "a banned client gets an answer"; fi
equal "decisions that are no wish to block an address" 1 "$(of crowdsec .ignored)"
wait_until 15 "the decision ends in its time" served $D4 3
wait_until 10 "it is no longer counted" of_is crowdsec .in_force 0
tell "a CrowdSec decision of 8 s ended by itself"

write bad <<<'<html><body>503 try again</body></html>'
wait_until 10 "the file is refused" of_is bad '.error != null' true
if served6 $D6; then fail "a broken file took out what was in force"; fi
write bad </dev/null
wait_until 10 "the empty file is refused" of_is bad .error "is empty"
if served6 $D6; then fail "an empty file took out what was in force"; fi
rm "$DIR/lists/bad"
wait_until 10 "the file that is gone is told" of_is bad .error "is not there"
if served6 $D6; then fail "what was in force went with its file"; fi
pk status --json | jq -e '.hints | map(select(.text | contains("block list bad cannot be taken"))) | length == 1' >/dev/null ||
	fail "status has no hint at the file"
tell "a broken, an empty and a missing file: what was in force stays, and status says so"

write bad <<<"$D6"
wait_until 10 "the file is taken again" of_is bad .error null
sed -i 's|path: .*/bad}|path: '"$DIR"'/lists/bad, action: shadow}|' "$DIR/picket.yaml"
kill -HUP "$PICKET_PID"
wait_until 20 "the list's action is the new one" of_is bad .action shadow
wait_until 10 "who is only counted is served" served6 $D6 3
sed -i '/^lists:/,/^capture:/{/^capture:/!d}' "$DIR/picket.yaml"
kill -HUP "$PICKET_PID"
nothing_left() { [ "$(status_of '"\(.lists | length) \(.blocks.installed)"')" = "0 0" ]; }
wait_until 30 "what a list put went with it" nothing_left
tell "a reload takes changed lists over, and those that are gone leave nothing behind"
picket_down
