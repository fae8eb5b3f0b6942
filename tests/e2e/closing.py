#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A server that watches its connections end.

closing.py serve ADDRESS PORT CONTROL COUNT   takes COUNT connections (IPv4 and IPv6), then has picket block each client in turn and
                                              waits for the server's own socket to say so; prints "closed MILLISECONDS" (from before
                                              the wish was sent), or "open" where nothing came within 5 s
closing.py sink ADDRESS PORT                  takes connections and keeps them
closing.py hold ADDRESS PORT SOURCE...        opens a connection from each source, sends a line, prints how each ended: "reset", "eof"
"""
import http.client
import json
import select
import socket
import sys
import time


class Control(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def serve(address, port, control, count):
    listener = socket.create_server((address, port), family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                                    backlog=1024, dualstack_ipv6=address == "::")
    accepted = []
    while len(accepted) < count:
        connection, peer = listener.accept()
        assert connection.recv(64)
        accepted.append((connection, peer[0].removeprefix("::ffff:")))
    for connection, peer in accepted:
        begin = time.monotonic()
        wish = Control(control)
        wish.request("POST", "/v1/blocks", json.dumps({"target": peer, "ttl_s": 60}), {"Content-Type": "application/json"})
        poll = select.poll()
        poll.register(connection, select.POLLIN)
        told = poll.poll(5000)
        end = time.monotonic()
        answer = wish.getresponse()
        body = answer.read()
        assert answer.status in (200, 201), body
        try:
            ended = bool(told) and connection.recv(64) == b""
        except ConnectionError:
            ended = True
        print(f"closed {(end - begin) * 1000:.3f}" if ended else "open", flush=True)


def sink(address, port):
    listener = socket.create_server((address, port))
    kept = []
    while True:
        kept.append(listener.accept())


def hold(address, port, sources):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    held = []
    for source in sources:
        s = socket.socket(family)
        s.bind((source, 0))
        s.connect((address, port))
        s.sendall(b"here\n")
        held.append(s)
    for s in held:
        s.settimeout(30)
        try:
            print("eof" if s.recv(64) == b"" else "bytes", flush=True)
        except TimeoutError:
            print("nothing", flush=True)
        except ConnectionError:
            print("reset", flush=True)


if sys.argv[1] == "serve":
    serve(sys.argv[2], int(sys.argv[3]), sys.argv[4], int(sys.argv[5]))
elif sys.argv[1] == "sink":
    sink(sys.argv[2], int(sys.argv[3]))
else:
    hold(sys.argv[2], int(sys.argv[3]), sys.argv[4:])
