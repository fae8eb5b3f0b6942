#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
# The same lists of addresses in picket, nftables, ipset and xdp-filter, one after the other over one veth pair: how long a list
# takes until it is in force, memory, how many packets of its sources are dropped a second, and what a packet costs that is not in it.
#
#     peers.sh [ADDRESSES...]     default 1 10000 100000 1000000
#
# Sender and receiver share a core (tests/bench/flood.c), so a rate is what a packet costs on both ends together; compare within a
# run. What is not installed is left out by name (nftables, ipset, iptables, xdp-tools).
. "$(dirname "$0")/../e2e/lib.sh"
SIZES=("${@:-}")
[ -n "${SIZES[0]}" ] || SIZES=(1 10000 100000 1000000)
SECONDS_EACH=2
MOST=0
for n in "${SIZES[@]}"; do [ "$n" -gt "$MOST" ] && MOST=$n; done
DROP_ALL=$PICKET_BUILD/tests/bench/drop-all.bpf.o
FLOOD=$PICKET_BUILD/tests/bench/flood

story "the same block lists in picket and its peers"
need bpftool
if [ ! -x "$FLOOD" ] || [ ! -e "$DROP_ALL" ]; then skip "the build has no flood"; fi
net_up
in_s sysctl -q net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0
in_s ip route add default via $C4 2>/dev/null || true
MAC=$(mac_of "$NS_S" eth0)

list() { # ADDRESSES
	"$PYTHON" -c '
import sys
for i in range(int(sys.argv[1])):
    print("%d.%d.%d.%d" % (11 + (i * 2654435761 >> 24) % 80, i >> 16 & 255, i >> 8 & 255, i & 255))' "$1"
}
kernel_kb() { awk '/^(Slab|Percpu|VmallocUsed):/ { sum += $2 } END { print sum }' /proc/meminfo; }
ms() { echo $(($(date +%s%N) / 1000000)); }
arrived() { in_s cat /proc/net/dev | awk '$1 == "eth0:" { print $3 }'; }

# Mpps of listed sources, nanoseconds of one that is not; and that all of the first were dropped, if dropped() can count.
measure() { # CASE ADDRESSES LOAD-MS KB
	local hit clean before=0 after=0 lost=
	declare -F dropped >/dev/null && before=$(dropped)
	hit=$(in_c "$FLOOD" eth0 "$MAC" $S4 $PORT $SECONDS_EACH "$DIR/list.$2")
	declare -F dropped >/dev/null && after=$(dropped)
	clean=$(in_c "$FLOOD" eth0 "$MAC" $S4 $PORT $SECONDS_EACH 0)
	if declare -F dropped >/dev/null; then
		lost=$(awk -v s="${hit%% *}" -v d=$((after - before)) 'BEGIN { printf "%.4f of them", d / s }')
	fi
	awk -v name="$1" -v n="$2" -v load="$3" -v kb="$4" -v hit="$hit" -v clean="$clean" -v lost="$lost" 'BEGIN {
		split(hit, h, " "); split(clean, c, " ")
		printf "%-22s %8d  load %7s ms  %7s kB  dropped %.3f Mpps, %4d ns (%s)  clean %4d ns\n", name, n, load, kb, h[1] / h[2] / 1e6, h[3], lost, c[3] }'
}

none_case() { measure "no filter" 1 - -; }

floor_case() {
	in_s ip link set dev eth0 xdpdrv obj "$DROP_ALL" sec xdp
	measure "XDP that drops all" 1 - -
	in_s ip link set dev eth0 xdpdrv off
}

nft_case() { # HOOK ADDRESSES
	local family=ip hook='type filter hook input priority filter;' begin kb
	if [ "$1" = netdev ]; then family=netdev hook='type filter hook ingress device "eth0" priority 0;'; fi
	kb=$(kernel_kb)
	in_s nft "add table $family bench; add set $family bench listed { type ipv4_addr; }; add chain $family bench drops { $hook }; add rule $family bench drops ip saddr @listed counter drop"
	{
		printf 'add element %s bench listed {\n' $family
		sed 's/$/,/' "$DIR/list.$2"
		printf '}\n'
	} >"$DIR/nft"
	begin=$(ms)
	in_s nft -f "$DIR/nft"
	begin=$(($(ms) - begin))
	dropped() { in_s nft -j list chain $family bench drops | jq '[.. | .counter? // empty | .packets][0]'; }
	measure "nftables $1" "$2" $begin $(($(kernel_kb) - kb))
	unset -f dropped
	in_s nft "delete table $family bench"
}

ipset_case() { # ADDRESSES
	local begin kb
	kb=$(kernel_kb)
	in_s ipset create bench hash:ip family inet maxelem 4000000
	sed 's/^/add bench /' "$DIR/list.$1" >"$DIR/ipset"
	begin=$(ms)
	in_s ipset restore <"$DIR/ipset"
	begin=$(($(ms) - begin))
	in_s iptables -I INPUT -m set --match-set bench src -j DROP
	dropped() { in_s iptables -vnxL INPUT | awk '/match-set/ { print $1 }'; }
	measure "ipset, iptables INPUT" "$1" $begin $(($(kernel_kb) - kb))
	unset -f dropped
	in_s iptables -F INPUT
	in_s ipset destroy bench
}

# One program run for each address: at most 1,000 of them are put in, and the time is told for these.
xdp_filter_case() { # ADDRESSES
	local begin n=$1 address
	[ "$n" -le 10000 ] || {
		printf '%-22s %8d  its map holds 10,000\n' xdp-filter "$n"
		return 0
	}
	[ "$n" -le 1000 ] || n=1000
	[ "$n" = "$1" ] || head -n "$n" "$DIR/list.$1" >"$DIR/list.$n"
	in_s xdp-filter load -m native -f ipv4 eth0
	begin=$(ms)
	while read -r address; do in_s xdp-filter ip -m src "$address"; done <"$DIR/list.$n"
	measure "xdp-filter" "$n" $(($(ms) - begin)) -
	in_s xdp-filter unload eth0
}

picket_case() { # MODE ADDRESSES
	local kb took
	printf '# nobody\n' >"$DIR/blocked"
	PICKET_MODE=$1
	kb=$(kernel_kb)
	picket_up "limits: {blocks_max: $((MOST + 1000))}
capture: {ports: [$PORT], header_rate: 0}
lists: [{name: bench, path: $DIR/blocked}]"
	cp "$DIR/list.$2" "$DIR/blocked.new"
	mv "$DIR/blocked.new" "$DIR/blocked"
	in_force() { [ "$(pk lists --json | jq -r .in_force)" = "$2" ]; }
	wait_until 60 "all of the list is in force" in_force - "$2"
	took=$(pk lists --json | jq -r .took_ms)
	dropped() { status_of .kernel.packets_dropped; }
	measure "picket, $1" "$2" "$took" $(($(kernel_kb) - kb))
	unset -f dropped
	picket_down
}

# How long CrowdSec's bouncer takes from its start until its nftables set has what the local API gave it. It is unpacked, not installed.
bouncer_case() { # ADDRESSES
	local begin set=crowdsec-blacklists most=$1
	if [ ! -x "$DIR/bouncer/usr/bin/crowdsec-firewall-bouncer" ]; then
		(cd "$DIR" && apt-get download crowdsec-firewall-bouncer >/dev/null 2>&1 &&
			dpkg-deb -x crowdsec-firewall-bouncer*.deb bouncer) || {
			echo "left out: crowdsec-firewall-bouncer cannot be had"
			return 0
		}
	fi
	# Not in_s: the pid would be a shell's.
	nsenter --net="/run/netns/$NS_S" "$PYTHON" "$(dirname "$0")/lapi.py" 18080 "$DIR/list.$1" &
	local lapi=$!
	own $lapi
	wait_until 20 "the local API" in_s bash -c 'exec 3<>/dev/tcp/127.0.0.1/18080'
	cat >"$DIR/bouncer.yaml" <<-CONF
		mode: nftables
		pid_dir: $DIR/
		update_frequency: 1s
		daemonize: true
		log_mode: stdout
		log_level: info
		api_url: http://127.0.0.1:18080/
		api_key: bench
		disable_ipv6: true
		deny_action: DROP
		supported_decisions_types: [ban]
		blacklists_ipv4: $set
		nftables:
		  ipv4: {enabled: true, set-only: false, table: crowdsec, chain: crowdsec-chain}
		  ipv6: {enabled: false}
		prometheus: {enabled: false}
	CONF
	begin=$(ms)
	nsenter --net="/run/netns/$NS_S" "$DIR/bouncer/usr/bin/crowdsec-firewall-bouncer" -c "$DIR/bouncer.yaml" >"$DIR/bouncer.log" 2>&1 &
	local bouncer=$!
	own $bouncer
	has() { [ "$(in_s nft -j list set ip crowdsec "$set" 2>/dev/null | jq '[.nftables[] | .set? // empty | .elem | length] | add // 0')" -ge "$most" ]; }
	if within 240 has; then
		printf '%-22s %8d  load %7s ms\n' "crowdsec bouncer" "$1" $(($(ms) - begin))
	else
		printf '%-22s %8d  not loaded within 240 s: %s\n' "crowdsec bouncer" "$1" "$(tail -n 1 "$DIR/bouncer.log")"
	fi
	kill "$bouncer" 2>/dev/null || true
	kill $lapi
	wait_until 20 "the bouncer ends" gone "$bouncer"
	in_s nft delete table ip crowdsec 2>/dev/null || true
}

at_once() { # COMMAND...: is it there?
	command -v "$1" >/dev/null || {
		echo "left out: $1 is not installed"
		return 1
	}
}

for n in 1 "${SIZES[@]}"; do list "$n" >"$DIR/list.$n"; done
floor_case
none_case
for n in "${SIZES[@]}"; do
	for mode in tc xdp-generic xdp-native; do picket_case $mode "$n"; done
	if at_once nft; then
		nft_case input "$n"
		nft_case netdev "$n"
	fi
	if at_once ipset && at_once iptables; then ipset_case "$n"; fi
	if at_once xdp-filter; then xdp_filter_case "$n"; fi
	if [ "$n" -le 10000 ] && at_once nft; then bouncer_case "$n"; fi
done
