#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
# Urgent data (MSG_OOB): the kernel takes the byte out of the stream that the server reads, while sequence numbers count it.
# A client that puts such bytes anywhere hides no request and invents none; where the server keeps them in its stream
# (SO_OOBINLINE), picket does too.
. "$(dirname "$0")/lib.sh"
story "urgent bytes inside requests hide nothing and invent nothing"
need_python socket
net_up
nginx_up
picket_up
events_start

# Writes parts, U standing for an urgent byte; waits a little between them where pause says so.
in_c "$PYTHON" - $S4 $PORT <<'PY' >"$DIR/sent"
import socket, sys, time
address, port = sys.argv[1], int(sys.argv[2])
H = b" HTTP/1.1\r\nHost: api\r\n"
big = b"b" * 300000
shapes = [
    ("head", [b"GET /%(n)s-he", b"U", b"ad" + H, b"\r\n"]),
    ("method", [b"GE", b"U", b"T /%(n)s" + H + b"\r\n"]),
    ("first", [b"U", b"GET /%(n)s" + H + b"\r\n"]),
    ("header", [b"GET /%(n)s" + H + b"X-A: b", b"U", b"c\r\n", b"U", b"\r\n"]),
    ("run", [b"GET /%(n)s-", b"U", b"U", b"U", b"run" + H + b"\r\n"]),
    ("three", [b"G", b"U", b"E", b"U", b"T /%(n)s", b"U", H + b"\r\n"]),
    ("body", [b"POST /%(n)s" + H + b"Content-Length: 10\r\n\r\n12345", b"U", b"67890",
              b"GET /%(n)s-after" + H + b"\r\n"]),
    ("chunked", [b"POST /%(n)s" + H + b"Transfer-Encoding: chunked\r\n\r\n5\r\n12", b"U", b"345\r\n", b"U",
                 b"0\r\n\r\nGET /%(n)s-after" + H + b"\r\n"]),
    ("pipeline", [b"GET /%(n)s-1" + H + b"\r\n", b"U", b"GET /%(n)s-2" + H + b"\r\n", b"U", b"U",
                  b"GET /%(n)s-3" + H + b"\r\n"]),
    ("upload", [b"POST /%(n)s" + H + b"Content-Length: 600000\r\n\r\n" + big, b"U", big,
                b"GET /%(n)s-after" + H + b"\r\n"]),
    ("upload-run", [b"POST /%(n)s" + H + b"Content-Length: 600000\r\n\r\n" + big, b"U", b"U", b"U", big,
                    b"GET /%(n)s-after" + H + b"\r\n"]),
    ("last", [b"GET /%(n)s" + H + b"\r\n", b"U"]),
]
for pause in (0, 0.02):
    for name, parts in shapes:
        for i in range(3):
            s = socket.create_connection((address, port))
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            n = ("%s-%s-%d" % (name, "slow" if pause else "fast", i)).encode()
            for part in parts:
                if part == b"U":
                    s.send(b"!", socket.MSG_OOB)
                else:
                    s.sendall(part.replace(b"%(n)s", n))
                time.sleep(pause)
            s.shutdown(socket.SHUT_WR)
            s.settimeout(10)
            try:
                while s.recv(65536):
                    pass
            except OSError:
                pass
            s.close()
            print(n.decode())
PY
handled=$(settled 20 logged)
at_least "requests that nginx handled" 80 "$handled"
wait_until 15 "as many requests as nginx handled" events_reach http.request "$handled"
settled 20 events_count http.request >"$DIR/count"

requests() { events_of http.request | jq -r '(."http.request.method_original" // ."http.request.method") + " " + ."url.original"'; }
# Where a run of such bytes comes faster than nginx reads, the kernel leaves all but the last in: the body's end shifts, and
# nginx refuses what follows (400) by its first bytes, a method like bbGET.
grep ' 200 ' "$DIR/access.full" | cut -d' ' -f3,4 | sort >"$DIR/wanted"
requests | grep -v '^b' | sort >"$DIR/got"
same_file "requests as nginx answered them, urgent bytes left out" "$DIR/wanted" "$DIR/got"
equal "requests that nginx refused, by their shifted methods" "$(grep -c ' 400 b' "$DIR/access.full" || true)" \
	"$(requests | grep -c '^b' || true)"
equal "requests flagged after a gap" 0 "$(events_count http.request '."picket.deviations" // [] | index("after_gap")')"
equal "bytes lost" 0 "$(events_count picket.loss)"
tell "$handled requests around urgent bytes, each as nginx saw it, no gap"

# A server that keeps them in the stream: what it reads, it says.
cat >"$DIR/inline.py" <<'PY'
import socket, sys
l = socket.socket()
l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
l.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
l.bind(("0.0.0.0", 8090))
l.listen()
while True:
    s, _ = l.accept()
    data = b""
    while True:
        piece = s.recv(int(sys.argv[2]))
        data += piece
        if not piece or data.endswith(b"\r\n\r\n"):
            break
    if not data:
        s.close()
        continue
    with open(sys.argv[1], "a", encoding="latin-1") as f:
        f.write(data.split(b" HTTP/")[0].decode("latin-1") + "\n")
    s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    s.close()
PY
: >"$DIR/inline"
requests_inline() { requests | grep -c inline || true; }
inline_reaches() { [ "$(requests_inline)" -ge "$1" ]; }
listens() { in_s bash -c 'exec 3<>/dev/tcp/127.0.0.1/8090'; }
made=0
for size in 1 7 4096; do
	nsenter --net="/run/netns/$NS_S" "$PYTHON" "$DIR/inline.py" "$DIR/inline" $size &
	server=$!
	own $server
	wait_until 5 "the server listens" listens
	in_c "$PYTHON" - $S4 8090 <<'PY'
import socket, sys, time
for pause in (0, 0.02):
    s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
    for part in (b"GET /inl", b"i", b"ne HTTP/1.1\r\nHo", b"s", b"t: h\r\n", b"\r", b"\n"):
        s.send(part, socket.MSG_OOB if len(part) == 1 else 0)
        time.sleep(pause)
    s.settimeout(10)
    s.recv(1000)
PY
	made=$((made + 2))
	kill $server
	wait_until 5 "the server ends" gone $server
done
wait_until 10 "the requests of the server with SO_OOBINLINE" inline_reaches $made
equal "requests that it read" "$made" "$(grep -c '^GET /inline$' "$DIR/inline")"
equal "requests seen of it" "$made" "$(requests | grep -c '^GET /inline$')"
tell "$made requests with urgent bytes that stay in the stream, each whole"
picket_down
