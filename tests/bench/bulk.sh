#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
# What picket costs one large upload and one large download, over veth, in each mode of the packet program: throughput with
# it attached and without, interleaved; and how many bytes of the body were copied before the kernel half was told to skip it.
#
#     bulk.sh [MEBIBYTES] [ROTATIONS]     default 1024 and 4
#
# The bars: at most 256 KiB copied of an upload, in the default configuration; attached/bare at least 0.95 in mode auto.
. "$(dirname "$0")/../e2e/lib.sh"
MEBIBYTES=${1:-1024}
ROTATIONS=${2:-4}
MISSED=0

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

measure() { # MODE WAY
	local i bare attached before most=0 stray
	: >"$DIR/ratios"
	: >"$DIR/bare"
	for i in $(seq "$ROTATIONS"); do
		bare=$($2)
		PICKET_MODE=$1
		picket_up
		before=$(captured)
		attached=$($2)
		stray=$(($(captured) - before))
		[ "$stray" -le "$most" ] || most=$stray
		picket_down
		awk -v a="$attached" -v b="$bare" 'BEGIN { printf "%.3f\n", a / b }' >>"$DIR/ratios"
		awk -v b="$bare" 'BEGIN { printf "%.2f\n", b * 8 / 1e9 }' >>"$DIR/bare"
	done
	printf '%-12s %-8s attached/bare %s (%s-%s), %s rotations of %s MiB, bare about %s Gbit/s; at most %s bytes copied\n' "$1" "$2" \
		"$(median <"$DIR/ratios")" "$(sort -n "$DIR/ratios" | head -n 1)" "$(sort -n "$DIR/ratios" | tail -n 1)" "$ROTATIONS" \
		"$MEBIBYTES" "$(median <"$DIR/bare")" "$most"
	[ "$most" -le $((256 * 1024)) ] || MISSED="more than 256 KiB were copied"
	if [ "$1" = auto ] && awk -v r="$(median <"$DIR/ratios")" 'BEGIN { exit r >= 0.95 }'; then
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
for mode in auto tc xdp-generic xdp-native; do
	measure $mode upload
	measure $mode download
done
[ "$MISSED" = 0 ] || fail "$MISSED"
tell "at most 256 KiB copied, and 0.95 of the throughput in mode auto"
