#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
# What picket costs one large upload and one large download, over veth, in each mode of the packet program: throughput with
# it attached and without, interleaved, beside a null run; and how many bytes of the body were copied before the kernel half was
# told to skip it.
#
#     bulk.sh [MEBIBYTES] [ROTATIONS]     default 1024 and 4
#
# The bars: at most 256 KiB copied of an upload, in the default configuration; attached/bare at least 0.95 in mode auto.
. "$(dirname "$0")/../e2e/lib.sh"
MEBIBYTES=${1:-1024}
ROTATIONS=${2:-4}
MISSED=0
MODES=${MODES:-null auto tc xdp-generic xdp-native}

SINK_PORT=8081

# Prints bytes per second. The body is read from a file without blocks: what is measured is not a disk.
upload() {
	in_c curl -s -o "$DIR/came" -w '%{speed_upload}\n' -H 'Expect:' -T "$DIR/nginx/large" -X POST "http://$S4:$SINK_PORT/upload"
	equal "bytes that the server read" $((MEBIBYTES << 20)) "$(cat "$DIR/came")" >&2
}

download() {
	in_c curl -s -o /dev/null -w '%{speed_download}\n' "http://$S4:$PORT/large"
}

median() { sort -n | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

captured() { status_of .kernel.bytes_copied; }

# Bare, attached, attached, bare: whoever comes second finds warmer caches. Mode null attaches nothing: what is left there is noise.
rotate() { # MODE WAY
	local b a before=0 stray=0
	b=$($2)
	if [ "$1" != null ]; then
		PICKET_MODE=$1
		picket_up
		before=$(captured)
	fi
	a="$($2) $($2)"
	if [ "$1" != null ]; then
		stray=$((($(captured) - before) / 2))
		picket_down
	fi
	b="$b $($2)"
	echo "$a $b $stray" | awk '{ printf "%.3f %.2f %d\n", ($1 + $2) / ($3 + $4), ($3 + $4) / 2 * 8 / 1e9, $5 }' >>"$DIR/$1.$2"
}

column() { cut -d ' ' -f "$2" "$DIR/$1"; }

report() { # MODE WAY
	local at=$1.$2 most
	most=$(column "$at" 3 | sort -n | tail -n 1)
	printf '%-12s %-8s attached/bare %s (%s-%s), %s rotations of %s MiB, bare about %s Gbit/s; %s bytes copied of each\n' "$1" "$2" \
		"$(column "$at" 1 | median)" "$(column "$at" 1 | sort -n | head -n 1)" "$(column "$at" 1 | sort -n | tail -n 1)" \
		"$ROTATIONS" "$MEBIBYTES" "$(column "$at" 2 | median)" "$most"
	[ "$most" -le $((256 * 1024)) ] || MISSED="more than 256 KiB were copied"
	if [ "$1" = auto ] && awk -v r="$(column "$at" 1 | median)" 'BEGIN { exit r >= 0.95 }'; then
		MISSED="throughput below 0.95 in mode auto"
	fi
}

story "what picket costs large bodies, and how much of them it copies"
net_up
mkdir -p "$DIR/nginx"
truncate -s "${MEBIBYTES}M" "$DIR/nginx/large"
nginx_up "location = /large { root $DIR/nginx; sendfile on; }"
nsenter --net="/run/netns/$NS_S" "$PYTHON" "$(dirname "$0")/sink.py" $SINK_PORT &
own $!
wait_until 10 "the sink listens" in_s bash -c "exec 3<>/dev/tcp/127.0.0.1/$SINK_PORT"
for way in upload download; do
	for i in $(seq "$ROTATIONS"); do
		for mode in $MODES; do # in turns, so that what else the machine does meets them all
			rotate "$mode" $way
		done
	done
	for mode in $MODES; do
		report "$mode" $way
	done
done
[ "$MISSED" = 0 ] || fail "$MISSED"
tell "at most 256 KiB copied, and 0.95 of the throughput in mode auto"
