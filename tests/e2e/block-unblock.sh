#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "a blocked client is dropped, everybody else is not, and unblocking lets it in again: IPv4, IPv6, prefixes, TCP and UDP"
net_up
# Clients of another network, for prefixes.
ip -n "$NS_C" addr add 198.51.100.7/32 dev eth0
ip -n "$NS_C" addr add 2001:db8:51::7/128 dev eth0 nodad
ip -n "$NS_S" route add 198.51.100.0/24 dev eth0
ip -n "$NS_S" -6 route add 2001:db8:51::/48 dev eth0
need bpftool jq
nginx_up
# Its connections stay, so that what is seen is what becomes of packets (close-connections tells of the rest).
picket_up "enforcement:
  close_connections: false"

nsenter --net="/run/netns/$NS_S" "$PYTHON" "$E2E/raw.py" udp-sink $PORT "$DIR/udp.watched" &
own $!
nsenter --net="/run/netns/$NS_S" "$PYTHON" "$E2E/raw.py" udp-sink 9999 "$DIR/udp.other" &
own $!

# Where there is no block the packet program does not look for one (struct pk_deny_head: bit 31 of the first word).
looks_for_none() {
	local id
	sed -n 's/^map_id:[[:space:]]*//p' /proc/"$PICKET_PID"/fdinfo/* 2>/dev/null | sort -u >"$DIR/maps"
	while read -r id; do
		bpftool map show id "$id" | grep -q ' name pk_deny_head ' || continue
		bpftool map lookup id "$id" key 0 0 0 0 --json | jq -e '.value[3] | . >= "0x80"' >/dev/null
		return
	done <"$DIR/maps"
	fail "the daemon holds no map named pk_deny_head"
}
looks_for_none || fail "the packet program looks for blocks although there is none"

server_for() { case $1 in *:*) printf '%s' "$S6" ;; *) printf '%s' "$S4" ;; esac; }
host_for() { case $1 in *:*) printf '[%s]' "$S6" ;; *) printf '%s' "$S4" ;; esac; }
reaches() { # SOURCE
	in_c curl -s -o /dev/null -m "${2:-10}" --interface "$1" "http://$(host_for "$1"):$PORT/from/$1"
}
reaches_not() {
	local before
	before=$(logged)
	reaches "$1" 1 && fail "$1 got an answer although it is blocked"
	equal "requests of $1 that reached nginx" "$before" "$(logged)"
}
udp() { # SOURCE PORT FILE yes|no
	local text="$RANDOM$RANDOM" i
	for i in 1 2 3 4 5 6 7 8 9 10; do
		in_c "$PYTHON" "$E2E/raw.py" udp-send "$(server_for "$1")" "$2" "$1" "$text" 2>/dev/null || true
		if [ "$4" = yes ] && grep -q "$text" "$3" 2>/dev/null; then return 0; fi
		[ "$4" = no ] && [ "$i" -ge 3 ] && break
	done
	if [ "$4" = yes ]; then
		fail "UDP of $1 to port $2 did not arrive"
	fi
	# What passes to the other port proves that the link carries datagrams now.
	! grep -q "$text" "$3" || fail "UDP of $1 to port $2 arrived although it is blocked"
}

round() { # TARGET BLOCKED-SOURCE OTHER-SOURCE
	reaches "$2" || fail "$2 gets no answer before the block"
	udp "$2" $PORT "$DIR/udp.watched" yes
	exits 0 pk block "$1" --ttl 5m --reason "story"
	reaches_not "$2"
	udp "$2" $PORT "$DIR/udp.watched" no
	udp "$2" 9999 "$DIR/udp.other" yes
	reaches "$3" || fail "$3 is not blocked and gets no answer"
	udp "$3" $PORT "$DIR/udp.watched" yes
	wait_until 10 "picket blocks shows what $1 lost" hits "$1"
	exits 0 pk unblock "$1"
	reaches "$2" || fail "$2 gets no answer after unblock"
	udp "$2" $PORT "$DIR/udp.watched" yes
	tell "$1: $2 dropped (TCP, and UDP to the watched port only), $3 not, and back after unblock"
}
hits() { pk blocks --json | jq -se --arg t "$1" 'map(select(.target == $t and (.packets // .dropped.packets // 0) > 0)) | length == 1'; }

round $C4 $C4 $D4
looks_for_none || fail "the packet program still looks for blocks"
exits 0 pk block 203.0.113.9 --ttl 5m
if looks_for_none; then fail "the packet program does not look for blocks although there is one"; fi
exits 0 pk unblock 203.0.113.9
round $C6 $C6 $D6
round 198.51.100.0/24 198.51.100.7 $D4
round 2001:db8:51::/48 2001:db8:51::7 $D6

# An open connection is stopped as well, not only new ones.
nsenter --net="/run/netns/$NS_C" bash -c "
	exec 3<>/dev/tcp/$S4/$PORT
	printf 'GET /open/1 HTTP/1.1\r\nHost: h\r\n\r\n' >&3; head -n 1 <&3 >$DIR/open.1
	until [ -e $DIR/blocked ]; do sleep 0.05; done
	printf 'GET /open/2 HTTP/1.1\r\nHost: h\r\n\r\n' >&3; : >$DIR/open.sent; sleep 30" &
own $!
wait_until 5 "the open connection's first answer" grep -q 200 "$DIR/open.1"
exits 0 pk block $C4 --ttl 5m
: >"$DIR/blocked"
wait_until 5 "the second request was sent" test -e "$DIR/open.sent"
reaches $D4 || fail "$D4 gets no answer"
! grep -q /open/2 "$DIR/access.log" || fail "a blocked client's open connection still carries requests"
exits 0 pk unblock $C4
wait_until 30 "the retransmission passes after unblock" grep -q /open/2 "$DIR/access.log"
tell "an open connection stops, and goes on after unblock"
picket_down
reaches $C4 || fail "after picket is gone a client gets no answer"
