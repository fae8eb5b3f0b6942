#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "a second start of the same daemon is refused and leaves the first one whole"
net_up
nginx_up
picket_up
served() { in_c curl -s -o /dev/null -m "${1:-0.7}" --interface $C4 "http://$S4:$PORT/"; }
exits 0 pk block $C4 --ttl 10m
cp "$DIR/kill.id" "$DIR/kill.before"
[ -s "$DIR/kill.before" ] || fail "no kill.id beside the control socket"

second() { # CONFIGURATION
	exits 1 in_s timeout 60 "$PICKET_BIN" run -c "$1"
	grep -q -i 'another picket' "$DIR/err" "$DIR/out" || fail "it does not say why: $(cat "$DIR/err" "$DIR/out")"
	same_file "kill.id" "$DIR/kill.before" "$DIR/kill.id"
	[ -S "$PICKET_CONTROL" ] || fail "the control socket is gone"
	alive "$PICKET_PID" || fail "the first daemon is gone"
	exits 0 pk status
	is_blocked $C4 || fail "the block is gone"
	if served; then fail "$C4 is served although it is blocked"; fi
	exits 0 pk panic
	served 10 || fail "panic does not reach the running daemon's kill switch"
	exits 0 pk resume
	if served; then fail "$C4 is served after resume"; fi
}
second "$DIR/picket.yaml"
tell "the same configuration: exit 1 and why; kill.id, socket, block and panic as before"
sed 's/^instance: .*/&-2/' "$DIR/picket.yaml" >"$DIR/second.yaml"
second "$DIR/second.yaml"
tell "another instance with the same control socket: the same"
picket_down
