#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
# Longer than sequence numbers reach: the kernel is told step by step how much to pass over, and is never left without.
. "$(dirname "$0")/lib.sh"
story "of a body of 4.5 GiB hardly anything is copied, and what follows it is seen"
need_python socket re
net_up
nginx_up
SINK_PORT=8081
BYTES=$((9 << 29))
truncate -s $BYTES "$DIR/large"
nsenter --net="/run/netns/$NS_S" "$PYTHON" "$E2E/../bench/sink.py" $SINK_PORT &
own $!
wait_until 10 "the sink listens" in_s bash -c "exec 3<>/dev/tcp/127.0.0.1/$SINK_PORT"
picket_up
events_start

copied() { status_of .kernel.bytes_copied; }
before=$(copied)
equal "bytes that the server read" $BYTES "$(in_c curl -s -H 'Expect:' --limit-rate 1G -T "$DIR/large" -X POST "http://$S4:$SINK_PORT/upload")"
wait_until 10 "the upload is seen" events_reach http.request 1 '."url.path" == "/upload"'
stray=$(($(copied) - before))
at_most "bytes copied" $((256 * 1024)) $stray
equal "size of the body" $BYTES "$(events_of http.request | jq -r 'select(."url.path" == "/upload") | ."http.request.body.size"')"
equal "bytes lost" 0 "$(status_of .capture.gap_bytes)"
tell "$stray bytes of $BYTES copied"
picket_down
