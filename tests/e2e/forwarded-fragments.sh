#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "a bridge reads requests that pass it in IP fragments, in any order, and its own server's only once"
need_python scapy.all
NS_G=pe2e-g-$$
PICKET_NS=$NS_G
in_g() { nsenter --net="/run/netns/$NS_G" "$@"; }

# client - bridge - server
ns_add "$NS_S"
ns_add "$NS_C"
ns_add "$NS_G"
link_up "$NS_C" eth0 "$NS_G" client0
link_up "$NS_S" eth0 "$NS_G" server0
ip -n "$NS_G" link add br0 type bridge
ip -n "$NS_G" link set client0 master br0
ip -n "$NS_G" link set server0 master br0
ip -n "$NS_G" link set br0 up
G4=10.77.0.254
ip -n "$NS_G" addr add $G4/24 dev br0
ip -n "$NS_C" addr add $C4/24 dev eth0
ip -n "$NS_S" addr add $S4/24 dev eth0
ip -n "$NS_S" addr add $S6/64 dev eth0 nodad
nginx_up
wait_until 5 "the server is reached through the bridge" in_c bash -c "exec 3<>/dev/tcp/$S4/$PORT"
picket_up "capture:
  packets: forwarded
  ports: [$PORT]"
events_start

# An address that no host has: the raw client speaks for it, and no kernel resets its connections.
F4=10.77.0.50 F6=fd77::50
mac=$(mac_of "$NS_C" eth0)
ip -n "$NS_S" neigh replace $F4 lladdr "$mac" dev eth0 nud permanent
ip -n "$NS_S" neigh replace $F6 lladdr "$mac" dev eth0 nud permanent
ip -n "$NS_G" neigh replace $F4 lladdr "$mac" dev br0 nud permanent
mac_of "$NS_S" eth0 >"$DIR/peer.mac"

raw() { # SOURCE TARGET PATH SIZE
	local source=$1 target=$2
	shift 2
	(cd "$DIR" && exec nsenter --net="/run/netns/$NS_C" "$PYTHON" "$E2E/fragments.py" "$source" "$target" $PORT "$@" 2>>"$DIR/gateway.err")
}
request_of() { # CLIENT PATH
	events_reach http.request 1 ".\"url.path\" == \"$2\" and .\"client.address\" == \"$1\" and .\"http.response.status_code\" == 200"
}

# 8 bytes a fragment: not even the ports and flags are in one piece (IPv6 forbids that).
for leg in "$F4 $S4 8" "$F4 $S4 24" "$F6 $S6 48"; do
	read -r client server size <<<"$leg"
	for order in forwards backwards; do
		path=/$order/$client/$size
		equal "the answer to $path" answered "$(FRAGMENTS_ORDER=$order raw "$client" "$server" "$path" "$size")"
		wait_until 10 "$path is seen with its answer" request_of "$client" "$path"
		equal "events of $path" 1 "$(settled 5 events_count http.request ".\"url.path\" == \"$path\"")"
	done
	tell "$client, $size bytes a fragment: read, with its answer, once"
done
status=$(pk status --json)
together=$(jq .capture.packets.put_together.segments <<<"$status")
[ "$together" -ge 6 ] || fail "segments put together: expected 6 or more, got $together"
equal "fragmented segments lost" 0 "$(jq .capture.packets.put_together.given_up <<<"$status")"
equal "gaps" 0 "$(jq .capture.gaps <<<"$status")"

# The bridge's own server: its socket tells, and its fragments are not read as well.
in_g nginx -e "$DIR/nginx.error" -p "$DIR/nginx" -c "$DIR/nginx.conf" 2>>"$DIR/nginx.stderr" &
own $!
wait_until 10 "the bridge's own nginx listens" in_g bash -c "exec 3<>/dev/tcp/127.0.0.1/$PORT"
mac_of "$NS_G" br0 >"$DIR/peer.mac"
equal "the answer of the bridge's own server" answered "$(raw $F4 $G4 /own 24)"
wait_until 10 "the bridge's own request is seen" request_of $F4 /own
equal "events of the bridge's own request" 1 "$(settled 5 events_count http.request '."url.path" == "/own"')"
equal "segments put together, none of them for it" "$together" "$(pk status --json | jq .capture.packets.put_together.segments)"
tell "own requests once"
picket_down
