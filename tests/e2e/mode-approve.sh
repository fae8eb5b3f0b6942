#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "in mode approve a verdict waits for a person: approve blocks, reject does not"
net_up
nginx_up
picket_up "mode: approve"
pending() { pk pending --json | jq -s 'length'; }
pending_is() { [ "$(pending)" = "$1" ]; }
pending_of() { pk pending --json | jq -r --arg t "$1" 'select(.target == $t).pending_id' | head -n 1; }

attack $C4 $S4:$PORT 60 || fail "a client was dropped before anybody approved"
wait_until 10 "a pending item" pending_is 1
attack $D4 $S4:$PORT 60 || fail "a client was dropped before anybody approved"
wait_until 10 "two pending items" pending_is 2
equal "blocks" 0 "$(blocked_count)"

exits 0 pk approve "$(pending_of $C4)"
is_blocked $C4 || fail "not blocked after approve"
in_c curl -s -o /dev/null -m 1 --interface $C4 "http://$S4:$PORT/" && fail "served although approved for blocking"
exits 0 pk reject "$(pending_of $D4)"
equal "pending items" 0 "$(pending)"
in_c curl -s -o /dev/null -m 10 --interface $D4 "http://$S4:$PORT/" || fail "the rejected item's client is not served"
exits 1 pk approve 999999
tell "approved: dropped; rejected: served; an unknown number: exit 1"
picket_down
