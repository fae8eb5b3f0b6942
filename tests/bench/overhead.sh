#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What picket costs a saturated nginx: requests/s with it attached and without, interleaved (bare, attached, attached,
# bare), beside a null run of the same shape in which nothing is attached. One nginx worker, wrk with 32 connections, over
# veth, each mode of the packet program, replies of 1 kB from a file; and mode auto once more with a constant reply, the
# least a server can do for a request. Then the kernel's own clock for each program.
#
#     overhead.sh [ROTATIONS] [SECONDS]     default 10 and 2
#
# Prints one line a mode: median ratio (min-max). The goal for mode auto is >= 0.97; gaps under about 4 % are this
# method's noise on a small machine, which is what the null run shows.
. "$(dirname "$0")/../e2e/lib.sh"
ROTATIONS=${1:-10}
SECONDS_EACH=${2:-2}

rate() { # requests/s of one run
	in_c wrk -t 1 -c 32 -d "${SECONDS_EACH}s" "http://$S4:$PORT/$REPLY" |
		awk '/Requests\/sec/ { printf "%d\n", $2 }'
}

attached() { # MODE, or "null": nothing
	[ "$1" = null ] && return
	PICKET_MODE=$1
	picket_up "$(printf 'gateways:\n  - name: local\n    protocol: local')"
}

detached() { # MODE
	[ "$1" = null ] || picket_down
}

median() { sort -n | awk '{ v[NR] = $1 } END { if (NR % 2) print v[(NR + 1) / 2]; else printf "%.3f\n", (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

# One rotation of one mode. The modes take turns, so that what else the machine does meets them all.
rotate() { # MODE REPLY
	local a b REPLY=$2
	b=$(rate)
	attached "$1"
	a=$(rate)
	a=$((a + $(rate)))
	detached "$1"
	b=$((b + $(rate)))
	awk -v a=$a -v b=$b 'BEGIN { printf "%.3f %d\n", a / b, b / 2 }' >>"$DIR/ratios.$1.$2"
}

report() { # MODE REPLY
	local ratios=$DIR/ratios.$1.$2
	printf '%-20s attached/bare %s (%s-%s), %s rotations, bare about %s requests/s\n' "$1 $2" \
		"$(awk '{ print $1 }' "$ratios" | median)" \
		"$(sort -n "$ratios" | head -n 1 | cut -d ' ' -f 1)" "$(sort -n "$ratios" | tail -n 1 | cut -d ' ' -f 1)" \
		"$ROTATIONS" "$(awk '{ print int($2) }' "$ratios" | median | cut -d . -f 1)"
}

clock() { # MODE: nanoseconds per request by the kernel's own clock, its own cost included
	local before after requests
	attached "$1"
	sysctl -q kernel.bpf_stats_enabled=1
	before=$(bpftool prog show --json | jq -c '[.[] | select(.name // "" | startswith("pk_")) | {name, run_time_ns, run_cnt}]')
	requests=$(in_c wrk -t 1 -c 32 -d "${SECONDS_EACH}s" "http://$S4:$PORT/kilobyte" | awk '/requests in/ { print $1 }')
	after=$(bpftool prog show --json | jq -c '[.[] | select(.name // "" | startswith("pk_")) | {name, run_time_ns, run_cnt}]')
	sysctl -q kernel.bpf_stats_enabled=0
	printf '%-12s kernel clock, per keep-alive request:\n' "$1"
	jq -rn --argjson b "$before" --argjson a "$after" --argjson n "$requests" '
		$a[] as $x | ($b[] | select(.name == $x.name)) as $y
		| (($x.run_time_ns // 0) - ($y.run_time_ns // 0)) as $t | (($x.run_cnt // 0) - ($y.run_cnt // 0)) as $c
		| select($c > 0) | "    \($x.name): \($t / $n | round) ns (\(($c / $n * 100 | round) / 100) runs of \($t / $c | round) ns)"'
	detached "$1"
}

story "what picket costs a saturated server"
need wrk bpftool
trap 'sysctl -q kernel.bpf_stats_enabled=0; story_end $?' EXIT
net_up
mkdir -p "$DIR/nginx"
head -c 1000 /dev/zero | tr '\0' k >"$DIR/nginx/kilobyte"
nginx_up "location = /kilobyte { root $DIR/nginx; } location = /tiny { return 200 ok; }"
sed -i 's/^\(\s*access_log\) .*/\1 off;/' "$DIR/nginx.conf" # the log is not what is measured
kill "$NGINX_PID"
wait_until 5 "nginx ends" gone "$NGINX_PID"
nsenter --net="/run/netns/$NS_S" nginx -p "$DIR/nginx" -c "$DIR/nginx.conf" 2>>"$DIR/nginx.error" &
NGINX_PID=$!
own $NGINX_PID
wait_until 10 "nginx listens" in_s bash -c "exec 3<>/dev/tcp/127.0.0.1/$PORT"
MODES="null auto tc xdp-generic xdp-native"
for i in $(seq "$ROTATIONS"); do
	for mode in $MODES; do rotate "$mode" kilobyte; done
	rotate auto tiny
done
for mode in $MODES; do report "$mode" kilobyte; done
report auto tiny
for mode in auto xdp-native; do clock $mode; done
