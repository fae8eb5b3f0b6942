#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""sink.py PORT: an HTTP server that reads each request's body to its end, and says how many bytes came; one at a time."""
import re
import socket
import sys

server = socket.create_server(("", int(sys.argv[1])), backlog=16)
room = bytearray(1 << 16)
while True:
    c, _ = server.accept()
    head = b""
    while b"\r\n\r\n" not in head:
        piece = c.recv(1 << 14)
        if not piece:
            break
        head += piece
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    if length:
        left = int(length.group(1)) - (len(head) - head.index(b"\r\n\r\n") - 4)
        while left > 0:
            n = c.recv_into(room)
            if not n:
                break
            left -= n
        answer = b"%d\n" % (int(length.group(1)) - left)
        c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(answer), answer))
    c.close()
