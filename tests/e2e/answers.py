#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The other ends of answers.sh and answers-merged.sh.

answers.py backend PORT                 what nginx stands in front of: /ws becomes a WebSocket that says a few frames, anything
                                        else has its body read and is answered 201
answers.py websocket ADDRESS PORT PATH  asks for one, reads until it is closed, prints the status and how many bytes followed
answers.py pipeline ADDRESS PORT N      N requests in one write, then 3 in pieces; prints how many answers came
answers.py early ADDRESS PORT PATH      announces a body, sends half of it only after the answer, prints the status
answers.py slow ADDRESS PORT PATH       a keep-alive connection: one request, silence, and another one; prints both statuses
answers.py merge PORT                   a server whose paths say their status (/404/...): whatever it has read whole, it answers
                                        in one write
answers.py merged ADDRESS PORT SECONDS  four requests in one write to that server, silence, then three one by one; prints the
                                        statuses
"""
import re
import socket
import sys
import threading
import time

UPGRADE = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
# In a frame this is no answer.
FRAME = b"\x81\x1bHTTP/1.1 500 not an answer\n"


def read_head(sock):
    data = b""
    while b"\r\n\r\n" not in data:
        piece = sock.recv(65536)
        if not piece:
            return None, b""
        data += piece
    head, _, rest = data.partition(b"\r\n\r\n")
    return head, rest


def serve(sock):
    head, rest = read_head(sock)
    if head is None:
        return
    if b"/ws" in head.split(b"\r\n")[0]:
        sock.sendall(UPGRADE)
        for _ in range(3):
            sock.sendall(FRAME)
            sock.sendall(FRAME[2:])
            time.sleep(0.05)
    else:
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        left = int(length.group(1)) - len(rest) if length else 0
        while left > 0:
            left -= len(sock.recv(65536)) or left
        sock.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n")
    sock.close()


def backend(port):
    server = socket.create_server(("127.0.0.1", port), backlog=64)
    while True:
        sock, _ = server.accept()
        threading.Thread(target=serve, args=(sock,), daemon=True).start()


def merge(sock):
    data = b""
    while piece := sock.recv(65536):
        data += piece
        *heads, data = data.split(b"\r\n\r\n")
        if heads:
            sock.sendall(b"".join(b"HTTP/1.1 %s x\r\nContent-Length: 3\r\n\r\nok\n" % h.split(b"/")[1] for h in heads))


def serve_merged(port):
    server = socket.create_server(("0.0.0.0", port), backlog=64)
    while True:
        sock, _ = server.accept()
        threading.Thread(target=merge, args=(sock,), daemon=True).start()


def statuses(data):
    return re.findall(rb"HTTP/1\.1 (\d{3}) ", data)


def until(sock, enough):
    """What comes until there is enough of it, the peer closes, or ten seconds pass."""
    data = b""
    sock.settimeout(10)
    try:
        while not enough(data) and (piece := sock.recv(65536)):
            data += piece
    except (TimeoutError, ConnectionError):
        pass
    return data


def answered(sock, count):
    """How many answers came, of count that are awaited; another one of what was awaited too little is found by who reads next."""
    return len(statuses(until(sock, lambda data: len(statuses(data)) >= count)))


def websocket(sock, path):
    sock.sendall(b"GET %s HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n" % path)
    head, rest = read_head(sock)
    sock.sendall(b"\x81\x05hello")
    print(statuses(head)[0].decode(), len(rest + until(sock, lambda data: False)))


def pipeline(sock, count):
    paths = [b"/p/%d" % i if i % 3 else b"/missing/%d" % i for i in range(count)]
    heads = [b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % path for path in paths]
    sock.sendall(b"".join(heads))
    got = answered(sock, count)
    for head in heads[:3]:
        for i in range(0, len(head), 7):
            sock.sendall(head[i : i + 7])
            time.sleep(0.001)
    sock.shutdown(socket.SHUT_WR)
    print(got + answered(sock, 1 << 30))


def early(sock, path):
    sock.sendall(b"POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" % path)
    head, _ = read_head(sock)
    try:
        sock.sendall(b"x" * 50000)
    except ConnectionError:
        pass
    print(statuses(head)[0].decode())


def slow(sock, path):
    for i in range(2):
        sock.sendall(b"GET %s/%d HTTP/1.1\r\nHost: a\r\n\r\n" % (path, i))
        print(statuses(until(sock, statuses))[0].decode())
        time.sleep(0.4)  # the silence


def merged(sock, silence):
    def ask(*paths):
        sock.sendall(b"".join(b"GET /%d/x HTTP/1.1\r\nHost: a\r\n\r\n" % path for path in paths))
        data = b""
        while len(statuses(data)) < len(paths) or not data.endswith(b"ok\n"):
            data += sock.recv(65536)
        return [int(status) for status in statuses(data)]

    got = ask(200, 404, 500, 201)
    time.sleep(silence)  # what is tried here is silence itself
    print(*got, *ask(202), *ask(403), *ask(204))


if sys.argv[1] == "backend":
    backend(int(sys.argv[2]))
if sys.argv[1] == "merge":
    serve_merged(int(sys.argv[2]))
with socket.create_connection((sys.argv[2], int(sys.argv[3])), timeout=10) as s:
    if sys.argv[1] == "pipeline":
        pipeline(s, int(sys.argv[4]))
    elif sys.argv[1] == "merged":
        merged(s, float(sys.argv[4]))
    else:
        {"websocket": websocket, "early": early, "slow": slow}[sys.argv[1]](s, sys.argv[4].encode())
