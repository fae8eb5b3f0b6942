#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "the built-in analysis sees login guessing, the kernel drops the guesser, and another client meets no error"
net_up
nginx_up
picket_up "mode: enforce"
events_start
good_up $D4 $S4 $PORT

attack $C4 $S4:$PORT 300 && fail "300 guesses and the attacker is still served"
wait_until 10 "a decision" events_reach picket.decision 1 '."picket.decision.outcome" == "blocked"'
wait_until 10 "picket blocks lists $C4" is_blocked $C4
equal "blocks" 1 "$(blocked_count)"
D=$(events_of picket.decision | jq -c 'select(."picket.decision.outcome" == "blocked")' | head -n 1)
equal "target of the decision" $C4 "$(jq -r '."picket.decision.target"' <<<"$D")"
equal "source of the decision" local "$(jq -r '."picket.decision.source"' <<<"$D")"
# The evidence is a request of the attacker that was seen.
E=$(jq -r '."picket.decision.evidence"[0]' <<<"$D")
# A request's event waits for its answer.
wait_until 10 "the request that decided" events_reach http.request 1 ".\"picket.event.id\" == \"$E\""
equal "peer of the request that decided" $C4 "$(events_of http.request | jq -r --arg e "$E" 'select(."picket.event.id" == $e)."network.peer.address"')"
in_c curl -s -o /dev/null -m 1 --interface $C4 "http://$S4:$PORT/" && fail "the attacker is still served"
good_unharmed
tell "blocked $(jq -r '."picket.decision.request_to_installed_us"' <<<"$D") µs after the deciding request; the good client: $(good_count) requests, 0 errors"

pk why $C4 >"$DIR/why" || fail "picket why failed"
grep -q "picket unblock $C4" "$DIR/why" || fail "picket why does not say how to undo it: $(cat "$DIR/why")"
tell "picket why says how to undo it"
picket_down
