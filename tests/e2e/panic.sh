#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "picket panic stops all dropping at once, also with every process of picket stopped, and resume starts it again"
net_up
nginx_up
picket_up
served() { in_c curl -s -o /dev/null -m "${1:-1}" --interface $C4 "http://$S4:$PORT/"; }

exits 0 pk block $C4 --ttl 10m
served && fail "served although blocked"
exits 0 pk panic
served 10 || fail "still dropped after panic"
equal "blocks, still listed" 1 "$(blocked_count)"
pk status >"$DIR/status" || true
grep -q -i 'kill switch\|panic' "$DIR/status" || fail "status does not say that panic is on"
exits 4 pk block $D4 --ttl 1m
exits 0 pk resume
served && fail "served after resume although blocked"
tell "panic lets all pass and says so; resume drops again"

# Every process hangs: the switch is a map, not a request.
sensor=$(sensor_pid)
kill -STOP "$sensor" "$PICKET_PID"
exits 0 pk panic
served 10 || fail "still dropped after panic with stopped processes"
exits 0 pk resume
served && fail "served after resume"
kill -CONT "$PICKET_PID" "$sensor"
tell "with both processes stopped as well"
picket_down
