#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""As much of a CrowdSec local API as a bouncer asks at its start: lapi.py PORT FILE. Every address of FILE is a ban of four hours."""
import http.server
import json
import sys

port, path = int(sys.argv[1]), sys.argv[2]
with open(path, encoding="ascii") as f:
    bans = [
        {"duration": "4h0m0s", "id": i + 1, "origin": "lists", "scenario": "bench", "scope": "Ip", "type": "ban", "value": line.strip()}
        for i, line in enumerate(f)
    ]
everything = json.dumps({"new": bans, "deleted": None}).encode()
nothing = json.dumps({"new": None, "deleted": None}).encode()


class Lapi(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = everything if "startup=true" in self.path else nothing
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", port), Lapi).serve_forever()
