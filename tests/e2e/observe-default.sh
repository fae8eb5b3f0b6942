#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "without a word from the operator picket only observes: what it would block is told, and nobody is dropped"
net_up
nginx_up
picket_up
equal "picket mode" observe "$(pk mode --json | jq -r .mode)"
events_start
attack $C4 $S4:$PORT 60 || fail "a client was dropped in mode observe"
wait_until 10 "a would_block decision" events_reach picket.decision 1 '."picket.decision.outcome" == "would_block"'
equal "blocks" 0 "$(blocked_count)"
equal "packets dropped" 0 "$(status_of .kernel.packets_dropped)"
in_c curl -s -o /dev/null -m 10 "http://$S4:$PORT/" || fail "the client is not served"
tell "told as would_block, 0 packets dropped"
# The switch is one command.
exits 0 pk mode enforce
equal "picket mode" enforce "$(pk mode --json | jq -r .mode)"
# The same client goes on: that a detection fired for it a moment ago must not shield it now.
attack $C4 $S4:$PORT 300 && fail "300 guesses in mode enforce, and still served"
wait_until 10 "the block in mode enforce" is_blocked $C4
tell "blocked after: picket mode enforce"
picket_down
