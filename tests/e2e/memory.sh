#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
# An operator upgrades in the middle of an attack: both processes are killed, and the guard protects as it did before.
. "$(dirname "$0")/lib.sh"
story "behind a kill -9 the guard knows regulars, repeaters, the forecast and what was rejected"
net_up
# shellcheck disable=SC2016 # nginx expands it
nginx_up 'location /v1/orders { if ($http_authorization !~ "^Bearer good-[0-9]$") { return 401; } return 200 "orders\n"; }
				location = /api/login { return 401; }'
gateway_up
configuration() { # MODE
	printf '%s' "mode: $1
guard: {good_requests: 4, good_span: 1s, blast_radius: 0.5, shared_from: 0, escalation: 4, repeat_within: 1h}
gateways:
  - name: local
    protocol: local
    mode: observe
  - name: test
    protocol: batch
    url: http://127.0.0.1:$GATEWAY_PORT/events
    unsigned_verdicts: true
    corroborate: false"
}
picket_up "$(configuration enforce)"
memory() { status_of ".memory$1"; }
is_after() { [[ "$(memory .as_of)" > "$1" ]]; }
kept() { # waits until what is known now is on the disk
	local now
	now=$(date -u +%Y-%m-%dT%H:%M:%S.%NZ)
	wait_until 15 "what is known of clients is written" is_after "$now"
}
killed() { # and there again
	local sensor
	sensor=$(sensor_pid)
	kill -KILL "$PICKET_PID" "$sensor"
	wait_until 15 "both are gone" gone "$PICKET_PID"
	wait_until 15 "both are gone" gone "$sensor"
	picket_start
	wait_until 30 "picket is ready again" picket_ready
}
orders() { # SOURCE TOKEN...
	local source=$1 token
	shift
	for token; do
		in_c curl -s -o /dev/null -m 5 --interface "$source" -H "Authorization: Bearer $token" "http://$S4:$PORT/v1/orders" || true
	done
}
answers=0
# The gateway is asked by requests of $C4, which the guard never stops here.
says() { # ID TARGET TTL_S
	answers=$((answers + 1))
	printf '200\napplication/json\n{"verdicts":[{"id":"%s","action":"block","target":{"scope":"ip","value":"%s"},"ttl_s":%s,"confidence":1,"reason":"said","evidence":[]}]}' \
		"$1" "$2" "$3" >"$DIR/answers/$answers.tmp"
	mv "$DIR/answers/$answers.tmp" "$DIR/answers/$answers.answer"
}
decided() { # ID TARGET OUTCOME WHY: the gateway's verdict was judged so; asks the server, so that there is a batch to answer
	orders $C4 good-1
	(pk why "$2" --json || true) | jq -e --arg id "$1" --arg o "$3" --arg w "$4" \
		'any(.decisions[]?; ."picket.decision.id" == $id and ."picket.decision.outcome" == $o and ."picket.decision.why" == $w)' >/dev/null
}
# What the spool kept of before goes out first, and may bring the answer: then the guard must know already that $C4 is no forged address.
known_again() {
	orders $C4 good-1
	[ "$(pk why $C4 --json | jq .handshake)" = true ]
}
detail() { (pk why "$2" --json || true) | jq -r --arg id "$1" 'first(.decisions[] | select(."picket.decision.id" == $id and ."picket.decision.outcome" == "blocked"))."picket.decision.detail"'; }

# Two regulars behind $C4; $D4 comes back after a block, and is blocked for longer; $C6 would be blocked.
for _ in $(seq 12); do
	orders $C4 good-1 good-2
	sleep 0.4
done
regulars_are() { [ "$(pk why $C4 --json | jq -r .regulars.here)" = "$1" ]; }
wait_until 10 "two regulars behind $C4" regulars_are 2
comes_back() { in_c curl -s -o /dev/null -m 5 --interface $D4 "http://$S4:$PORT/" || fail "$D4 is not served"; } # a handshake
comes_back
says first $D4 2
wait_until 20 "the repeater's first block" decided first $D4 blocked ok
not_blocked() { ! is_blocked "$1"; }
wait_until 10 "its end" not_blocked $D4
attack $C6 "[$S6]:$PORT" 60 -g || true
would_be() { [ "$(pk forecast --json | jq -r --arg t $C6 'any(.forecast[]; .target == $t)')" = true ]; }
wait_until 10 "$C6 would be blocked" would_be
since=$(pk forecast --json | jq -r .since)
kept
killed
regulars_are 2 || fail "behind a restart $(pk why $C4 --json | jq -c .regulars) are known of 2 regulars"
would_be || fail "the forecast forgot $C6"
equal "since when the forecast is" "${since%.*}" "$(pk forecast --json | jq -r .since | sed 's/\..*//')"
wait_until 10 "a handshake of $C4 is seen" known_again
says wrong $C4 600
wait_until 20 "the guard asks before it blocks two regulars" decided wrong $C4 pending blast_radius
is_blocked $C4 && fail "an address with all regulars was blocked behind a restart"
tell "behind kill -9: $(memory .restored.regulars) regulars, who are asked about and not blocked; the forecast is since $since"

comes_back
says second $D4 2
wait_until 20 "the repeater's second block" decided second $D4 blocked ok
equal "what is said of it" "blocked 1 times before: for 8s instead of 2s" "$(detail second $D4)"
wait_until 20 "its end" not_blocked $D4

# A person says no; the same is not asked again, in this life nor in the next.
id=$(pk pending --json | jq -r --arg t $C4 'select(.target == $t).pending_id')
exits 0 pk reject "$id"
says again $C4 900
wait_until 20 "the same is not asked again" decided again $C4 refused rejected
kept
killed
wait_until 10 "a handshake of $C4 is seen" known_again
says later $C4 600
wait_until 20 "nor behind a restart" decided later $C4 refused rejected
equal "questions" 0 "$(pk pending --json | jq -s length)"
comes_back
says third $D4 2
wait_until 20 "the repeater's third block" decided third $D4 blocked ok
equal "what is said of it" "blocked 2 times before: for 32s instead of 2s" "$(detail third $D4)"
tell "a repeater goes on from 2 s over 8 s to 32 s; what was rejected is not asked again"

# What is no memory is put aside, and picket goes on.
sensor=$(sensor_pid)
kill -TERM "$PICKET_PID"
wait_until 15 "both are gone" gone "$PICKET_PID"
wait_until 15 "both are gone" gone "$sensor"
printf 'not a database' >"$DIR/state/memory.db"
rm -f "$DIR/state/memory.db-wal"
picket_start
wait_until 30 "picket is ready again" picket_ready
equal "what was put aside" 'not a database' "$(cat "$DIR/state/$(memory .put_aside)")"
equal "state" on "$(memory .state)"
regulars_are 0 || fail "regulars came out of nothing"
tell "a file that is none: put aside, said, and picket goes on"
picket_down
