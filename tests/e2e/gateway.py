#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A gateway for tests: gateway.py PORT LOG ANSWERS [ADDRESS]

Appends every event it gets as one JSON line to LOG. Each POST is answered by the first file ANSWERS/*.answer in name order,
which is then renamed to *.done; with none there, by 204. An answer file is: status, newline, content type, newline, body.
With GATEWAY_HEADS in the environment, the head of each request is appended to that file as one JSON object a line.
A GET is answered by the first file ANSWERS/*.poll, once there is one, or by 204 after as many seconds as it prefers to wait.
With GATEWAY_SIGN_KEY, answers are signed by the key in that file.
"""
import glob
import json
import os
import socket
import sys
import threading
import time

port, log_path, answers = int(sys.argv[1]), sys.argv[2], sys.argv[3]
address = sys.argv[4] if len(sys.argv) > 4 else "127.0.0.1"
log = open(log_path, "ab", buffering=0)
lock = threading.Lock()
heads = open(os.environ["GATEWAY_HEADS"], "ab", buffering=0) if "GATEWAY_HEADS" in os.environ else None
sign_key = None
if "GATEWAY_SIGN_KEY" in os.environ:
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../examples/gateway"))
    sys.dont_write_bytecode = True
    from sign import read_key, signed_fields

    sign_key = read_key(os.environ["GATEWAY_SIGN_KEY"])


def next_answer(suffix="answer"):
    for path in sorted(glob.glob(os.path.join(answers, "*." + suffix))):
        with open(path, "rb") as f:
            status, kind, body = f.read().split(b"\n", 2)
        os.rename(path, path[: -len(suffix)] + "done")
        return int(status), kind, body
    return 204, b"", b""


def poll_answer(head):
    end = time.monotonic() + int(head.get(b"prefer", b"wait=0").partition(b"=")[2])
    while True:
        with lock:
            found = next_answer("poll")
        if found[0] != 204 or time.monotonic() >= end:
            return found
        time.sleep(0.02)


def signature(status, body, head, path=None):
    if not sign_key or status == 204:
        return b""
    request = {name: head.get(name.lower().encode(), b"").decode() for name in ("Idempotency-Key", "Picket-Nonce")}
    return "".join("%s: %s\r\n" % field for field in signed_fields(sign_key, status, body, request, path).items()).encode()


def read_head(stream):
    head = {}
    first = stream.readline()
    if not first:
        return None, head
    while True:
        line = stream.readline()
        if line in (b"\r\n", b"\n", b""):
            return first, head
        name, _, value = line.partition(b":")
        head[name.strip().lower()] = value.strip()


def serve(connection):
    stream = connection.makefile("rb")
    try:
        while True:
            first, head = read_head(stream)
            if first is None:
                return
            if head.get(b"expect", b"").lower() == b"100-continue":
                connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            body = stream.read(int(head.get(b"content-length", b"0")))
            lines = b"".join(
                json.dumps(event, separators=(",", ":")).encode() + b"\n" for event in json.loads(body or b"[]")
            )
            with lock:
                log.write(lines)
                if heads:
                    fields = {name.decode(): value.decode() for name, value in head.items()}
                    fields[""] = first.decode().strip()
                    heads.write(json.dumps(fields).encode() + b"\n")
                get = first.startswith(b"GET ")
                status, kind, answer = (204, b"", b"") if get else next_answer()
            if get:
                status, kind, answer = poll_answer(head)
            fields = signature(status, answer, head, first.split()[1].decode().partition("?")[0] if get else None)
            head = b"HTTP/1.1 %d X\r\n" % status + fields
            if status != 204:
                head += b"Content-Length: %d\r\nContent-Type: %s\r\n" % (len(answer), kind)
            connection.sendall(head + b"\r\n" + answer)
    except (ConnectionError, ValueError) as e:
        print(repr(e), file=sys.stderr, flush=True)
    finally:
        connection.close()


server = socket.create_server((address, port), backlog=64)
while True:
    c, _ = server.accept()
    c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    threading.Thread(target=serve, args=(c,), daemon=True).start()
