#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "sshd on another port: its clients are never blocked and its port is never watched, also after a reload"
net_up
E4=10.77.0.4
ip -n "$NS_C" addr add $E4/24 dev eth0
nginx_up

sshd_up() { # PORT
	nsenter --net="/run/netns/$NS_S" "$PYTHON" "$E2E/sshd.py" listen "$1" "$DIR/sshd.$1" 2>>"$DIR/sshd.err" &
	own $!
	wait_until 10 "sshd listens on $1" test -s "$DIR/sshd.$1"
}
connect() { # SOURCE PORT
	nsenter --net="/run/netns/$NS_C" "$PYTHON" "$E2E/sshd.py" connect $S4 "$2" "$1" "$DIR/connected.$1" 2>>"$DIR/sshd.err" &
	CLIENT_PID=$!
	own $CLIENT_PID
	wait_until 10 "$1 is connected to port $2" test -s "$DIR/connected.$1"
}
refused() { # SOURCE WHEN
	exits 4 pk block "$1" --ttl 5m
	grep -q "login session" "$DIR/err" || fail "$2: the refusal does not name the login session: $(cat "$DIR/err")"
	if is_blocked "$1"; then fail "$2: $1 is blocked although the answer was no"; fi
	in_c curl -s -o /dev/null -m 10 --interface "$1" "http://$S4:$PORT/" || fail "$2: $1 is not served"
}
not_watched() { # PORT WHEN
	status_of '.capture.watched_ports | tojson' >"$DIR/watched"
	jq -e --argjson p $PORT 'index($p)' "$DIR/watched" >/dev/null || fail "$2: not even $PORT is watched: $(cat "$DIR/watched")"
	if jq -e --argjson p "$1" 'index($p)' "$DIR/watched" >/dev/null; then fail "$2: sshd's port $1 is watched"; fi
}
reloads() { grep -c 'configuration reloaded' "$DIR/picket.log" || true; }
reloaded() { [ "$(reloads)" -gt "$1" ] && picket_ready; }
reload() {
	local before
	before=$(reloads)
	kill -HUP "$PICKET_PID"
	wait_until 20 "the reload" reloaded "$before"
}

sshd_up 2222
connect $C4 2222
first_client=$CLIENT_PID
picket_up
refused $C4 "sshd was there first"
not_watched 2222 "sshd was there first"
exits 0 pk block $D4 --ttl 5m
exits 0 pk unblock $D4
tell "sshd on 2222, there before picket: its client is refused by name, somebody else is not"

sshd_up 2223
connect $D4 2223
refused $D4 "sshd came after picket"
not_watched 2223 "sshd came after picket"
tell "sshd on 2223, started after picket: the same"

# A third one that nobody asked about before the reload.
sshd_up 2224
reload
connect $E4 2224
for at in "$C4 2222" "$D4 2223" "$E4 2224"; do
	# shellcheck disable=SC2086
	set -- $at
	refused "$1" "after the reload"
	not_watched "$2" "after the reload"
done
tell "the same after SIGHUP, also of an sshd that came a moment before it"

# It is the open connection that protects, and nothing else.
kill "$first_client"
blocks_now() { pk block $C4 --ttl 5m; }
wait_until 15 "$C4 may be blocked once its connection is closed" blocks_now
refused $D4 "while the other is blocked"
tell "who closed its connection may be blocked"
picket_down
