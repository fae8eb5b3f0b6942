#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The engine beside lunar.cfg: lunar_engine.py PORT LOG

Gets a line "DECLARED SEEN" for each inspected body: its Content-Length, and how many bytes of it a flow would see. Writes it down
and lets it pass. Stopped (SIGSTOP), it is an engine that hangs.
"""
import socketserver
import sys


class Inspect(socketserver.StreamRequestHandler):
    def handle(self):
        line = self.rfile.readline()
        with open(sys.argv[2], "ab") as log:
            log.write(line)
        self.wfile.write(b"pass\n")


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    request_queue_size = 64


Server(("127.0.0.1", int(sys.argv[1])), Inspect).serve_forever()
