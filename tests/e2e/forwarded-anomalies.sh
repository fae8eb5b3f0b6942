#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "a bridge names the tricks of clients that pass it, reads what the server took, and is silent about honest ones"
need_python socket
need ab
NS_G=pe2e-g-$$
PICKET_NS=$NS_G

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
ip -n "$NS_C" addr add $C4/24 dev eth0
ip -n "$NS_S" addr add $S4/24 dev eth0
nginx_up
wait_until 5 "the server is reached through the bridge" in_c bash -c "exec 3<>/dev/tcp/$S4/$PORT"
picket_up "capture:
  packets: forwarded
  header_ring_bytes: 32MiB
  ports: [$PORT]"
events_start
mac=$(mac_of "$NS_C" eth0)
ip -n "$NS_S" neigh replace 10.77.0.9 lladdr "$mac" dev eth0 nud permanent

# Honest clients first: large segments, many connections, both directions. Paced, so that nothing is lost and all of it is
# judged; forwarded-overrun is about what a ring that overran has lost.
head -c 20000000 /dev/zero >"$DIR/body"
in_c curl -s -o /dev/null --limit-rate 10M --data-binary "@$DIR/body" "http://$S4:$PORT/honest"
in_c ab -q -n 3000 -c 4 "http://$S4:$PORT/honest" >/dev/null 2>&1
in_c ab -q -k -n 3000 -c 4 "http://$S4:$PORT/honest" >/dev/null 2>&1
in_c curl -s -o /dev/null "http://$S4:$PORT/last"
wait_until 60 "what came after them" events_reach http.request 1 '."url.path" == "/last"'
equal "anomalies of honest clients" "" "$(events_of tcp.anomaly | jq -r '."tcp.anomaly.name"' | sort | uniq -c)"
tell "6,000 requests on kept and on new connections, 20 MB: no anomaly"

anomaly_of() { # CLIENT-PORT NAME
	events_reach tcp.anomaly 1 ".\"client.port\" == $1 and .\"tcp.anomaly.name\" == \"$2\""
}
played() { # TRICK NAME|-
	read -r port status < <(in_c "$PYTHON" "$E2E/evader.py" 10.77.0.9 $S4 $PORT "$1")
	[ "$status" = 200 ] && { [ "$2" = - ] || within 30 anomaly_of "$port" "$2"; }
}
trick() { # TRICK NAME|-
	local port='' status=''
	unless_dropped played "$1" "$2" || fail "$1: nginx answered ${status:-nothing}, and it is not named $2"
	tell "$1: ${2/#-/nothing to name}"
}
trick bad-checksum tcp_invalid_checksum
trick out-of-order -
trick two-versions tcp_overlap_different_data
trick old-overlapped tcp_overlap_different_data
trick out-of-window tcp_established_packet_out_of_window
trick bad-ack tcp_established_invalid_ack
trick no-ack-flag tcp_ack_flag_missing
trick fake-rst tcp_suspected_rst_injection
trick urgent urgent
scans() { events_of tcp.anomaly | jq -r '."tcp.anomaly.name" | select(IN("null_scan", "xmas_scan", "syn_fin", "syn_rst"))' | sort -u | xargs; }
all_scans() { [ "$(scans)" = "null_scan syn_fin syn_rst xmas_scan" ]; }
scanned() { played odd-flags - && within 30 all_scans; }
unless_dropped scanned || fail "of the scans only these are named: $(scans)"
tell "null, xmas, SYN+FIN and SYN+RST beside a request are named"

events_of http.request | jq -r '."url.path" | select(. != "/honest" and . != "/last" and (startswith("/e2e-") | not))' | sort >"$DIR/seen"
at_least "requests of the tricks" 10 "$(wc -l <"$DIR/seen")"
equal "requests with a decoy's target" 0 "$(grep -c "/fake\$" "$DIR/seen")"
tell "no decoy was read as a request"

# The tables that follow what passes are bounded, and status shows by how much.
pk status --json | jq -e '.capture.packets | .segments > 0 and .tracked.held > 0 and .tracked.held <= .tracked.max
	and .tracked.findings > 0 and .tracked.bytes_held > 0 and .tracked.bytes_held <= .tracked.bytes_max
	and .streams.connections >= 3000 and .streams.bytes_held <= .streams.bytes_max and .datagrams.max > 0' >/dev/null ||
	fail "what status shows of packets: $(status_of .capture.packets)"
pk status | grep -q '^passing .*connections followed' || fail "status does not show what passes"
tell "$(status_of '.capture.packets.tracked | "\(.held) of \(.max)"') connections followed"
picket_down
