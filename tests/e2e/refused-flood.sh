#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
# Segments that TCP refuses, or of which it passes over the beginning, cost their sender nothing; each may become a record
# of the ring that requests go through. They may not fill it: beyond capture.header_rate they are counted, and not told.
. "$(dirname "$0")/lib.sh"
story "refused segments and overlaps are told at a limited rate, and the rest is counted"
need_python socket
net_up
nginx_up
picket_up "capture:
  header_rate: 20
  header_burst: 20"
events_start
mac=$(in_c cat /sys/class/net/eth0/address)
ip -n "$NS_S" neigh replace 10.77.0.9 lladdr "$mac" dev eth0 nud permanent

FLOOD=300
throttled() { status_of .kernel.refused_throttled; }
for trick in refused-flood overlap-flood; do
	before=$(throttled)
	produced=$(status_of .kernel.requests_produced)
	headers=$(status_of .kernel.headers_throttled)
	began=$(date +%s)
	read -r _ status < <(in_c "$PYTHON" "$E2E/evader.py" 10.77.0.9 $S4 $PORT "$trick")
	equal "nginx's answer to $trick" 200 "$status"
	wait_until 10 "the request of $trick" events_reach http.request 1 ".\"url.path\" == \"/$trick/real\""
	# Each processor has a bucket of its own: full at first, and filled again while this took.
	most=$(($(nproc) * 20 * (2 + $(date +%s) - began)))
	counted=$(($(throttled) - before))
	at_least "segments of $trick that were counted and not told" $((FLOOD - most)) "$counted"
	# The reads themselves are records: of overlaps, one a segment.
	reads=20
	[ "$trick" = refused-flood ] || reads=$((reads + FLOOD))
	at_most "records that $trick made" $((most + reads)) $(($(status_of .kernel.requests_produced) - produced))
	equal "header events throttled by $trick" "$headers" "$(status_of .kernel.headers_throttled)"
	equal "what the account says of them" "$(throttled)" "$(status_of '.accounting.stages[] | select(.stage == "ring" and .kind == "requests") | .throttled')"
	tell "$trick: of $FLOOD segments $counted were counted and not told"
done
equal "the account" true "$(status_of .accounting.balanced)"
picket_down
