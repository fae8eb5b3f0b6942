#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Two connections: one asks at once, the other nothing. Once FILE is there, both ask twice more.

    old-connections.py HOST PORT FILE
"""
import os
import socket
import sys
import time


def ask(connection, host, path):
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        piece = connection.recv(65536)
        if not piece:
            sys.exit(f"{path}: closed")
        answer += piece


host, port, file = sys.argv[1], int(sys.argv[2]), sys.argv[3]
used = socket.create_connection((host, port), 10)
silent = socket.create_connection((host, port), 10)
ask(used, host, "/before")
print("open", flush=True)
end = time.monotonic() + 30
while not os.path.exists(file):
    if time.monotonic() > end:
        sys.exit("nobody says go")
    time.sleep(0.02)
for number in (1, 2):
    ask(used, host, f"/used/{number}")
    ask(silent, host, f"/silent/{number}")
