#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "a reload is announced and its end too, and what block answered meanwhile is true"
times=5
net_up
nginx_up
"$PYTHON" "$E2E/notify.py" "$DIR/notify.sock" "$DIR/notify" 2>>"$DIR/left" &
own $!
wait_until 10 "the service manager's socket" test -S "$DIR/notify.sock"
export NOTIFY_SOCKET=$DIR/notify.sock
picket_up
unset NOTIFY_SOCKET
told() { grep -c "^$1" "$DIR/notify" || true; }
told_is() { [ "$(told "$1")" = "$2" ]; }
wait_until 10 "READY=1 at the start" told_is READY=1 1

hammer() { # NUMBER
	local i=0 target
	while [ ! -e "$DIR/enough" ]; do
		i=$((i + 1))
		target=198.18.$(($1 * 64 + i / 250)).$((i % 250 + 1))
		if pk block $target --ttl 10m >/dev/null 2>>"$DIR/hammer.err"; then
			echo $target >>"$DIR/yes"
		else
			echo "$? $target" >>"$DIR/no"
		fi
	done
	echo "$1" >>"$DIR/hammered"
}
hammered() { [ "$(wc -l <"$DIR/hammered")" = 3 ]; }
: >"$DIR/yes"
: >"$DIR/no"
: >"$DIR/hammered"
# Three at a time, so that there always is one whose answer is on its way.
for i in 1 2 3; do
	hammer "$i" &
	own $!
done
grown() { [ "$(wc -l <"$DIR/yes")" -ge "$1" ]; }
wait_until 20 "the first blocks" grown 10
for i in $(seq $times); do
	before=$(wc -l <"$DIR/yes")
	kill -HUP "$PICKET_PID"
	wait_until 20 "READY=1 after reload $i" told_is READY=1 $((i + 1))
	equal "RELOADING=1 by then" "$i" "$(told RELOADING=1)"
	# Ready means: answers. What is refused in between is for the other end to try again.
	wait_until 20 "blocks after reload $i" grown $((before + 15))
done
: >"$DIR/enough"
wait_until 20 "the last blocks are answered" hammered
equal "what was told, in order" "READY RELOADING READY RELOADING READY RELOADING READY RELOADING READY RELOADING READY" \
	"$(grep -v -E '^(WATCHDOG|STATUS)' "$DIR/notify" | sed 's/=.*//' | paste -s -d ' ')"
grep '^RELOADING=1' "$DIR/notify" | grep -v -q 'MONOTONIC_USEC=[0-9]' && fail "RELOADING=1 without MONOTONIC_USEC"
tell "$times times: RELOADING=1 with its time, then READY=1"

odd=$(grep -v -E '^[45] ' "$DIR/no" || true)
[ -z "$odd" ] || fail "a block failed in another way than refused or not reachable: $(head -n 3 <<<"$odd")"
sort "$DIR/yes" >"$DIR/said"
pk blocks --json | jq -r .target | sort >"$DIR/listed"
same_file "blocks that were confirmed, and the list" "$DIR/said" "$DIR/listed"
even() { status_of .blocks | jq -e --argjson n "$(wc -l <"$DIR/said")" \
	'.desired == $n and .installed == $n and .missing == 0 and .extra == 0'; }
wait_until 10 "the kernel holds what the list says" even
tell "$(wc -l <"$DIR/said") blocks were confirmed and are there, $(wc -l <"$DIR/no") were not and are not"
picket_down
wait_until 5 "STOPPING=1 at the end" told_is STOPPING=1 1
