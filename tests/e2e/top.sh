#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "top shows who asks for what, obeys its keys, and leaves the terminal as it was"
need infocmp
infocmp xterm >/dev/null 2>&1 || skip "there is no terminfo of xterm"
"$PYTHON" -c 'import pty; pty.openpty()' 2>/dev/null || skip "there are no pseudo terminals here"
net_up
nginx_up
picket_up
on_terminal() { # STEP...
	timeout 120 "$PYTHON" "$E2E/top.py" "$PICKET_BIN" "$@" >"$DIR/out" 2>&1 || {
		cat "$DIR/out"
		fail "picket top on a terminal: $*"
	}
}

good_up $C4 $S4 $PORT
knows_route() { pk routes | grep -q /steady/; }
wait_until 10 "the route is known" knows_route
route=$(pk routes --json | jq -r 'select(.route | startswith("/steady/")) | .route')

exits 0 pk top -1
grep -q "$C4.*GET /steady/" "$DIR/out" || fail "the frame does not show the source: $(cat "$DIR/out")"
grep -qF "GET     $route" "$DIR/out" || fail "the frame does not show the route: $(cat "$DIR/out")"
exits 0 pk top
grep -q "^picket .*mode observe" "$DIR/out" || fail "without a terminal there is no frame"
exits 0 pk top --json
jq -e --arg a $C4 '.sources[] | select(.address == $a) | .requests > 0 and .requests_per_second > 0' "$DIR/out" >/dev/null ||
	fail "the object does not show the source: $(cat "$DIR/out")"
tell "one look, as text and as an object: the source, its requests, and the route"

on_terminal see "$C4" see "$route" press q end 0
on_terminal see "$C4" size 10 40 see "$C4" size 30 120 see "$route" press pppqq end 0
tell "on a terminal, in any size, until q"
on_terminal see "$C4" press w see "$C4 is not blocked" press '\r' see "$route" press q end 0
tell "w tells why, and goes back"
on_terminal see "$C4" press b see "Block $C4" press n press w see "$C4 is not blocked" press '\r' see "$route" press q end 0
equal "blocks after a no" "" "$(pk blocks --json)"
on_terminal see "$C4" press b see "Block $C4" press y see "$C4 is blocked" press '\r' see "$C4       blocked" see "blocked 1  pending 0" press q end 0
equal "blocks after a yes" $C4 "$(pk blocks --json | jq -r .target)"
pk unblock $C4 >/dev/null
tell "b blocks the source that is selected, once it is confirmed"

on_terminal see "$C4" signal SIGTERM end 0
on_terminal see "$C4" press "$(printf '\003')" end 0
on_terminal see "$C4" signal SIGABRT end -6
tell "the terminal is as before, also after signals"

picket_down
exits 5 pk top
grep -q "the daemon does not answer" "$DIR/err" || fail "it does not say that there is no daemon"
on_terminal see "the daemon does not answer" end 5
tell "without a daemon it says so, and its status is 5"
