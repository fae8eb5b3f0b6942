#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "picket stands still: traffic passes, and within ten seconds the service manager and status know"
need pgrep
net_up
nginx_up
"$PYTHON" "$E2E/notify.py" "$DIR/notify.sock" "$DIR/notify" 2>>"$DIR/left" &
own $!
wait_until 10 "the service manager's socket" test -S "$DIR/notify.sock"
export NOTIFY_SOCKET=$DIR/notify.sock WATCHDOG_USEC=10000000
picket_up
unset NOTIFY_SOCKET WATCHDOG_USEC
beats() { grep -c '^WATCHDOG=1' "$DIR/notify" || true; }
beats_reach() { [ "$(beats)" -ge "$1" ]; }
wait_until 10 "the watchdog is fed each second" beats_reach 3
served() { in_c curl -s -f -o /dev/null -m 5 --interface $D4 "http://$S4:$PORT/hello"; }
red() { # WHAT: status fails within ten seconds, as unreachable
	local begin status=0
	begin=$(date +%s%N)
	pk status >"$DIR/out" 2>&1 || status=$?
	equal "exit status of picket status, $1 stopped" 5 "$status"
	at_most "milliseconds until it said so" 10000 $((($(date +%s%N) - begin) / 1000000))
}

exits 0 pk block $C4 --ttl 10m
kill -STOP "$PICKET_PID" "$(sensor_pid)"
before=$(settled 5 beats) # one may have been on its way
red "both processes"
served || fail "another client is not served"
in_c curl -s -o /dev/null -m 1 --interface $C4 "http://$S4:$PORT/" && fail "a blocked client is served"
equal "beats of a warden that stands still" "$before" "$(beats)"
kill -CONT "$PICKET_PID" "$(sensor_pid)"
wait_until 15 "it goes on" beats_reach $((before + 2))
wait_until 15 "picket answers again" picket_ready
tell "both stopped: traffic passes, the block holds, the watchdog starves, status exits 5"

stopped=$(sensor_pid)
kill -STOP "$stopped"
red "the sensor"
served || fail "another client is not served"
wait_until 30 "the warden ends the sensor that does not answer" gone "$stopped"
wait_until 30 "another one answers" picket_ready
is_blocked $C4 || fail "the block is lost"
tell "the sensor stopped: it is replaced, and the block holds"
picket_down
