#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "inside of tunnels clients are seen and blocked by their own address, on a gateway and on the tunnel's end"
NS_G=pe2e-g-$$
in_g() { nsenter --net="/run/netns/$NS_G" "$@"; }
T4=10.78.0.2 # the tunnels' far end: the clients' side

# client - gateway - server; each tunnel goes from the client's host to the server's, through the gateway.
ns_add "$NS_S"
ns_add "$NS_C"
ns_add "$NS_G"
link_up "$NS_C" eth0 "$NS_G" client0
link_up "$NS_S" eth0 "$NS_G" server0
ip -n "$NS_C" addr add $T4/24 dev eth0
ip -n "$NS_G" addr add 10.78.0.1/24 dev client0
ip -n "$NS_G" addr add 10.77.0.254/24 dev server0
ip -n "$NS_S" addr add $S4/24 dev eth0
ip -n "$NS_C" route add default via 10.78.0.1
ip -n "$NS_S" route add default via 10.77.0.254
in_g sysctl -qw net.ipv4.ip_forward=1

# A device of the kernel's where it has that kind; else one that a program of ours serves, with the same packets outside.
tunnel_end() { # KIND NAMESPACE LOCAL REMOTE
	local more=(local "$3" remote "$4")
	[ "$1" = vxlan ] && more+=(id 77 dstport 4789)
	[ "$1" = gre ] && more+=(key 77)
	if [ "$(cat "$DIR/by.$1" 2>/dev/null)" != program ] &&
		ip -n "$2" link add "t-$1" type "$1" "${more[@]}" 2>"$DIR/left"; then
		echo kernel >"$DIR/by.$1"
		return 0
	fi
	[ "$1" != vxlan ] && [ -e /dev/net/tun ] || return 1
	nsenter --net="/run/netns/$2" "$PYTHON" "$E2E/tunnel.py" "$1" "$3" "$4" "t-$1" >"$DIR/$1.$2" 2>>"$DIR/gateway.err" &
	own $!
	wait_until 10 "the program at the end of $1" grep -q ready "$DIR/$1.$2"
	echo program >"$DIR/by.$1"
}
tunnel_address() { # KIND NAMESPACE N...
	local n
	for n in "${@:3}"; do
		ip -n "$2" addr add "10.9${net[$1]}.0.$n/24" dev "t-$1"
		ip -n "$2" addr add "fd99:${net[$1]}::$n/64" dev "t-$1" nodad 2>/dev/null || true # the kernel's ipip carries none
	done
	ip -n "$2" link set "t-$1" mtu 1300 up
}

declare -A net=([ipip]=1 [gre]=2 [vxlan]=3)
kinds=()
for kind in ipip gre vxlan; do
	if tunnel_end $kind "$NS_S" $S4 $T4 && tunnel_end $kind "$NS_C" $T4 $S4; then
		kinds+=("$kind")
		tunnel_address $kind "$NS_S" 1
		tunnel_address $kind "$NS_C" 2 3
	else
		say "  not tried: $kind: $(cat "$DIR/left")"
	fi
done
[ ${#kinds[@]} -gt 0 ] || skip "no kind of tunnel can be made here"

nginx_up
a4() { echo "10.9${net[$1]}.0.$2"; }
a6() { echo "fd99:${net[$1]}::$2"; }
get() { # SERVER CLIENT PATH [SECONDS]
	in_c curl -g -s -o /dev/null -m "${4:-5}" --interface "$2" "http://$1:$PORT/$3"
}
sixes() { [ "$1" != ipip ] || [ "$(cat "$DIR/by.ipip")" = program ]; }
for kind in "${kinds[@]}"; do
	wait_until 10 "the server is reached through $kind" get "$(a4 "$kind" 1)" "$(a4 "$kind" 2)" up
	! sixes "$kind" || wait_until 10 "the server is reached through $kind, IPv6" get "[$(a6 "$kind" 1)]" "$(a6 "$kind" 2)" up
done

gets_nothing() { # SERVER CLIENT
	local before
	before=$(logged)
	get "$1" "$2" nothing 1 && fail "$2 got an answer although it is blocked"
	equal "requests of $2 that reached nginx" "$before" "$(logged)"
}
# The first client is stopped, the second and the tunnel's own end are not.
block_one() { # KIND SERVER FIRST SECOND
	get "$2" "$3" before || fail "$3 gets no answer before the block"
	exits 0 pk block "$3" --ttl 5m --reason "story"
	gets_nothing "$2" "$3"
	get "$2" "$4" other || fail "$4 is not blocked and gets no answer ($1)"
	get $S4 $T4 outside || fail "the tunnel's end is not blocked and gets no answer ($1)"
	wait_until 10 "picket blocks shows what $3 lost" hits "$3"
	exits 0 pk unblock "$3"
	get "$2" "$3" after || fail "$3 gets no answer after unblock"
}
hits() { pk blocks --json | jq -se --arg t "$1" 'map(select(.target == $t and (.packets // .dropped.packets // 0) > 0)) | length == 1'; }
header_seen() { # CLIENT
	pk events --json --name tcp.header | jq -se --arg a "$1" --argjson p $PORT \
		'map(select(."network.peer.address" == $a and ."tcp.header.destination_port" == $p and ."tcp.header.flags" == 2)) | length > 0'
}

# --- on the gateway, which no tunnel ends at -----------------------------------------------------------------------

PICKET_NS=$NS_G
picket_up "mode: enforce
capture:
  packets: forwarded
  decapsulate: [$(IFS=,; echo "${kinds[*]}")]
  tunnel_peers: [$S4, $T4]
  ports: [$PORT]"
events_start
if command -v tcpdump >/dev/null; then
	in_g tcpdump -Z root -B 65536 --immediate-mode -i client0 -U -w "$DIR/outer.pcap" -s 0 2>"$DIR/tcpdump.log" &
	own $!
	wait_until 10 "tcpdump listens" grep -q listening "$DIR/tcpdump.log"
fi
for kind in "${kinds[@]}"; do
	get "$(a4 "$kind" 1)" "$(a4 "$kind" 2)" "seen/$kind/4" || fail "no answer through $kind"
	wait_until 10 "the request inside of $kind is seen" events_reach http.request 1 \
		".\"url.original\" == \"/seen/$kind/4\" and .\"client.address\" == \"$(a4 "$kind" 2)\" and .\"http.response.status_code\" == 200"
	wait_until 10 "the SYN inside of $kind is seen" header_seen "$(a4 "$kind" 2)"
	block_one "$kind" "$(a4 "$kind" 1)" "$(a4 "$kind" 2)" "$(a4 "$kind" 3)"
	if sixes "$kind"; then
		get "[$(a6 "$kind" 1)]" "$(a6 "$kind" 2)" "seen/$kind/6" || fail "no answer through $kind, IPv6"
		wait_until 10 "the IPv6 request inside of $kind is seen" events_reach http.request 1 \
			".\"url.original\" == \"/seen/$kind/6\" and .\"client.address\" == \"$(a6 "$kind" 2)\""
		block_one "$kind" "[$(a6 "$kind" 1)]" "$(a6 "$kind" 2)" "$(a6 "$kind" 3)"
	fi
	tell "$kind ($(cat "$DIR/by.$kind")): requests, answers and headers by inner addresses; one blocked, the others not"
done
equal "requests seen twice" 0 "$(events_of http.request | jq -r 'select(."url.original" | startswith("/seen/")) | ."url.original"' | sort | uniq -d | wc -l)"
# The far end's address is a peer's: what it carries is stopped by no block of it.
exits 0 pk block $T4 --ttl 5m --scope host --reason "story"
for kind in "${kinds[@]}"; do
	get "$(a4 "$kind" 1)" "$(a4 "$kind" 2)" peer || fail "$kind: a block of the tunnel peer stops what it carries"
done
exits 0 pk unblock $T4
at_least "packets opened" 20 "$(status_of .kernel.tunnels_opened)"
equal "tunnels that could not be read" 0 "$(status_of .kernel.tunnels_unread)"
tell "a block of a tunnel peer's outer address stops nothing that it carries"
picket_down

# --- from a capture ------------------------------------------------------------------------------------------------------

replayed() { # KINDS
	pk replay "$DIR/outer.pcap" --json --no-redact --decapsulate "$1" 2>"$DIR/left" |
		jq -r 'select(."event.name" == "http.request" and (."url.original" | startswith("/seen/")))
			| [."url.original", ."client.address", ."http.response.status_code"] | join(" ")' | sort
}
if [ -s "$DIR/outer.pcap" ]; then
	for kind in "${kinds[@]}"; do
		{
			echo "/seen/$kind/4 $(a4 "$kind" 2) 200"
			! sixes "$kind" || echo "/seen/$kind/6 $(a6 "$kind" 2) 200"
		} >"$DIR/expected"
		replayed "$kind" >"$DIR/replayed"
		same_file "requests inside of $kind in a capture" "$DIR/expected" "$DIR/replayed"
	done
	tell "picket replay finds the same requests in a capture, of the kinds that it is told"
fi

# --- on the server, where the tunnels end ---------------------------------------------------------------------------

PICKET_NS=$NS_S
picket_up "mode: enforce
capture:
  interfaces: [eth0]
  decapsulate: [ipip, gre, vxlan]
  tunnel_peers: [$T4]"
for kind in "${kinds[@]}"; do
	block_one "$kind" "$(a4 "$kind" 1)" "$(a4 "$kind" 2)" "$(a4 "$kind" 3)"
	! sixes "$kind" || block_one "$kind" "[$(a6 "$kind" 1)]" "$(a6 "$kind" 2)" "$(a6 "$kind" 3)"
	wait_until 10 "the SYN inside of $kind is seen" header_seen "$(a4 "$kind" 2)"
	tell "$kind: a blocked client gets nothing through to the tunnel's end, the other does"
done
picket_down

# --- and off, as by default ---------------------------------------------------------------------------------------------

picket_up "mode: enforce
capture:
  interfaces: [eth0]"
for kind in "${kinds[@]}"; do
	exits 0 pk block "$(a4 "$kind" 2)" --ttl 5m --reason "story"
	get "$(a4 "$kind" 1)" "$(a4 "$kind" 2)" off || fail "$kind: opened unasked"
done
equal "packets opened by default" 0 "$(status_of .kernel.tunnels_opened)"
tell "by default what is inside is left alone"
picket_down
