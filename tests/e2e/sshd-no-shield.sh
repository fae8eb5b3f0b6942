#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "who is blocked cannot lift it by opening a connection to sshd"
net_up
nginx_up
nsenter --net="/run/netns/$NS_S" "$PYTHON" "$E2E/sshd.py" listen 22 "$DIR/sshd" 2>>"$DIR/sshd.err" &
own $!
wait_until 10 "sshd listens" test -s "$DIR/sshd"
picket_up
served() { in_c curl -s -o /dev/null -m "${1:-0.7}" --interface $C4 "http://$S4:$PORT/from-the-blocked"; }
dropped_still() { # WHEN
	local before
	before=$(logged)
	if served; then fail "$1: $C4 is served although it is blocked"; fi
	equal "$1: requests that reached nginx" "$before" "$(logged)"
	exits 0 pk why $C4
	grep -q "$C4 is blocked" "$DIR/out" || fail "$1: why does not say so: $(cat "$DIR/out")"
	is_blocked $C4 || fail "$1: $C4 is not listed"
}

served 10 || fail "$C4 is not served before the block"
exits 0 pk block $C4 --ttl 10m
dropped_still "before it connects"

# sshd's port is not watched, so the block does not keep it from there; nobody logs in.
nsenter --net="/run/netns/$NS_C" "$PYTHON" "$E2E/sshd.py" connect $S4 22 $C4 "$DIR/connected" 2>>"$DIR/sshd.err" &
client=$!
own $client
wait_until 10 "the blocked client is connected to sshd" test -s "$DIR/connected"
# The warden looks at sshd's peers anew at each decision: a new block of it would be refused now, so it has seen them.
exits 4 pk block $C4 --ttl 20m
grep -q "login session" "$DIR/err" || fail "the refusal does not name the login session: $(cat "$DIR/err")"
dropped_still "connected to sshd"
exits 0 pk block 198.51.100.9 --ttl 10m
dropped_still "connected to sshd, after another decision"
tell "connected to port 22, its requests to the API stay dropped, and why says blocked"

kill $client
dropped_still "after it hung up"
exits 0 pk unblock $C4
served 10 || fail "$C4 is not served after unblock"
tell "only unblock lets it in again"
picket_down
