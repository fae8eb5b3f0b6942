#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "header events hold the seven fields of the TCP header as they were on the wire"
need_python scapy.all
net_up
nginx_up
picket_up
events_start

# A raw SYN with chosen values, and odd segments; the server's kernel answers, the client's resets: both are welcome.
by_hand() {
	in_c "$PYTHON" - $S4 $PORT <<'PY' 2>>"$DIR/gateway.err"
import sys
from scapy.all import IP, TCP, send, conf
conf.verb = 0
target, port = sys.argv[1], int(sys.argv[2])
ip = IP(dst=target)
send(ip / TCP(sport=4001, dport=port, flags="S", seq=1111111, window=4321, options=[("MSS", 1400)]))
send(ip / TCP(sport=4002, dport=port, flags="", seq=2222222, ack=7, window=17))
send(ip / TCP(sport=4003, dport=port, flags="FPU", seq=3333333, window=18))
send(ip / TCP(sport=4004, dport=port, flags="SF", seq=4444444, window=19))
send(ip / TCP(sport=4005, dport=port, flags="R", seq=5555555, window=20))
send(ip / TCP(sport=4006, dport=port, flags="A", seq=6666666, ack=9, window=21))
PY
	within 30 all_five
}
all_five() {
	[ "$(events_of tcp.header | jq -r '."tcp.header.source_port" | select(. >= 4001 and . <= 4005)' | sort -u | wc -l)" = 5 ]
}
unless_dropped by_hand || fail "not every header came: $(events_of tcp.header | jq -r '."tcp.header.source_port"' | xargs)"
header() { # SOURCE-PORT EXPECTED: dport seq ack length flags window
	equal "header from port $1" "$2" "$(events_of tcp.header | jq -r --argjson p "$1" 'select(."tcp.header.source_port" == $p)
		| [."tcp.header.destination_port", ."tcp.header.sequence", ."tcp.header.acknowledgment", ."tcp.header.header_length",
		   ."tcp.header.flags", ."tcp.header.window"] | map(tostring) | join(" ")' | head -n 1)"
}
header 4001 "$PORT 1111111 0 24 2 4321"
header 4002 "$PORT 2222222 7 20 0 17"
header 4003 "$PORT 3333333 0 20 41 18"
header 4004 "$PORT 4444444 0 20 3 19"
header 4005 "$PORT 5555555 0 20 4 20"
equal "ordinary segments reported although sampling is off" 0 "$(events_count tcp.header '."tcp.header.source_port" == 4006')"
tell "SYN, null, xmas, SYN+FIN and RST as sent; an ordinary segment is not reported"
picket_down
