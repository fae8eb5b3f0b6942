#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
# What a long block list costs: from opening its file until all of it drops packets, and in memory; then one line changed,
# and verdicts that come while it is loaded.
#
#     list-load.sh [ADDRESSES]     default 1000000
#
# The bars, for a million: 1.5 s, 100 MB.
. "$(dirname "$0")/../e2e/lib.sh"
ADDRESSES=${1:-1000000}
story "$ADDRESSES addresses from a file into force"
net_up
nginx_up

# Each once, in no order; one beside another of the same list in few cases.
list() { # LAST-LINE
	"$PYTHON" - "$ADDRESSES" "$1" <<-'PY'
		import sys
		n = int(sys.argv[1]) - 1
		out = []
		for i in range(n):
		    word = (i * 2654435761) & 0xffffffff
		    out.append("%d.%d.%d.%d\n" % (11 + (word >> 24) % 100, i >> 16 & 255, i >> 8 & 255, i & 255))
		sys.stdout.write("".join(out) + sys.argv[2] + "\n")
	PY
}
rss_kb() { awk '/^RssAnon/ { print $2 }' "/proc/$1/status"; }
map_kb() { cat "/proc/$PICKET_PID"/fdinfo/* 2>/dev/null | awk '/^memlock:/ { sum += $2 } END { printf "%d\n", sum / 1024 }'; }
memory_kb() { echo "$(map_kb) $(rss_kb "$PICKET_PID") $(rss_kb "$(sensor_pid)")"; } # maps, warden, sensor
of() { pk lists --json | jq -r "$1"; }
in_force() { [ "$(of .in_force)" = "$1" ]; }

printf '# nobody\n' >"$DIR/list"
list $D4 >"$DIR/first"
list $D6 >"$DIR/second"
picket_up "limits: {blocks_max: $((ADDRESSES + 1000))}
lists: [{name: bench, path: $DIR/list}]"
wait_until 20 "the list is read" in_force 0
read -r maps warden sensor <<<"$(memory_kb)"
mv "$DIR/first" "$DIR/list"
: >"$DIR/verdicts"
for i in $(seq 40); do
	pk block "198.18.0.$i" --ttl 10m --json | jq '(.installed_ns | tonumber) - (.received_ns | tonumber)' >>"$DIR/verdicts"
done
wait_until 60 "all of it is in force" in_force "$ADDRESSES"
took=$(of .took_ms)
if in_c curl -s -o /dev/null -m 0.5 --interface $D4 "http://$S4:$PORT/"; then fail "the last of the list gets an answer"; fi
sleep 3
read -r maps_after warden_after sensor_after <<<"$(memory_kb)"
more=$((maps_after - maps + warden_after - warden + sensor_after - sensor))
printf '%s addresses in force after %s ms; %s MB more (maps %s, warden %s, sensor %s); a verdict meanwhile at most %s ms\n' \
	"$ADDRESSES" "$took" $((more / 1000)) $(((maps_after - maps) / 1000)) $(((warden_after - warden) / 1000)) \
	$(((sensor_after - sensor) / 1000)) "$(sort -n "$DIR/verdicts" | awk 'END { printf "%.1f", $1 / 1e6 }')"
mv "$DIR/second" "$DIR/list"
served() { in_c curl -s -o /dev/null -m 3 --interface $D4 "http://$S4:$PORT/"; }
wait_until 30 "the difference is in force" served
printf 'one line changed: %s ms\n' "$(of .took_ms)"
at_most "milliseconds until a million are in force" 1500 $((took * 1000000 / (ADDRESSES > 1000000 ? ADDRESSES : 1000000)))
at_most "kilobytes for a million" 100000 $((more * 1000 / (ADDRESSES > 1000000 ? ADDRESSES / 1000 : 1000)))
picket_down
