#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "a block ends by itself when its time is over, also with no process alive to end it, and an unconfirmed one reverts"
need pgrep
net_up
nginx_up
picket_up
served() { in_c curl -s -o /dev/null -m "${2:-0.5}" --interface "$1" "http://$S4:$PORT/"; }

exits 0 pk block $C4 --ttl 5s
served $C4 && fail "served although blocked"
wait_until 10 "the block ends by itself" served $C4 3
wait_until 10 "picket blocks no longer lists it" bash -c "! \"$PICKET_BIN\" blocks --json | grep -q '\"$C4\"'"
tell "after 5 s it is served again"

exits 0 pk block $C4 --ttl 5s
kill -STOP "$(sensor_pid)" "$PICKET_PID"
served $C4 && fail "served although blocked"
wait_until 10 "the kernel ends the block by itself" served $C4 3
kill -CONT "$PICKET_PID" "$(sensor_pid)"
tell "also while both processes are stopped: the kernel keeps the time"

exits 0 pk block $C4 --ttl 10m --confirm-within 5s
served $C4 && fail "served although blocked"
wait_until 15 "the unconfirmed block reverts" served $C4 3
tell "--confirm-within 5s: reverted, nobody confirmed"

# The longest decision wins: a shorter one does not shorten it.
exits 0 pk block $D4 --ttl 10m
pk block $D4 --ttl 1s >"$DIR/out" 2>&1 || true
left() { pk blocks --json | jq -r --arg t $D4 'select(.target == $t).ttl_s'; }
at_least "seconds left of the longer block" 500 "$(left)"
tell "a shorter decision does not shorten a longer one"
picket_down
