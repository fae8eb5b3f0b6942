#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""For forwarder.sh.

    tls_sink.py serve PORT CERTIFICATE KEY COUNTS   takes POSTs over TLS and answers when it has the body; COUNTS is written anew
                                                    each tenth of a second: connections, requests, events
    tls_sink.py feed SOCKET EVENTS RATE SECONDS     lines of the file EVENTS to a unix socket, at a steady rate
"""
import itertools
import json
import os
import re
import socket
import ssl
import sys
import threading
import time

counts = {"connections": 0, "requests": 0, "events": 0}


def serve(c):
    stream = c.makefile("rb", buffering=1 << 18)
    try:
        while stream.readline():
            length = 0
            while True:
                line = stream.readline()
                if line in (b"\r\n", b""):
                    break
                found = re.match(rb"(?i)content-length: *(\d+)", line)
                if found:
                    length = int(found.group(1))
            body = stream.read(length)
            counts["requests"] += 1
            counts["events"] += body.count(b'{"specversion"')
            c.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
    except (OSError, ValueError):
        pass
    finally:
        c.close()


def tell(path):
    while True:
        with open(path + ".new", "w") as f:
            json.dump(counts, f)
        os.rename(path + ".new", path)
        time.sleep(0.1)


def main(args):
    if args[0] == "feed":
        with open(args[2], "rb") as f:
            lines = itertools.cycle(f.readlines())
        s = socket.socket(socket.AF_UNIX)
        s.connect(args[1])
        rate, begun, sent = int(args[3]), time.monotonic(), 0
        while time.monotonic() - begun < float(args[4]):
            due = int((time.monotonic() - begun) * rate)
            s.sendall(b"".join(itertools.islice(lines, due - sent)))
            sent = due
            time.sleep(0.01)
        print(sent)
        return
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(args[2], args[3])
    threading.Thread(target=tell, args=(args[4],), daemon=True).start()
    server = socket.create_server(("127.0.0.1", int(args[1])), backlog=64)
    while True:
        c, _ = server.accept()
        c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            c = context.wrap_socket(c, server_side=True)
        except (OSError, ssl.SSLError):
            continue
        counts["connections"] += 1
        threading.Thread(target=serve, args=(c,), daemon=True).start()


main(sys.argv[1:])
