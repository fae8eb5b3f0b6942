#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A server that takes requests of known length from its sockets in every way that Python has, and the client of every
such server.

readers.py serve PORT          the way is the port's distance from PORT, in the order of WAYS
readers.py ask ADDRESS PORT WAY CONNECTIONS REQUESTS    WAY stands in the targets; prints the bytes sent
"""
import os
import selectors
import socket
import sys

WAYS = ["recv", "peek", "readv", "recvmsg", "bytes", "splice", "trunc"]
SIZE = 256
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def take(sock, way, pipe):
    """Takes up to SIZE bytes; 0 at the end."""
    if way == "recv":
        return len(sock.recv(SIZE))
    if way == "peek":
        sock.recv(SIZE, socket.MSG_PEEK)
        sock.recv(SIZE // 2, socket.MSG_PEEK)
        return len(sock.recv(SIZE))
    if way == "readv":
        return os.readv(sock.fileno(), [bytearray(7), bytearray(50), bytearray(SIZE - 57)])
    if way == "recvmsg":
        return len(sock.recvmsg(SIZE)[0])
    if way == "bytes":
        return len(sock.recv(1))
    if way == "splice":
        n = os.splice(sock.fileno(), pipe[1], SIZE)
        if n:
            os.read(pipe[0], n)
        return n
    return len(sock.recv(SIZE, socket.MSG_TRUNC))


def serve(port):
    events = selectors.DefaultSelector()
    pipe = os.pipe()
    for i, way in enumerate(WAYS):
        listener = socket.create_server(("0.0.0.0", port + i), backlog=128)
        events.register(listener, selectors.EVENT_READ, (way, None))
    while True:
        for key, _ in events.select():
            way, taken = key.data
            if taken is None:
                conn, _ = key.fileobj.accept()
                events.register(conn, selectors.EVENT_READ, (way, [0]))
                continue
            conn = key.fileobj
            n = take(conn, way, pipe)
            taken[0] += n
            if n == 0:
                events.unregister(conn)
                conn.close()
            elif taken[0] % SIZE == 0:
                conn.sendall(ANSWER)


def request(way, connection, number):
    head = f"GET /{way}/{connection}/{number} HTTP/1.1\r\nHost: readers\r\nX: ".encode()
    return head + b"x" * (SIZE - len(head) - 4) + b"\r\n\r\n"


def ask(address, port, way, connections, requests):
    sent = 0
    for i in range(connections):
        with socket.create_connection((address, port), timeout=5) as s:
            for k in range(requests):
                s.sendall(request(way, i, k))
                sent += SIZE
                answer = b""
                while len(answer) < len(ANSWER):
                    answer += s.recv(len(ANSWER) - len(answer))
    print(sent)


if sys.argv[1] == "serve":
    serve(int(sys.argv[2]))
else:
    ask(sys.argv[2], int(sys.argv[3]), sys.argv[4], int(sys.argv[5]), int(sys.argv[6]))
