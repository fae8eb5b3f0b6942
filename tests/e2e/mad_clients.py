#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Clients about whom a model is asked: mad_clients.py SERVER PORT GOOD BAD KEPT CUT

10.66.1.1 to .GOOD ask for an item each, 10.66.2.1 to .BAD guess passwords, and so do 10.66.3.1 to .KEPT, who ask for an item as well;
all of them every two seconds, until the process is ended. Each request for an item that is not answered, asked twice, is a line of CUT
(address and what happened): of these clients nobody is to be blocked.
"""
import socket
import sys
import threading
import time

server, port, cut = sys.argv[1], int(sys.argv[2]), sys.argv[6]
GOOD, BAD, KEPT = (int(n) for n in sys.argv[3:6])
PACE_S = 2
lock = threading.Lock()


def ask(source, method, target, timeout):
    """None, or what went wrong."""
    head = "%s %s HTTP/1.1\r\nHost: api.example\r\nUser-Agent: client/1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    try:
        with socket.create_connection((server, port), timeout=timeout, source_address=(source, 0)) as s:
            s.sendall((head % (method, target)).encode())
            return None if s.recv(4096).startswith(b"HTTP/1.1 ") else "no answer"
    except OSError as e:
        return repr(e)


def item(source):
    if ask(source, "GET", "/items/" + source.rsplit(".", 1)[1], 5):
        wrong = ask(source, "GET", "/", 15)
        if wrong:
            with lock, open(cut, "a", encoding="ascii") as f:
                f.write("%s %s\n" % (source, wrong))


def guess(source, timeout):
    for _ in range(2):
        if ask(source, "POST", "/api/login", timeout):
            return


def go_on(group, count, what):
    while True:
        begun = time.monotonic()
        for n in range(1, count + 1):
            what("10.66.%d.%d" % (group, n))
        time.sleep(max(0, PACE_S - (time.monotonic() - begun)))


def kept(source):
    guess(source, 5)
    item(source)


threads = [threading.Thread(target=go_on, args=which, daemon=True)
           for which in ((1, GOOD, item), (2, BAD, lambda source: guess(source, 0.5)), (3, KEPT, kept))]
for t in threads:
    t.start()
for t in threads:
    t.join()
