#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "criteria for TCP headers are data: scans, floods and odd flags by the shipped ones, and one of our own"
need_python scapy.all
net_up
nginx_up

raw() { # PYTHON over s(flags, dport, ...): sends a segment
	in_c "$PYTHON" - $S4 $PORT 2>>"$DIR/gateway.err" <<-PY
		import sys
		from scapy.all import IP, TCP, Raw, conf
		conf.verb = 0
		target, port = sys.argv[1], int(sys.argv[2])
		out = conf.L3socket()
		def s(flags, dport=port, sport=4000, payload=b"", **more):
		    segment = IP(dst=target) / TCP(sport=sport, dport=dport, flags=flags, **more)
		    out.send(segment / Raw(payload) if payload else segment)
		$1
	PY
}
anomalies() { events_count tcp.anomaly ".\"tcp.anomaly.name\" == \"$1\""; }
named() { [ "$(anomalies "$1")" -ge 1 ]; }
tried() { # PYTHON NAME...
	local name
	raw "$1"
	shift
	for name in "$@"; do within 30 named "$name" || return 1; done
}
tells() { # PYTHON NAME...: what is sent so is told by each of these names
	unless_dropped tried "$@" || fail "not all is told of ${*:2}: $(events_of tcp.anomaly | jq -r '."tcp.anomaly.name"' | sort | uniq -c)"
}

picket_up
events_start
in_c curl -s -o /dev/null "http://$S4:$PORT/" "http://$S4:$PORT/"
raw 's("S", dport=22)'
wait_until 10 "the requests" events_reach http.request 2
equal "anomalies of an ordinary client" 0 "$(events_count tcp.anomaly)"
tells 's(""); s("FPU"); s("SF"); s("SR")' null_scan xmas_scan syn_fin syn_rst
tell "null, xmas, SYN+FIN and SYN+RST are named; two requests and an attempt on another port are not"
tells 'for p in range(20, 40): s("S", dport=p)' port_scan
equal "alerts of one scan" 1 "$(anomalies port_scan)"
equal "header events of ports that are not watched" 0 "$(events_count tcp.header ".\"tcp.header.destination_port\" != $PORT")"
tell "attempts on 20 ports are a port scan, told once; they are no header events"
tells 'for p in range(300): s("S", sport=10000 + p)' tcp_syn_flood
equal "its severity" high "$(events_of tcp.anomaly | jq -r 'select(."tcp.anomaly.name" == "tcp_syn_flood") | ."tcp.anomaly.severity"' | head -n 1)"
tell "300 attempts that are not completed are a flood"
tells 'for i in range(150): s("A", window=0)' zero_window
equal "header events of ordinary segments" 0 "$(events_count tcp.header '."picket.why" == ["sample"]')"
at_least "alerts counted in status" 7 "$(status_of .packet_criteria.alerts)"
tell "a closed window is seen although ordinary segments are not reported"
picket_down

cat >"$DIR/packets.yaml" <<-YAML
	packets:
	  - name: knock
	    description: a port nobody should ask for
	    severity: high
	    ports: [7000-7010]
	    flags: {mask: 0x12, value: 0x02}
	  - name: small_window
	    description: a window that we do not like
	    severity: low
	    flags: {mask: [ACK], value: [ACK]}
	    window: 77-78
	    payload: 5-9
	    rate: {count: 3, window: 10s}
YAML
picket_up "detect: {packets: [$DIR/packets.yaml]}"
events_start
tells 's("S", dport=7005); s(""); s("S", dport=7011)' knock
tells 'for i in range(3): s("PA", window=77, payload=b"12345")' small_window
by_criteria() { events_count tcp.anomaly '."tcp.anomaly.severity"'; }
told=$(by_criteria)
raw 'for i in range(9): s("PA", window=76, payload=b"12345"); s("PA", window=78, payload=b"1234")'
in_c curl -s -o /dev/null "http://$S4:$PORT/last"
wait_until 10 "what came after it" events_reach http.request 1 '."url.path" == "/last"'
equal "alerts of what the criteria do not fit" 0 $(($(by_criteria) - told))
equal "anomalies by the file of our own" "knock small_window" "$(events_of tcp.anomaly |
	jq -r 'select(."tcp.anomaly.severity") | ."tcp.anomaly.name"' | sort -u | xargs)"
tell "a file of our own takes the place of the shipped criteria"
picket_down

sed -i 's/window: 77-78/window: 78-77/' "$DIR/packets.yaml"
printf 'detect: {packets: [%s]}\n' "$DIR/packets.yaml" >"$DIR/broken.yaml"
exits 2 pk config check -c "$DIR/broken.yaml"
cat "$DIR/out" "$DIR/err" >"$DIR/check"
grep -q "packets.yaml:11: window must be a number or a range" "$DIR/check" ||
	fail "config check does not name file and line: $(cat "$DIR/check")"
tell "a fault is told with file and line"
