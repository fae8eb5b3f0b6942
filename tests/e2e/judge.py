#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A gateway that answers at once, and clients that it blocks.

    judge.py gateway PORT FOLDER       counts events, once for each batch; asks for a block of whoever asked for /attack/...
                                       FOLDER/counts is written anew each tenth of a second: events, batches, repeated;
                                       FOLDER/arrivals has a line for each batch: nanoseconds, its number, events
    judge.py backlog ARRIVALS          of a gateway that came back: how the backlog came
    judge.py attack ADDRESS PORT PREFIX FIRST COUNT PARALLEL
                                       one line for each attacker PREFIX.N.M: milliseconds from its request to its first
                                       connection that nobody answers
"""
import errno
import json
import os
import re
import select
import socket
import sys
import threading
import time

# Longer than the way there and back, shorter than what is measured; with room for a machine that is busy.
ANSWER_S, PROBE_EVERY_S, GIVE_UP_S = 0.02, 0.004, 10


class Judge:
    def __init__(self, arrivals):
        self.lock = threading.Lock()
        self.keys = {}
        self.events = self.batches = self.repeated = 0
        self.arrivals = arrivals

    def answer(self, key, body):
        with self.lock:
            if key in self.keys:
                self.repeated += 1
                return self.keys[key]
        verdicts = []
        if b"/attack/" in body:
            for event in json.loads(body):
                data = event["data"]
                if data["event.name"] == "http.request" and data["url.path"].startswith("/attack/"):
                    verdicts.append(
                        {
                            "action": "block",
                            "target": {"scope": "ip", "value": data["client.address"]},
                            "ttl_s": 600,
                            "confidence": 1,
                            "evidence": [event["id"]],
                        }
                    )
        number = int(re.search(rb"-(\d+)$", key).group(1))
        answer = json.dumps({"verdicts": verdicts}).encode() if verdicts else b""
        with self.lock:
            self.batches += 1
            events = body.count(b'{"specversion"')
            self.events += events
            self.arrivals.write("%d %d %d\n" % (time.monotonic_ns(), number, events))
            self.keys[key] = answer
            if len(self.keys) > 4096:
                self.keys.pop(next(iter(self.keys)))
        return answer

    def counts(self):
        with self.lock:
            return {k: getattr(self, k) for k in ("events", "batches", "repeated")}


def serve(judge, c):
    stream = c.makefile("rb", buffering=1 << 20)
    try:
        while stream.readline():
            fields = {}
            while True:
                line = stream.readline()
                if line in (b"\r\n", b""):
                    break
                key, _, value = line.partition(b":")
                fields[key.strip().lower()] = value.strip()
            body = stream.read(int(fields[b"content-length"]))
            answer = judge.answer(fields[b"idempotency-key"], body)
            if answer:
                head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(answer)
            else:
                head = b"HTTP/1.1 204 No Content\r\n\r\n"
            c.sendall(head + answer)
    except (ConnectionError, ValueError) as e:
        print(repr(e), file=sys.stderr, flush=True)
    finally:
        c.close()


def tell(judge, folder):
    while True:
        with open(os.path.join(folder, "counts.new"), "w") as f:
            json.dump(judge.counts(), f)
        os.rename(os.path.join(folder, "counts.new"), os.path.join(folder, "counts"))
        time.sleep(0.1)


def gateway(port, folder):
    judge = Judge(open(os.path.join(folder, "arrivals"), "w", buffering=1))
    threading.Thread(target=tell, args=(judge, folder), daemon=True).start()
    server = socket.create_server(("127.0.0.1", port), backlog=64)
    while True:
        c, _ = server.accept()
        c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=serve, args=(judge, c), daemon=True).start()


def backlog(path):
    """
    What is new and what waited come interleaved, each in its order: batches that fit into neither of two rising rows are
    out of order. The backlog ends with the last batch that comes behind a newer one.
    """
    with open(path) as f:
        arrivals = [tuple(map(int, line.split())) for line in f if line.endswith("\n")]
    rows, disorder = [-1, -1], 0
    for _, number, _ in arrivals:
        fitting = [r for r in (0, 1) if rows[r] < number]
        if fitting:
            rows[max(fitting, key=lambda r: rows[r])] = number
        else:
            disorder += 1
    begun, ended, newest = arrivals[0][0], arrivals[0][0], -1
    for t, number, _ in arrivals:
        newest = max(newest, number)
        ended = t if number < newest else ended
    events = sum(n for t, _, n in arrivals if t <= ended)
    ms = max((ended - begun) / 1e6, 0.001)
    print(json.dumps({"events": events, "ms": round(ms), "per_s": round(events * 1000 / ms), "disorder": disorder}))


def answered(source, target):
    s = socket.socket()
    s.setblocking(False)
    s.bind((source, 0))
    try:
        if s.connect_ex(target) not in (0, errno.EINPROGRESS):
            return False
        _, writable, _ = select.select([], [s], [], ANSWER_S)
        return bool(writable) and s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
    finally:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        s.close()


def attack(source, target):
    with socket.create_connection(target, timeout=5, source_address=(source, 0)) as s:
        s.sendall(b"GET /attack/%s HTTP/1.1\r\nHost: api.example\r\n\r\n" % source.encode())
        begun = time.monotonic()
        s.recv(1000)
        while time.monotonic() - begun < GIVE_UP_S:
            probe = time.monotonic()
            # Twice: on a busy machine one answer may be late.
            if not answered(source, target) and not answered(source, target):
                return (probe - begun) * 1000
            time.sleep(max(0, probe + PROBE_EVERY_S - time.monotonic()))
    return GIVE_UP_S * 1000


def attackers(address, port, prefix, first, count, parallel):
    lock, numbers = threading.Lock(), iter(range(first, first + count))

    def some():
        while True:
            with lock:
                n = next(numbers, None)
            if n is None:
                return
            ms = attack("%s.%d.%d" % (prefix, n // 250, 1 + n % 250), (address, port))
            with lock:
                print("%.1f" % ms, flush=True)

    threads = [threading.Thread(target=some) for _ in range(parallel)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


if __name__ == "__main__":
    if sys.argv[1] == "gateway":
        gateway(int(sys.argv[2]), sys.argv[3])
    elif sys.argv[1] == "backlog":
        backlog(sys.argv[2])
    else:
        attackers(sys.argv[2], int(sys.argv[3]), sys.argv[4], *map(int, sys.argv[5:8]))
