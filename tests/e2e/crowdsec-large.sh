#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/lapi.sh
. "$(dirname "$0")/lapi.sh"
story "100,000 decisions of a real CrowdSec LAPI are in the kernel within seconds, and so is one more"
DECISIONS=100000
net_up
nginx_up
lapi_up
served() { in_c curl -s -o /dev/null -m 0.5 --interface "$1" "http://$S4:$PORT/"; }
dropped() { ! served "$1"; }
of() { pk lists --json | jq -r "select(.name == \"crowdsec\") | $1"; }
of_is() { [ "$(of "$1")" = "$2" ]; }
# Sanitizers take three times the memory and the time.
most() { if grep -q __asan_init "$PICKET_BIN"; then echo $(($1 * 3)); else echo "$1"; fi; }
memory_of() { awk '/^VmHWM/ { print $2 }' "/proc/$1/status"; }
imported_all() { [ "$(in_s curl -s -H "X-Api-Key: $(cat "$DIR/lapi/other")" "$LAPI_URL/v1/decisions/stream?startup=true" | jq '.new | length')" -ge $DECISIONS ]; }

{
	echo duration,scope,value
	awk -v n=$((DECISIONS - 1)) 'BEGIN { for (i = 0; i < n; i++) printf "4h,Ip,100.%d.%d.%d\n", 64 + i / 65536, (i / 256) % 256, i % 256 }'
	echo "4h,Ip,$D4"
} >"$DIR/decisions.csv"
cs bouncers add other -o raw | tail -n 1 >"$DIR/lapi/other"
cs decisions import -i "$DIR/decisions.csv" >/dev/null
wait_until 60 "the LAPI has them all" imported_all
alone=$(in_s curl -s -o /dev/null -w '%{time_total}' -H "X-Api-Key: $(cat "$DIR/lapi/other")" "$LAPI_URL/v1/decisions/stream?startup=true" |
	awk '{ print int($1 * 1000) }')
began=$(date +%s%N)
picket_up "limits: {blocks_max: 200000}
$(lapi_gateway "interval: 1s")"
wait_until 30 "all are in force" of_is .in_force $DECISIONS
took=$((($(date +%s%N) - began) / 1000000))
if served $D4; then fail "the last of them gets an answer"; fi
equal "in the kernel, and missing there" "$DECISIONS 0" "$(status_of '"\(.blocks.installed) \(.blocks.missing)"')"
answer=$(of .took_ms)
tell "$DECISIONS decisions: in force $took ms after the start of picket, ${answer} ms after they were asked for (the LAPI's answer alone takes $alone ms); the sensor had at most $(memory_of "$(sensor_pid)") kB"
# On a quiet machine 1.8 s, of which the LAPI takes 1.2 s; on a busy one as much more as the LAPI needs.
at_most "milliseconds from the start until they are in force" "$(most $((${CROWDSEC_MOST_MS:-3000} * (alone > 1200 ? alone : 1200) / 1200)))" "$took"
at_most "kB that the sensor needs at most" "$(most 130000)" "$(memory_of "$(sensor_pid)")"

cs decisions add -i $C4 -d 1h >/dev/null
began=$(date +%s%N)
wait_until 10 "one more is in force" dropped $C4
tell "one more: $((($(date +%s%N) - began) / 1000000)) ms after cscli said it was there (asked for each second)"
equal "read as a difference" "added=1 removed=0" "$(grep 'a block list was read' "$DIR/picket.log" | tail -n 1 | grep -o 'added=1 removed=0')"
picket_down
