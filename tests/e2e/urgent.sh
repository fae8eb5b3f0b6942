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
NGINX_FULL="\$remote_port \$status \$request" nginx_up
picket_up
events_start

# Writes parts, U standing for an urgent byte: at once, with a little time between them, and (late) while nginx stands still.
# shellcheck disable=SC2046
in_c "$PYTHON" - $S4 $PORT $NGINX_PID $(pgrep -P $NGINX_PID) <<'PY' >"$DIR/sent"
import os, signal, socket, sys, time
address, port = sys.argv[1], int(sys.argv[2])
def nginx(signal_number):
    for pid in sys.argv[3:]:
        os.kill(int(pid), signal_number)
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
for way in ("fast", "slow", "late"):
    for name, parts in shapes:
        # What the kernel leaves in of the others nginx reads only when the connection's time is over.
        if way == "late" and name not in ("three", "run", "chunked"):
            continue
        for i in range(3):
            s = socket.create_connection((address, port))
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            n = ("%s-%s-%d" % (name, way, i)).encode()
            if way == "late":
                nginx(signal.SIGSTOP)
            for part in parts:
                if part == b"U":
                    s.send(b"!", socket.MSG_OOB)
                else:
                    s.sendall(part.replace(b"%(n)s", n))
                time.sleep(0.02 if way == "slow" else 0)
            if way == "late":
                time.sleep(0.01) # over veth all of it has come
                nginx(signal.SIGCONT)
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
at_least "requests that nginx handled" 86 "$handled"
wait_until 15 "as many requests as nginx handled" events_reach http.request "$handled"
settled 20 events_count http.request >"$DIR/count"

requests() { events_of http.request | jq -r '(."http.request.method_original" // ."http.request.method") + " " + ."url.original"'; }
# Where such bytes come faster than nginx reads, the kernel leaves all but the last in. What is then no method nginx refuses
# (400), and what comes behind it on that connection it reads and throws away: picket has that, too, as it was read. Where a
# body's end shifts, what follows is refused by its first bytes, a method like bbGET.
requests_by_port() {
	events_of http.request |
		jq -r '(."client.port" | tostring) + " " + (."http.request.method_original" // ."http.request.method") + " " + ."url.original"'
}
awk '$2 == 200 { print $1, $3, $4 }' "$DIR/access.full" | sort >"$DIR/wanted"
awk '$2 == 400 { print $1 }' "$DIR/access.full" | sort -u >"$DIR/refusing"
requests_by_port | sort >"$DIR/got"
comm -23 "$DIR/wanted" "$DIR/got" >"$DIR/missing"
same_file "requests that nginx answered, urgent bytes left out, and picket has not" /dev/null "$DIR/missing"
comm -13 "$DIR/wanted" "$DIR/got" | awk 'FILENAME == ARGV[1] { refusing[$1]; next } !($1 in refusing)' "$DIR/refusing" - >"$DIR/invented"
same_file "requests that nginx did not answer, on connections where it refused none" /dev/null "$DIR/invented"
equal "requests that nginx refused, by their shifted methods" "$(awk '$2 == 400 && $3 ~ /^b/' "$DIR/access.full" | wc -l)" \
	"$(requests | grep -c '^b' || true)"
equal "requests flagged after a gap" 0 "$(events_count http.request '."picket.deviations" // [] | index("after_gap")')"
# Where a chunk's head shifts, nginx refuses the body, and its end is in doubt for picket, too: the rest of that body it passes
# over and says so. Of no other connection are bytes lost.
shifted=$(grep -c "invalid chunked body" "$DIR/nginx.error" || true)
at_least "chunked bodies that nginx refused" 3 "$shifted"
lost=$(events_of picket.loss | jq -s 'map(."picket.loss.count") | add // 0')
at_most "bytes passed over, at most the end of each refused body" $((shifted * $(printf '345\r\n0\r\n\r\n' | wc -c))) "$lost"
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
