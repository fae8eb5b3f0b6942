#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
# spool-kill.sh [TIMES [RATE]]
. "$(dirname "$0")/lib.sh"
times=${1:-20} rate=${2:-2000}
story "kill -9 at $times random moments, at $rate events/s and a gateway that fails: nothing that was in the spool is lost, and what may be missing is told"
need pgrep
RANDOM=${SEED:-$$}
net_up
nginx_up
: >"$DIR/waited"
nsenter --net="/run/netns/$NS_S" "$PYTHON" "$E2E/spool.py" gateway $GATEWAY_PORT "$DIR/batches" 2>>"$DIR/gateway.err" &
own $!
wait_until 10 "the gateway listens" in_s bash -c "exec 3<>/dev/tcp/127.0.0.1/$GATEWAY_PORT"
picket_up "gateways:
  - name: test
    protocol: batch
    url: http://127.0.0.1:$GATEWAY_PORT/events
    verdicts: false"
nsenter --net="/run/netns/$NS_C" "$PYTHON" "$E2E/spool.py" load $S4 $PORT "$rate" "$DIR/load" 2>>"$DIR/load.err" &
load=$!
own $load

new_sensor() { # OLD
	local now
	now=$(sensor_pid)
	[ -n "$now" ] && [ "$now" != "$1" ] && "$PICKET_BIN" status >/dev/null
}
waits() { "$PYTHON" "$E2E/spool.py" waits "$DIR/state/spool/test" >>"$DIR/waited"; }

for i in $(seq "$times"); do
	sleep "0.$((RANDOM % 700 + 100))"
	sensor=$(sensor_pid)
	if [ $((i % 2)) = 0 ]; then
		kill -KILL "$PICKET_PID"
		wait_until 15 "both are gone (kill $i)" gone "$sensor"
		waits
		picket_again
	else
		# Stopped first, so that the spool can be looked at as it was: the warden has another at once.
		kill -STOP "$sensor"
		waits
		# Where looking took long, the warden has ended it already: it does not beat.
		kill -KILL "$sensor" 2>/dev/null || gone "$sensor"
		wait_until 30 "the warden starts the sensor again (kill $i)" new_sensor "$sensor"
	fi
done
alive $load || fail "the load ended: $(cat "$DIR/load.err")"
kill $load
wait_until 5 "the load ends" gone $load

drained() { [ "$(status_of '.gateways[0].events_held')" = 0 ] && [ "$(status_of '.accounting.balanced')" = true ]; }
wait_until 60 "all of it is delivered" drained
"$PYTHON" "$E2E/spool.py" account "$DIR/load" "$DIR/waited" "$DIR/batches" >"$DIR/account" || fail "the account: $(cat "$DIR/account")"
at_least "events that waited in the spool at a kill" "$((times * 10))" "$(jq .waited_in_spool "$DIR/account")"
# Each missing request lies in one (the account). Of two kills so close that the first gap was not safe yet, one gap tells both.
at_least "gaps that were told" $((times * 9 / 10)) "$(jq .gaps "$DIR/account")"
at_least "batches that were sent again" 1 "$(jq .sent_again "$DIR/account")"
tell "$times kills: $(cat "$DIR/account")"
equal "damage found by the last process" 0 "$(pk gateway list --json | jq .spool.damaged_places)"
picket_down
