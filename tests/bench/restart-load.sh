#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
# How soon after a start all blocks of the journal are in force again, and what they cost in memory.
#
#     restart-load.sh [BLOCKS]     default 1000000
#
# The bar, for a million: in force 2 s after the start of the process, on two processors with nothing else to do.
. "$(dirname "$0")/../e2e/lib.sh"
BLOCKS=${1:-1000000}
FILL=$PICKET_BUILD/tests/bench/journal_fill
story "$BLOCKS blocks back from the journal"
[ -x "$FILL" ] || skip "no $FILL"
net_up
nginx_up
mkdir -p "$DIR/state"
chmod 700 "$DIR/state"
begin=$(date +%s%3N)
"$FILL" "$DIR/state" "$BLOCKS" || fail "the journal could not be filled"
say "filled in $(($(date +%s%3N) - begin)) ms: $(stat -c %s "$DIR/state/journal.db" | awk '{ printf "%.0f MB", $1 / 1e6 }')"
sync
LAST=$(printf '%d.%d.%d.%d' $((11 + (BLOCKS - 1 >> 24))) $((BLOCKS - 1 >> 16 & 255)) $((BLOCKS - 1 >> 8 & 255)) $((BLOCKS - 1 & 255)))
# What a process has used of the processors, in ms: beside others a start takes longer than that.
cpu_ms() { awk -v hz="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); printf "%d", ($12 + $13) * 1000 / hz }' "/proc/$1/stat"; }
rss_kb() { awk '/^RssAnon/ { print $2 }' "/proc/$1/status"; }

for round in first again; do
	begin=$(date +%s%3N)
	picket_up "limits: {blocks_max: $((BLOCKS + 1000))}"
	ready=$(($(date +%s%3N) - begin))
	took=$(($(date -d "$(grep 'in force again' "$DIR/picket.log" | tail -n 1 | cut -d' ' -f1)" +%s%3N) - begin))
	equal "blocks in the kernel" "$BLOCKS" "$(status_of .blocks.installed)"
	equal "blocks in the list" "$BLOCKS" "$(status_of .blocks.desired)"
	pk why "$LAST" >/dev/null || fail "$LAST is not blocked"
	restored=$(status_of .journal.restored.ms)
	say "$round: $BLOCKS blocks in force $took ms after the start of the process, $restored of them for reading and installing;" \
		"the API answers after $ready ms; of the processors the sensor had $(cpu_ms "$(sensor_pid)") ms by then, the warden" \
		"$(cpu_ms "$PICKET_PID") ms; the sensor has $(($(rss_kb "$(sensor_pid)") / 1000)) MB, the warden $(($(rss_kb "$PICKET_PID") / 1000)) MB"
	[ "$round" = first ] && picket_down
done
old=$(sensor_pid)
begin=$(date +%s%3N)
kill -KILL "$old"
new_sensor() { [ -n "$(sensor_pid)" ] && [ "$(sensor_pid)" != "$old" ] && pk status; }
wait_until 60 "a new sensor" new_sensor
say "a sensor that died: the next one knows all of them after $(($(date +%s%3N) - begin)) ms (the kernel held them meanwhile)"
at_most "milliseconds until a million are in force again" 2000 $((took * 1000000 / (BLOCKS > 1000000 ? BLOCKS : 1000000)))
picket_down
