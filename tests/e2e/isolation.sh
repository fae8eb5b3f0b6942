#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
story "a daemon in one namespace gets no event and no byte of another"
net_up
nginx_up
picket_up
events_start

# A second server with clients of its own, in namespaces of its own, on the same port.
mine_s=$NS_S mine_c=$NS_C
NS_S=pe2e-t-$$ NS_C=pe2e-u-$$
DIR_A=$DIR
net_up
mkdir -p "$DIR/b"
DIR=$DIR/b
cp "$DIR_A/pids" "$DIR/pids"
nginx_up
DIR=$DIR_A
own "$NGINX_PID"
kernel_counts() { status_of '[.kernel.reads_seen, .kernel.bytes_copied, .kernel.requests_produced, .kernel.headers_produced] | @csv'; }
before=$(settled 20 kernel_counts)
for i in $(seq 50); do
	in_c curl -s -o /dev/null "http://$S4:$PORT/neighbour/$i"
	in_s curl -s -o /dev/null "http://127.0.0.1:$PORT/neighbour/lo/$i"
done
equal "requests the neighbour's nginx answered" 100 "$(grep -c neighbour "$DIR/b/access.log")"
equal "reads, bytes, records of the kernel half" "$before" \
	"$(kernel_counts)"

# It does see its own, so it was not merely deaf.
NS_S=$mine_s NS_C=$mine_c
in_c curl -s -o /dev/null "http://$S4:$PORT/own"
wait_until 10 "its own request is seen" events_reach http.request 1 '."url.path" == "/own"'
equal "events about the neighbour" 0 "$(grep -c neighbour "$DIR/events.jsonl" || true)"
tell "100 requests next door: 0 events, 0 bytes; its own is seen"
picket_down
