#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
# Large heads behind many small ones, and behind bodies that are skipped, on one connection: however much went by, the next
# request is read whole.
. "$(dirname "$0")/lib.sh"
story "requests of all sizes on one connection, with bodies between them, are seen once each"
need_python socket
net_up
nginx_up
picket_up
events_start
in_c "$PYTHON" - $S4 $PORT >"$DIR/answered" <<'PY'
import socket, sys
s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
answered = 0
def ask(head, body=b""):
    global answered
    s.sendall(head + body)
    got = b""
    while not got.endswith(b"ok\n"):
        piece = s.recv(65536)
        if not piece:
            sys.exit("the server closed")
        got += piece
    answered += 1
def large(path):
    ask(b"GET /large/%s HTTP/1.1\r\nHost: a\r\nCookie: c=%s\r\n\r\n" % (path, b"x" * 3000))
body = b"GET /inside HTTP/1.1\r\nHost: a\r\n\r\n" * 9000
for round in range(3):
    large(b"%d-first" % round)
    for i in range(2000):
        ask(b"GET /small/%d-%d?filler=%s HTTP/1.1\r\nHost: a\r\n\r\n" % (round, i, b"y" * 60))
    large(b"%d-behind-small" % round)
    ask(b"POST /length/%d HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (round, len(body)), body)
    large(b"%d-behind-a-body" % round)
    ask(b"POST /chunked/%d HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" % round,
        b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
    large(b"%d-behind-a-chunk" % round)
print(answered)
PY
wait_until 10 "nginx's log" test "$(cat "$DIR/answered")" = 6018
equal "requests that nginx logged" 6018 "$(settled 10 logged)"
wait_until 10 "every request" events_reach http.request 6018
events_of http.request | jq -r '[."http.request.method", ."url.path"] | join(" ")' | sort >"$DIR/seen"
sed 's/?.*//' "$DIR/access.log" | sort >"$DIR/logged"
same_file "requests, nginx's log against picket's events" "$DIR/logged" "$DIR/seen"
nothing_lost
tell "6018 requests as nginx logged them, nothing lost"
picket_down
