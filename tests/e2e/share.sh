#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "one source that sends ten times what the ring can hold costs another source nothing"
need h2load timeout
net_up
NGINX_FULL="\$remote_addr \$request_method \$request_uri" nginx_up
gateway_up
# A ring so small that 20 ms of the loud source, the time between two looks, fill it ten times over: heads of 8 kB. The
# loud source also takes most of the processors from the sensor, which then comes much later than after 20 ms.
picket_up "$(gateway_yaml)
capture:
  ring_bytes: 256KiB
  ports: [$PORT]"
pad=$(head -c 7000 /dev/zero | tr '\0' p)
timeout -s INT 100 nsenter --net="/run/netns/$NS_C" h2load --h1 -n 100000000 -c 16 -t 1 -H "X-Pad: $pad" "http://$S4:$PORT/loud" >"$DIR/load" 2>&1 &
loud=$!
own $loud
over() { [ "$(status_of .kernel.requests_over_share)" -gt 1000 ]; }
wait_until 20 "the loud source is over its share" over
n=0
while [ $n -lt 100 ] && alive $loud; do
	in_c curl -s -o /dev/null -m 5 --interface $D4 "http://$S4:$PORT/quiet/$n" && n=$((n + 1))
done
at_least "requests of the quiet source beside the loud one" 50 "$n"
kill -INT $loud
wait_until 10 "the loud source ends" gone $loud
sed -n "s/^$D4 //p" "$DIR/access.full" | sort >"$DIR/logged"
quiet() {
	jq -r --arg d $D4 'select(.data."event.name" == "http.request" and .data."network.peer.address" == $d)
		| .data."http.request.method" + " " + .data."url.original"' "$DIR/gateway.jsonl" | sort
}
all() { [ "$(quiet | wc -l)" -ge "$(wc -l <"$DIR/logged")" ]; }
wait_until 20 "every request of the quiet source" all
quiet >"$DIR/seen"
same_file "requests of the quiet source" "$DIR/logged" "$DIR/seen"
tell "$n of $n requests of the quiet source seen, while $(status_of .kernel.requests_over_share) records of the loud one were over its share"
wait_until 30 "an even account" account_is_even
picket_down
