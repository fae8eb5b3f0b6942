#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "what was decided is in force again after restarts and kills, and a journal in a bad way stops nothing"
need pgrep
net_up
nginx_up
served() { in_c curl -s -o /dev/null -m "${2:-0.5}" --interface "$1" "http://$S4:$PORT/"; }
point() { curl -s -o /dev/null -w '%{http_code}' -m 5 --unix-socket "$DIR/decide.sock" -H "X-Forwarded-For: $1" http://picket/; }
denied() { [ "$(point "$1")" = 403 ]; }
why() { (pk why --json "$1" || true) | jq -r "$2"; }
ms() { date +%s%3N; }

BEHIND=203.0.113.50 # a client of the proxy at $D4
picket_up "mode: enforce
proxies:
  trusted: [$D4]"
exits 0 pk block $C4 --ttl 30m --reason "said by hand"
exits 0 pk block 198.51.100.0/24 --ttl 30m --action shadow --scope host
exits 0 pk block 203.0.113.7 --ttl 3s
exits 0 pk mode approve
exits 0 pk mode enforce
exits 0 pk proxies direct 203.0.113.9
equal "answer at HTTP before" 204 "$(point $BEHIND)"
attack $D4 $S4:$PORT 60 -H "X-Forwarded-For: $BEHIND"
wait_until 10 "the client behind the proxy is denied at HTTP" denied $BEHIND
reason=$(why $BEHIND .block.reason)
exits 0 pk mode approve
begun=$(why $C4 .block.since)

all_is_back() { # AFTER WHAT
	if served $C4; then fail "$C4 is served after $1"; fi
	equal "reason of $C4 after $1" "said by hand" "$(why $C4 .block.reason)"
	equal "begin of the block of $C4 after $1" "${begun%.*}" "$(why $C4 .block.since | sed 's/\..*//')"
	equal "action of 198.51.100.0/24 after $1" shadow "$(why 198.51.100.0/24 .block.action)"
	is_blocked 203.0.113.7 && fail "a block whose time was over came back after $1"
	denied $BEHIND || fail "the client behind the proxy passes at HTTP after $1"
	equal "reason of $BEHIND after $1" "$reason" "$(why $BEHIND .block.reason)"
	equal "mode after $1" approve "$(pk mode --json | jq -r .mode)"
	equal "class of 203.0.113.9 after $1" direct "$(why 203.0.113.9 .proxy_class)"
	served $D4 10 || fail "the trusted proxy is not served after $1"
}

sleep 2 # the three seconds of 203.0.113.7
picket_end TERM
served $C4 10 || fail "a stopped picket still drops"
picket_again
all_is_back "a restart"
grep -q 'in force again' "$DIR/picket.log" || fail "the log does not say what came back"
tell "restart: block, reason, shadow, the entry at HTTP alone, mode and proxy; what was over stays over"

# Both at once, without warning. What was answered is on the disk; what came in the last moment is counted.
before=$(ms)
exits 0 pk block 203.0.113.80 --ttl 30m
answered=$(($(ms) - before))
asking=
for i in $(seq 20); do
	pk block "203.0.113.1$i" --ttl 30m >/dev/null 2>&1 &
	asking="$asking $!"
done
sleep 0.2
sensor=$(sensor_pid)
kill -KILL "$PICKET_PID" "$sensor"
wait_until 15 "both are gone" gone "$PICKET_PID"
for i in $asking; do wait "$i" || true; done
picket_again
all_is_back "kill -9 of both"
is_blocked 203.0.113.80 || fail "a block that was answered is lost"
tell "kill -9 of both: what was answered (in $answered ms) is there, and $(pk blocks --json | jq -r 'select(.target | startswith("203.0.113.1")).target' | wc -l) of 20 that were on their way"
status_of '.journal.restored | "  \(.claims) claims, \(.put_back) put back, \(.ms) ms"'

old=$(sensor_pid)
kill -KILL "$old"
new_sensor() { [ -n "$(sensor_pid)" ] && [ "$(sensor_pid)" != "$old" ] && pk status; }
wait_until 20 "a new sensor" new_sensor
all_is_back "kill -9 of the sensor"
equal "entries of the kernel that were put again" 0 "$(status_of '.journal.restored.put_back - .http.only_here')"

# A reload: the file alone says what is set, the blocks stay.
kill -HUP "$PICKET_PID"
mode_is() { [ "$(pk mode --json 2>/dev/null | jq -r .mode)" = "$1" ]; }
wait_until 20 "a reload takes the mode of the file" mode_is enforce
picket_end TERM
picket_again
mode_is enforce || fail "after a reload an older word of the mode came back"
exits 0 pk mode approve
exits 0 pk proxies direct 203.0.113.9
all_is_back "a reload"
tell "kill -9 of the sensor, and a reload: the same"

# What is no journal is put aside, whole; what is damaged is read as far as it goes.
picket_end TERM
cp "$DIR/state/journal.db" "$DIR/whole.db"
printf 'not a database, but somebody wants it back' >"$DIR/state/journal.db"
rm -f "$DIR/state/journal.db-wal"
picket_again
aside=$(status_of .journal.put_aside)
equal "what was put aside" 'not a database, but somebody wants it back' "$(cat "$DIR/state/$aside")"
status_of '.hints[].text' | grep -q "$aside" || fail "status does not say where it is"
grep -q "put aside.*$aside" "$DIR/picket.log" || fail "the log does not say where it is"
served $C4 10 || fail "without a journal $C4 is still dropped"
exits 0 pk block 203.0.113.81 --ttl 30m
picket_end TERM
cp "$DIR/whole.db" "$DIR/state/journal.db"
rm -f "$DIR/state/journal.db-wal"
dd if=/dev/zero of="$DIR/state/journal.db" bs=4096 seek=1 count=1 conv=notrunc 2>/dev/null
picket_again
exits 0 pk block 203.0.113.85 --ttl 30m
picket_end TERM
picket_again
is_blocked 203.0.113.85 || fail "after damage nothing is kept any more"
picket_end TERM
cp "$DIR/whole.db" "$DIR/state/journal.db"
rm -f "$DIR/state/journal.db-wal"
tell "no database: put aside whole; a damaged one: $(grep -c 'journal of blocks is damaged\|journal of blocks was put aside' "$DIR/picket.log") warnings, picket goes on and keeps what is decided"
picket_down
