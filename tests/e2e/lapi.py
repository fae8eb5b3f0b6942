#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A CrowdSec LAPI as the newest version answers, and as a broken one does: for the story crowdsec-newest.

    lapi.py PORT FOLDER

FOLDER/startup is what a stream with startup=true answers; FOLDER/delta what the next one without answers, once. FOLDER/mode
says how: ok, or one of the failures below. Requests go to FOLDER/requests as JSON lines.
"""
import http.server
import json
import os
import pathlib
import sys
import time

FOLDER = pathlib.Path(sys.argv[2])
EMPTY = b'{"new": [], "deleted": []}'


def mode():
    try:
        return (FOLDER / "mode").read_text().strip()
    except FileNotFoundError:
        return "ok"


class Lapi(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def note(self, body):
        line = {"method": self.command, "path": self.path, "key": self.headers.get("X-Api-Key"),
                "agent": self.headers.get("User-Agent"), "encoding": self.headers.get("Content-Encoding"),
                "body": json.loads(body) if body else None}
        with open(FOLDER / "requests", "a", encoding="utf-8") as out:
            out.write(json.dumps(line) + "\n")

    def answer(self, status, body, kind="application/json"):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def chunks(self, body):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for at in range(0, len(body), 1000):
            part = body[at:at + 1000]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        self.wfile.write(b"0\r\n\r\n")

    def broken(self, how, body):
        """True: it was answered so."""
        if how.isdigit():
            self.answer(int(how), b'{"message":"so be it"}')
        elif how == "html":
            self.answer(200, b"<html><body>log in</body></html>", "text/html")
        elif how == "other":
            self.answer(200, b'{"status":"up"}')
        elif how == "cut":  # less than was announced, and the end
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[:len(body) // 2])
            self.close_connection = True
        elif how == "half":  # the same, as if that were all
            self.answer(200, body[:len(body) // 2])
        elif how == "endless":
            self.send_response(200)
            self.end_headers()
            self.close_connection = True
            self.wfile.write(b'{"new": [')
            try:
                while True:
                    self.wfile.write(b'{"value":"192.0.2.1","scope":"AS","type":"ban","duration":"1h"},' * 5000)
            except OSError:
                pass
        elif how == "silent":
            time.sleep(30)
            self.close_connection = True
        else:
            return False
        return True

    def stream(self):
        startup = "startup=true" in self.path
        body = EMPTY
        if startup:
            body = (FOLDER / "startup").read_bytes()
        elif (FOLDER / "delta").exists():
            os.replace(FOLDER / "delta", FOLDER / "delta.told")
            body = (FOLDER / "delta.told").read_bytes()
        if not self.broken(mode(), body):
            self.chunks(body)

    def do_GET(self):
        self.note(None)
        if self.path.startswith("/v1/decisions/stream"):
            self.stream()
        elif self.path.startswith("/v1/decisions"):
            self.answer(200, b"null")
        else:
            self.answer(404, b'{"message":"not found"}')

    def do_POST(self):
        self.note(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        if self.path == "/v1/usage-metrics":
            self.answer(201, b"")
        else:
            self.answer(404, b'{"message":"not found"}')


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Lapi).serve_forever()
