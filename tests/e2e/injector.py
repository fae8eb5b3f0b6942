#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Attackers who talk to the model: injector.py SERVER PORT NETWORK TABLE

TABLE has a line for each (FIELD KIND WANTS TEXT-IN-HEX, of injection_test --table). The one of line n comes from NETWORK.n, sends its
text in that field (sni: in the hello of a TLS that the server does not speak), and guesses a password ten times. Prints each address. A connection that is refused or cut is what the story is about.
"""
import socket
import struct
import sys

server, port, network, table = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]


def line_of(raw):
    """What a header line can carry: no line ends in it."""
    return raw.replace(b"\r", b" ").replace(b"\n", b" ")


def request(field, raw, login):
    text = line_of(raw)
    method, target, agent, host, more = b"POST" if login else b"GET", b"/api/login" if login else b"/api/items", b"curl/8", b"api.example", b""
    if field == "user_agent":
        agent = text
    elif field in ("path", "query") and not login:
        target = text.replace(b" ", b"%20")
    elif field == "header_name":
        more = b"".join(text.split()) + b": x\r\n"
    elif field == "host":
        host = b"".join(text.split())
    elif field == "forwarded_for":
        more = b"X-Forwarded-For: " + text + b"\r\n"
    elif field == "referer":
        more = b"Referer: " + text + b"\r\n"
    elif field == "method" and not login:
        method = b"".join(text.split())
    return b"%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: %s\r\n%sContent-Length: 0\r\nConnection: close\r\n\r\n" % (
        method, target, host, agent, more)


def hello(name):
    """A client's first message of TLS 1.2 (RFC 5246 section 7.4.1.2) whose server_name (RFC 6066 section 3) is that text."""
    def sized(form, body):
        return struct.pack(form, len(body)) + body

    names = sized(">H", b"\0" + sized(">H", name[:255]))
    extensions = sized(">H", b"\0\0" + sized(">H", names))
    body = b"\3\3" + bytes(32) + b"\0" + sized(">H", b"\xc0\x2f\xc0\x30") + b"\1\0" + extensions
    message = b"\1" + struct.pack(">I", len(body))[1:] + body
    return b"\x16\3\1" + sized(">H", message)


def send(source, what):
    try:
        with socket.create_connection((server, port), timeout=1, source_address=(source, 0)) as s:
            s.sendall(what)
            while s.recv(4096):
                pass
        return True
    except OSError:
        return False


with open(table, encoding="ascii") as f:
    rows = [line.split() for line in f]
for n, (field, _, _, encoded) in enumerate(rows, 1):
    source = "%s.%d" % (network, n)
    raw = bytes.fromhex(encoded)
    send(source, hello(raw) if field == "sni" else request(field, raw, False))
    for _ in range(10):
        # Odd heads are refused by the server itself: the guesses are sent in words that it takes, too.
        if not send(source, request(field, raw, True)) or not send(source, request("none", b"", True)):
            break
    print(source, flush=True)
