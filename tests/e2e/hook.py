#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A webhook for tests: hook.py PORT LOG STATUS. Each POST becomes a line of LOG, and is answered with the status in the file STATUS."""
import http.server
import json
import sys

port, log_path, status_path = int(sys.argv[1]), sys.argv[2], sys.argv[3]


class Hook(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        line = {
            "path": self.path,
            "authorization": self.headers["Authorization"],
            "key": self.headers["Idempotency-Key"],
            "body": json.loads(body),
        }
        with open(status_path, encoding="ascii") as f:
            status = int(f.read())
        if status == 200:
            with open(log_path, "a", encoding="ascii") as f:
                f.write(json.dumps(line) + "\n")
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", port), Hook).serve_forever()
