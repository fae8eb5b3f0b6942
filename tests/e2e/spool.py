#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""For the stories of the spool (docs/delivery.md).

    spool.py gateway PORT LOG               a gateway that forgets a fifth of what it is asked, at random: 503, or no answer
    spool.py load ADDRESS PORT RATE LOG     requests for /k/N, N rising, until it is killed
    spool.py waits FOLDER                   the ids of events in the spool in FOLDER that are not done with, one a line
    spool.py account LOAD WAITED GATEWAY    what became of them

`waits` reads the files by docs/decisions/0025-the-spool.md and forwarder/spool_segment.h, and shares no code with picket.
"""
import json
import os
import random
import re
import socket
import struct
import sys
import threading
import time
import zlib

SECTOR, RECORDS, ID = 512, 65536, 96
HEAD = struct.Struct("<8sIIQ")
RECORD = struct.Struct("<IIIIIIQQ96s")


# --- a gateway ---


def read_request(stream):
    first, fields = stream.readline(), {}
    if not first:
        return None, None
    while True:
        line = stream.readline()
        if line in (b"\r\n", b"\n", b""):
            break
        name, _, value = line.partition(b":")
        fields[name.strip().lower().decode()] = value.strip().decode()
    return fields, stream.read(int(fields.get("content-length", "0")))


def told(body, key, status):
    """One line for each batch: what of it the account needs."""
    events = [(e["id"], e["data"]) for e in json.loads(body)]
    return json.dumps(
        {
            "key": key,
            "status": status,
            "crc": zlib.crc32(body),
            "ids": [i for i, _ in events],
            "paths": [d["url.path"] for _, d in events if d["event.name"] == "http.request"],
            "gaps": [
                [int(d["picket.loss.since_unix_nano"]), int(d["time_unix_nano"])]
                for _, d in events
                if d.get("picket.loss.stage") == "restart"
            ],
            "lost": [d for _, d in events if d["event.name"] == "picket.loss" and "picket.loss.count" in d],
        },
        separators=(",", ":"),
    )


def gateway(port, log_path):
    log, lock, rest = open(log_path, "a", buffering=1), threading.Lock(), random.Random(7)

    def serve(c):
        stream = c.makefile("rb")
        try:
            while True:
                fields, body = read_request(stream)
                if fields is None:
                    return
                with lock:
                    fate = rest.random()
                    time.sleep(0.002 * rest.random())
                    # What is answered with 503 the gateway has seen all the same: it may come again, and it must.
                    status = 204 if fate > 0.2 else 503 if fate > 0.1 else 0
                    log.write(told(body, fields["idempotency-key"], status) + "\n")
                if not status:
                    return
                c.sendall(b"HTTP/1.1 %d X\r\n%s\r\n" % (status, b"" if status == 204 else b"Content-Length: 0\r\n"))
        except (ConnectionError, ValueError) as e:
            print(repr(e), file=sys.stderr, flush=True)
        finally:
            c.close()

    server = socket.create_server(("127.0.0.1", port), backlog=64)
    while True:
        c, _ = server.accept()
        c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=serve, args=(c,), daemon=True).start()


# --- a load ---


def load(address, port, rate, log_path):
    log, n, begun = open(log_path, "w"), 0, time.monotonic()
    c = socket.create_connection((address, port))
    c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    c.settimeout(10)
    burst = max(1, rate // 200)
    while True:
        lines = []
        for _ in range(burst):
            lines.append("%d %d\n" % (n, time.time_ns()))
            c.sendall(b"GET /k/%d HTTP/1.1\r\nHost: api.example\r\n\r\n" % n)
            answer = b""
            while not answer.endswith(b"ok\n"):
                more = c.recv(4096)
                if not more:
                    raise SystemExit("the server closed the connection")
                answer += more
            n += 1
        log.write("".join(lines))
        log.flush()
        time.sleep(max(0, begun + n / rate - time.monotonic()))


# --- the files ---


def records(data, generation):
    """(number, id, content) of each record that is whole."""
    at, next_number = SECTOR + 4 * RECORDS, 0
    while at + RECORD.size <= len(data):
        head = bytearray(data[at : at + RECORD.size])
        magic, head_crc, crc, size, _events, number, of, _wall, name = RECORD.unpack(bytes(head))
        head[4:8] = bytes(4)
        if magic != 0x50C6BA7C or head_crc != zlib.crc32(bytes(head)) or of != generation or number < next_number:
            at += SECTOR
            continue
        content = data[at + RECORD.size : at + RECORD.size + size]
        if len(content) == size and zlib.crc32(content) == crc:
            yield number, name.rstrip(b"\0").decode(), content
        next_number = number + 1
        at += (RECORD.size + size + SECTOR - 1) // SECTOR * SECTOR


def waits(folder):
    for name in sorted(os.listdir(folder)):
        if not re.fullmatch(r"\d\d", name):
            continue
        with open(os.path.join(folder, name), "rb") as f:
            data = f.read()
        if len(data) < HEAD.size:
            continue
        magic, _version, _crc, generation = HEAD.unpack_from(data)
        if not magic.startswith(b"PKSPOOL"):
            continue
        done = set()
        for ack in struct.iter_unpack("<I", data[SECTOR : SECTOR + 4 * RECORDS]):
            if ack[0] and (ack[0] >> 16) == (~ack[0] & 0xFFFF):
                done.add(ack[0] & 0xFFFF)
        for number, _key, content in records(data, generation):
            if number not in done:
                for event in json.loads(content):
                    print(event["id"])


# --- the account ---


def account(load_path, waited_path, gateway_path):
    with open(gateway_path) as f:
        batches = [json.loads(line) for line in f]
    with open(waited_path) as f:
        waited = {line.strip() for line in f}
    with open(load_path) as f:
        sent = {int(n): int(t) for n, t in (line.split() for line in f if line.count(" ") == 1 and line.endswith("\n"))}
    got, keys, taken, paths, gaps = {}, {}, set(), set(), []
    wrong = []
    for b in batches:
        if keys.setdefault(b["key"], b["crc"]) != b["crc"]:
            wrong.append("batch %s came with other bytes" % b["key"])
        for i in b["ids"]:
            if got.setdefault(i, b["key"]) != b["key"]:
                wrong.append("event %s came in %s and in %s" % (i, got[i], b["key"]))
        if b["status"] == 204:
            taken.update(b["ids"])
            paths.update(b["paths"])
        gaps += b["gaps"]
    gaps = sorted({tuple(g) for g in gaps})
    lost = waited - taken
    if lost:
        wrong.append("%d events of the spool never arrived, such as %s" % (len(lost), sorted(lost)[0]))
    # A gateway that did not answer has the events of its log: what it acknowledged it has by definition.
    arrived = {int(p[3:]) for p in paths if p.startswith("/k/")}
    missing = [n for n in sent if n not in arrived]
    # The end of a gap is when the new sensor says so: its programs were there a moment before.
    outside = [n for n in missing if not any(since <= sent[n] <= until for since, until in gaps)]
    if outside:
        n = outside[0]
        wrong.append("%d requests are missing outside of every gap, such as %d at %d" % (len(outside), n, sent[n]))
    widths = sorted((until - since) / 1e9 for since, until in gaps) or [0]
    print(
        json.dumps(
            {
                "sent": len(sent),
                "arrived": len(arrived & set(sent)),
                "missing": len(missing),
                "gaps": len(gaps),
                "gap_s_median": round(widths[len(widths) // 2], 2),
                "gap_s_max": round(widths[-1], 2),
                "waited_in_spool": len(waited),
                "batches": len(keys),
                "sent_again": len(batches) - len(keys),
                "wrong": wrong[:5],
            }
        )
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    what, args = sys.argv[1], sys.argv[2:]
    if what == "gateway":
        gateway(int(args[0]), args[1])
    elif what == "load":
        load(args[0], int(args[1]), int(args[2]), args[3])
    elif what == "waits":
        waits(args[0])
    elif what == "account":
        sys.exit(account(*args))
    else:
        sys.exit("spool.py: %s?" % what)
