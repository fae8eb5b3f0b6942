#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
# Servers take bytes from sockets in many ways. Whatever goes through the kernel's copy to an iovec is seen once; splice(2)
# and MSG_TRUNC copy nothing that could be seen: those bytes are told as lost, and the connection says that it has a gap.
# io_uring receives through the same copy, in a system call of the server, in a worker thread of the kernel, or in one
# that polls: each of its ways is seen, under the process id of the server.
. "$(dirname "$0")/lib.sh"
story "requests are seen once however a server reads, or told as unseen"
need_python socket os
"$PYTHON" -c 'import os; os.splice' 2>/dev/null || skip "$PYTHON has no os.splice"
net_up
nginx_up
picket_up
events_start
nsenter --net="/run/netns/$NS_S" "$PYTHON" "$E2E/readers.py" serve 8100 &
own $!
listens() { in_s bash -c 'exec 3<>/dev/tcp/127.0.0.1/8106'; }
wait_until 5 "the server listens" listens

CONNECTIONS=20 REQUESTS=5
all=$((CONNECTIONS * REQUESTS))
of_way() { events_count http.request ".\"url.original\" | startswith(\"/$1/\")"; }
closed_on() { [ "$(events_count net.connection ".\"server.port\" == $1 and .\"picket.connection.bytes_received\" > 0")" -ge "$CONNECTIONS" ]; }

# Each request of this way is seen once, and no connection has a gap.
seen_once() { # WAY PORT
	in_c "$PYTHON" "$E2E/readers.py" ask $S4 "$2" "$1" $CONNECTIONS $REQUESTS >/dev/null
	wait_until 10 "the connections of $1 ended" closed_on "$2"
	equal "requests read by $1" $all "$(of_way "$1")"
	equal "connections of $1 with a gap" 0 \
		"$(events_count net.connection ".\"server.port\" == $2 and .\"picket.connection.gaps\" > 0")"
}

port=8100
for way in recv peek readv recvmsg bytes; do
	seen_once $way $port
	port=$((port + 1))
done
tell "$all requests each by recv, MSG_PEEK and recv, readv, recvmsg and single bytes: each once"

# Where the kernel has no io_uring, or refuses it, that is said, and nothing is claimed of it.
: "${PICKET_URING:=$PICKET_BUILD/tests/e2e/uring_server}"
nsenter --net="/run/netns/$NS_S" "$PICKET_URING" 8200 256 >"$DIR/uring" 2>"$DIR/left" &
URING_PID=$!
own $URING_PID
uring_decided() { grep -q '^ready' "$DIR/uring" || gone $URING_PID; }
wait_until 10 "the ways of io_uring are known" uring_decided
if gone $URING_PID; then
	wait $URING_PID && status=0 || status=$?
	equal "exit status of the server by io_uring" 77 "$status"
	say "  not tried: $(cat "$DIR/uring")"
fi
while read -r name at pid; do
	case $name in uring-*) ;; *) continue ;; esac
	if [ "$at" = - ]; then
		say "  not tried: $name, this kernel says: $pid"
		continue
	fi
	seen_once "$name" "$at"
	equal "requests of $name under the server's process id" $all \
		"$(events_count http.request ".\"server.port\" == $at and .\"picket.process.pid\" == $pid")"
	tell "$all requests by $name: each once, read by process $pid"
done <"$DIR/uring"
equal "bytes told as lost" 0 "$(events_count picket.loss)"

lost() { events_of picket.loss | jq -s 'map(select(."picket.loss.stage" == "stream" and ."picket.loss.kind" == "bytes") | ."picket.loss.count" | tonumber) | add // 0'; }
lost_reach() { [ "$(lost)" -ge "$1" ]; }
before=0
for way in splice trunc; do
	sent=$(in_c "$PYTHON" "$E2E/readers.py" ask $S4 $port $way $CONNECTIONS $REQUESTS)
	wait_until 10 "the connections of $way ended" closed_on $port
	equal "requests seen of those that were taken by $way" 0 "$(of_way $way)"
	# The last byte of a connection may have been its end (FIN), and is not held to be lost.
	wait_until 10 "the bytes of $way are told as lost" lost_reach $((before + sent - CONNECTIONS))
	at_most "bytes told as lost of those that were taken by $way" "$sent" "$(($(lost) - before))"
	equal "connections of $way with a gap" $CONNECTIONS \
		"$(events_count net.connection ".\"server.port\" == $port and .\"picket.connection.gaps\" > 0")"
	before=$(lost)
	port=$((port + 1))
	tell "$sent bytes (to one a connection) taken by $way: unseen, and told so, on each of $CONNECTIONS connections"
done
picket_down
