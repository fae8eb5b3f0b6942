#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "a blocked client that fragments its packets gets nothing through"
need_python scapy.all
net_up
nginx_up
picket_up

# An address that no host has: the raw client speaks for it, and no kernel resets its connections.
F4=10.77.0.50 F6=fd77::50
mac=$(mac_of "$NS_C" eth0)
mac_of "$NS_S" eth0 >"$DIR/peer.mac"
ip -n "$NS_S" neigh replace $F4 lladdr "$mac" dev eth0 nud permanent
ip -n "$NS_S" neigh replace $F6 lladdr "$mac" dev eth0 nud permanent

raw() { # SOURCE TARGET PATH SIZE [HOLD]
	local source=$1 target=$2
	shift 2
	(cd "$DIR" && exec nsenter --net="/run/netns/$NS_C" "$PYTHON" "$E2E/fragments.py" "$source" "$target" $PORT "$@" 2>>"$DIR/gateway.err")
}

# 8 bytes a fragment: not even the ports and flags are in one piece (IPv6 forbids that). 24: the header is.
for leg in "$F4 $S4 8" "$F6 $S6 48"; do
	read -r client server small <<<"$leg"
	for size in "$small" 24; do
		equal "the client $client in fragments of $size bytes, not blocked" answered "$(raw "$client" "$server" "/before/$size" "$size")"
	done
	# One that is connected already when the block comes, and sends its fragments afterwards.
	for size in "$small" 24; do
		raw "$client" "$server" "/connected/$size" "$size" "$DIR/go.$client" >"$DIR/connected.$size" &
		own $!
		connected=$!
		wait_until 10 "the client is connected" test -e "$DIR/go.$client.ready"
		exits 0 pk block "$client" --ttl 5m
		: >"$DIR/go.$client"
		wait_until 30 "the connected client gives up" gone $connected
		equal "a connected client's request in fragments of $size bytes" handshake "$(cat "$DIR/connected.$size")"
		rm -f "$DIR/go.$client" "$DIR/go.$client.ready"
		exits 0 pk unblock "$client"
	done
	exits 0 pk block "$client" --ttl 5m
	before=$(logged)
	for size in "$small" 24; do
		equal "its handshake while it is blocked" nothing "$(raw "$client" "$server" "/blocked/$size" "$size")"
	done
	equal "requests of the blocked client that reached nginx" "$before" "$(logged)"
	equal "requests sent while connected that reached nginx" 0 "$(grep -c /connected/ "$DIR/access.log" || true)"
	exits 0 pk unblock "$client"
	equal "the client $client after unblock" answered "$(raw "$client" "$server" /after 24)"
	tell "$client: 0 requests arrive while it is blocked"
done
picket_down
