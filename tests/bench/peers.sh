#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
# The same lists of addresses in picket (each mode), nftables, ipset, xdp-filter and CrowdSec's bouncer, over veth pairs of one
# machine: drop rate, load time, memory, cost of a packet that is not in the list.
#
#     peers.sh [ADDRESSES...]     default 1 10000 100000 1000000, about ten minutes; `peers.sh 1 10000` about three
#
# Sender and receiver share a core (tests/bench/flood.c): a rate is what a packet costs on both ends together. So each case is
# measured in turns with two others, on veth pairs of their own that lead nowhere else: nftables at input with the same list,
# and a program at the same hook that does nothing but drop (pass), which is as fast as that hook can be.
#
#     Mpps     dropped, median of the turns        x input   ... to nftables at input in the same turn, median
#     null x   what the empty program has of that; nothing at that hook can be faster
#     load     ms from the beginning of loading until all is in force        MB  kernel and processes
#     clean    ns of a packet that is not in the list, more than by the null program of that hook (by no filter at all); least of the
#              turns, as other work on the machine only adds
#
# What is not installed, or cannot be done, is told by name and counted in the last line.
. "$(dirname "$0")/../e2e/lib.sh"
SIZES=("$@")
[ $# -gt 0 ] || SIZES=(1 10000 100000 1000000)
TURNS=5
SECONDS_EACH=0.4
BOUNCER_SECONDS=60
MOST=0
LEFT_OUT=0
for n in "${SIZES[@]}"; do [ "$n" -gt "$MOST" ] && MOST=$n; done
NULL=$PICKET_BUILD/tests/bench/null.bpf.o
FLOOD=$PICKET_BUILD/tests/bench/flood

story "the same block lists in picket and its peers"
need tc nft
if [ ! -x "$FLOOD" ] || [ ! -e "$NULL" ]; then skip "the build has no flood"; fi
net_up
NS_R=pe2e-r-$$ NS_Z=pe2e-z-$$ # the reference, the null program
ns_add "$NS_R"
ns_add "$NS_Z"
link_up "$NS_R" eth0 "$NS_C" eth1
link_up "$NS_Z" eth0 "$NS_C" eth2
in_ns() { nsenter --net="/run/netns/$1" "${@:2}"; }
for ns in "$NS_R" "$NS_Z"; do ip -n "$ns" addr add $S4/24 dev eth0; done
for ns in "$NS_S" "$NS_R" "$NS_Z"; do
	in_ns "$ns" sysctl -q net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0
	ip -n "$ns" route add default via $C4 2>/dev/null || true
done
MAC_S=$(mac_of "$NS_S" eth0) MAC_R=$(mac_of "$NS_R" eth0) MAC_Z=$(mac_of "$NS_Z" eth0)

list() { # ADDRESSES
	"$PYTHON" -c '
import sys
for i in range(int(sys.argv[1])):
    print("%d.%d.%d.%d" % (11 + (i * 2654435761 >> 24) % 80, i >> 16 & 255, i >> 8 & 255, i & 255))' "$1"
}
kernel_kb() { awk '/^(Slab|Percpu|VmallocUsed):/ { sum += $2 } END { print sum }' /proc/meminfo; }
ms() { echo $(($(date +%s%N) / 1000000)); }
left_out() { # WHAT
	printf '%9s  %-22s left out: %s\n' "${2:-}" "$1" "${3:-}"
	LEFT_OUT=$((LEFT_OUT + 1))
}

# --- measuring --------------------------------------------------------------------------------------------------

flood() { in_c "$FLOOD" "$1" "$2" $S4 $PORT $SECONDS_EACH "$3"; } # INTERFACE MAC FILE|0

# The program of that hook and kind in the null namespace; hook none: none.
null_set() { # tc|xdpgeneric|xdpdrv|none drop|pass
	tc_off() { in_ns "$NS_Z" tc qdisc del dev eth0 clsact 2>/dev/null || true; }
	tc_off
	ip -n "$NS_Z" link set dev eth0 xdpdrv off
	ip -n "$NS_Z" link set dev eth0 xdpgeneric off
	case $1 in
	none) ;;
	tc)
		in_ns "$NS_Z" tc qdisc add dev eth0 clsact
		in_ns "$NS_Z" tc filter add dev eth0 ingress bpf da obj "$NULL" sec "tc/$2"
		;;
	*) ip -n "$NS_Z" link set dev eth0 "$1" obj "$NULL" sec "xdp/$2" ;;
	esac
}

# One line of the table. $dropped, if set, is a function that counts what the case dropped: it must be all.
measure() { # CASE HOOK ADDRESSES LOAD-MS KB
	local file=$DIR/list.$3 before=0 after=0 share=
	: >"$DIR/hit"
	: >"$DIR/clean"
	null_set "$2" drop
	[ -z "${dropped:-}" ] || before=$($dropped)
	for _ in $(seq $TURNS); do
		echo "$(flood eth0 "$MAC_S" "$file") $(flood eth1 "$MAC_R" "$file") $(flood eth2 "$MAC_Z" "$file")" >>"$DIR/hit"
	done
	[ -z "${dropped:-}" ] || after=$($dropped)
	null_set "$2" pass
	for _ in $(seq $TURNS); do
		echo "$(flood eth0 "$MAC_S" 0) $(flood eth2 "$MAC_Z" 0)" >>"$DIR/clean"
	done
	if [ -n "${dropped:-}" ]; then
		share=$(awk -v d=$((after - before)) '{ sent += $1 } END { printf "%d", 1000 * d / sent }' "$DIR/hit")
		at_least "thousandths of what was sent from the list that $1 dropped" 990 "$share"
	fi
	awk -v name="$1" -v hook="$2" -v n="$3" -v load="$4" -v kb="$5" '
		function median(v, n,   i, j, t) {
			for (i = 2; i <= n; i++) for (j = i; j > 1 && v[j] < v[j - 1]; j--) { t = v[j]; v[j] = v[j - 1]; v[j - 1] = t }
			return v[int((n + 1) / 2)]
		}
		FNR == NR { h++; rate[h] = $1 / $2 / 1e6; ratio[h] = rate[h] / ($4 / $5 / 1e6); reach[h] = ($7 / $8) / ($4 / $5); next }
		{ ours = $2 / $1 * 1e9; null = $5 / $4 * 1e9; if (!c++ || ours < least) least = ours; if (c == 1 || null < none) none = null }
		END {
			printf "%9d  %-22s %6.3f  %7.2f  %6s  %8s  %6s  %+6.0f\n", n, name, median(rate, h), median(ratio, h),
				hook == "none" ? "-" : sprintf("%.2f", median(reach, h)), load, kb == "-" ? "-" : sprintf("%.1f", kb / 1000), least - none }
	' "$DIR/hit" "$DIR/clean"
}

# --- the filters ------------------------------------------------------------------------------------------------

nft_rules() { # HOOK
	local family=ip hook='type filter hook input priority filter;'
	if [ "$1" = netdev ]; then family=netdev hook='type filter hook ingress device "eth0" priority 0;'; fi
	echo "add table $family bench; add set $family bench listed { type ipv4_addr; }; add chain $family bench drops { $hook }; add rule $family bench drops ip saddr @listed counter drop"
}

nft_load() { # NAMESPACE HOOK ADDRESSES; prints ms
	local family=ip begin
	if [ "$2" = netdev ]; then family=netdev; fi
	in_ns "$1" nft "$(nft_rules "$2")"
	{
		printf 'add element %s bench listed {\n' $family
		sed 's/$/,/' "$DIR/list.$3"
		printf '}\n'
	} >"$DIR/nft"
	begin=$(ms)
	in_ns "$1" nft -f "$DIR/nft"
	echo $(($(ms) - begin))
}

nft_dropped() { in_s nft -j list chain "$nft_family" bench drops | jq '[.. | .counter? // empty | .packets][0]'; }
nft_case() { # HOOK ADDRESSES
	local kb load nft_family=ip dropped=nft_dropped hook=none
	if [ "$1" = netdev ]; then nft_family=netdev; fi
	kb=$(kernel_kb)
	load=$(nft_load "$NS_S" "$1" "$2")
	measure "nftables, $1" $hook "$2" "$load" $(($(kernel_kb) - kb))
	in_s nft "delete table $nft_family bench"
}

ipset_dropped() { in_s iptables -vnxL INPUT | awk '/match-set/ { print $1 }'; }
ipset_case() { # ADDRESSES
	local begin load dropped=ipset_dropped
	in_s ipset create bench hash:ip family inet maxelem 4000000
	sed 's/^/add bench /' "$DIR/list.$1" >"$DIR/ipset"
	begin=$(ms)
	in_s ipset restore <"$DIR/ipset"
	load=$(($(ms) - begin))
	in_s iptables -I INPUT -m set --match-set bench src -j DROP
	measure "ipset, iptables INPUT" none "$1" $load "$(in_s ipset list -t bench | awk '/^Size in memory/ { print int($4 / 1000) }')"
	in_s iptables -F INPUT
	in_s ipset destroy bench
}

# One program run for each address: at most 1,000 of them are put in, and the time is told for these.
xdp_filter_case() { # ADDRESSES
	local begin n=$1 address dropped=
	if [ "$n" -gt 10000 ]; then
		left_out xdp-filter "$n" "its map holds 10,000"
		return 0
	fi
	[ "$n" -le 1000 ] || n=1000
	[ "$n" = "$1" ] || head -n "$n" "$DIR/list.$1" >"$DIR/list.$n"
	in_s xdp-filter load -m native -f ipv4 eth0
	begin=$(ms)
	while read -r address; do in_s xdp-filter ip -m src "$address"; done <"$DIR/list.$n"
	measure "xdp-filter, native" xdpdrv "$n" $(($(ms) - begin)) -
	in_s xdp-filter unload eth0
}

rss_kb() { awk '/^RssAnon/ { print $2 }' "/proc/$1/status"; }
map_kb() { cat "/proc/$PICKET_PID"/fdinfo/* 2>/dev/null | awk '/^memlock:/ { sum += $2 } END { printf "%d\n", sum / 1024 }'; }
memory_kb() { echo $(($(map_kb) + $(rss_kb "$PICKET_PID") + $(rss_kb "$(sensor_pid)"))); }
in_force() { [ "$(pk lists --json | jq -r .in_force)" = "$1" ]; }
picket_dropped() { status_of .kernel.packets_dropped; }
picket_case() { # MODE HOOK ADDRESSES
	local kb took dropped=picket_dropped
	printf '# nobody\n' >"$DIR/blocked"
	PICKET_MODE=$1
	picket_up "limits: {blocks_max: $((MOST + 1000))}
capture: {ports: [$PORT]}
lists: [{name: bench, path: $DIR/blocked}]"
	wait_until 20 "the list is read" in_force 0
	kb=$(memory_kb)
	cp "$DIR/list.$3" "$DIR/blocked.new"
	mv "$DIR/blocked.new" "$DIR/blocked"
	wait_until 60 "all of the list is in force" in_force "$3"
	took=$(pk lists --json | jq -r .took_ms)
	measure "picket, $1" "$2" "$3" "$took" $(($(memory_kb) - kb))
	picket_down
}

# How long CrowdSec's bouncer takes from its start until its nftables set has what the local API gave it. It is unpacked, not installed.
bouncer_has() { in_s nft -j list set ip crowdsec crowdsec-blacklists 2>/dev/null | jq '[.nftables[] | .set? // empty | .elem | length] | add // 0'; }
bouncer_full() { [ "$(bouncer_has)" -ge "$1" ]; }
bouncer_case() { # ADDRESSES
	local begin lapi bouncer kb
	if [ ! -x "$DIR/bouncer/usr/bin/crowdsec-firewall-bouncer" ] && ! {
		cd "$DIR" && apt-get download crowdsec-firewall-bouncer >/dev/null 2>&1 && dpkg-deb -x crowdsec-firewall-bouncer*.deb bouncer
	}; then
		left_out "crowdsec bouncer" "$1" "its package cannot be had"
		return 0
	fi
	if [ -n "${bouncer_late:-}" ]; then
		left_out "crowdsec bouncer" "$1" "a shorter list took longer than $BOUNCER_SECONDS s"
		return 0
	fi
	# Not in_s: the pid would be a shell's.
	nsenter --net="/run/netns/$NS_S" "$PYTHON" "$HERE/lapi.py" 18080 "$DIR/list.$1" &
	lapi=$!
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
		blacklists_ipv4: crowdsec-blacklists
		nftables:
		  ipv4: {enabled: true, set-only: false, table: crowdsec, chain: crowdsec-chain}
		  ipv6: {enabled: false}
		prometheus: {enabled: false}
	CONF
	begin=$(ms)
	nsenter --net="/run/netns/$NS_S" "$DIR/bouncer/usr/bin/crowdsec-firewall-bouncer" -c "$DIR/bouncer.yaml" >"$DIR/bouncer.log" 2>&1 &
	bouncer=$!
	own $bouncer
	if within $BOUNCER_SECONDS bouncer_full "$1"; then
		begin=$(($(ms) - begin))
		kb=$(awk '/^VmHWM/ { print $2 }' "/proc/$bouncer/status")
		printf '%9d  %-22s %6s  %7s  %6s  %8d  %6s  %6s   (its own process alone)\n' "$1" "crowdsec bouncer" - - - $begin \
			"$(awk -v kb="$kb" 'BEGIN { printf "%.1f", kb / 1000 }')" -
	else
		left_out "crowdsec bouncer" "$1" "$(bouncer_has) of them in its set after $BOUNCER_SECONDS s; its log ends: $(tail -n 1 "$DIR/bouncer.log")"
		bouncer_late=1
	fi
	kill "$bouncer" 2>/dev/null || true
	kill $lapi
	wait_until 20 "the bouncer ends" gone "$bouncer"
	in_s nft delete table ip crowdsec 2>/dev/null || true
}

has() { # ADDRESSES WHAT COMMAND...: is all of it installed?
	local c
	for c in "${@:3}"; do
		command -v "$c" >/dev/null || {
			left_out "$2" "$1" "$c is not installed"
			return 1
		}
	done
}

# --- all of it --------------------------------------------------------------------------------------------------

HERE=$(cd "$(dirname "$0")" && pwd)
echo "machine: $(awk -F': ' '/model name/ { print $2; exit }' /proc/cpuinfo), $(nproc) processors, Linux $(uname -r)"
echo "addresses  filter                   Mpps  x input  null x   load ms      MB  clean ns"
for n in "${SIZES[@]}"; do
	list "$n" >"$DIR/list.$n"
	nft_load "$NS_R" input "$n" >/dev/null
	picket_case tc tc "$n"
	picket_case xdp-generic xdpgeneric "$n"
	picket_case xdp-native xdpdrv "$n"
	nft_case input "$n"
	nft_case netdev "$n"
	if has "$n" ipset ipset iptables; then ipset_case "$n"; fi
	if has "$n" xdp-filter xdp-filter; then xdp_filter_case "$n"; fi
	bouncer_case "$n"
	in_ns "$NS_R" nft "delete table ip bench"
done
echo "left out: $LEFT_OUT"
