#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What looks like sshd to those who look at sockets and process names, and a client of it that never logs in.

sshd.py listen PORT FILE                     a process named sshd that listens and keeps every connection open
sshd.py connect ADDRESS PORT SOURCE FILE     opens a connection, waits for the banner, keeps it open

FILE gets a line as soon as it is so.
"""
import socket
import sys
import time


def told(path, text):
    with open(path, "a") as f:
        f.write(text + "\n")


def listen(port, path):
    with open("/proc/self/comm", "w") as f:
        f.write("sshd")
    server = socket.create_server(("", port))
    told(path, "listens")
    kept = []
    while True:
        connection, _ = server.accept()
        connection.sendall(b"SSH-2.0-story\r\n")
        kept.append(connection)


def connect(address, port, source, path):
    with socket.create_connection((address, port), timeout=10, source_address=(source, 0)) as s:
        if not s.recv(64).startswith(b"SSH-"):
            sys.exit("no banner")
        told(path, "open")
        time.sleep(3600)


command, arguments = sys.argv[1], sys.argv[2:]
if command == "listen":
    listen(int(arguments[0]), arguments[1])
elif command == "connect":
    connect(arguments[0], int(arguments[1]), arguments[2], arguments[3])
else:
    sys.exit(__doc__)
