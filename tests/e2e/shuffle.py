#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A client whose segments hold one byte each, come out of order within eight, and some of them twice.

shuffle.py SOURCE ADDRESS PORT REQUESTS PATH    REQUESTS requests on one connection, pipelined; prints how many were answered

SOURCE is an address that this host does not have (see evader.py, whose TCP this is).
"""
import random
import sys
import time

from evader import Connection

WITHIN = 8
AT_ONCE = 256  # bytes before the server's acknowledgments are waited for


def shuffled(data, seq, dice):
    """(sequence number, byte) of each segment, in the order in which they are sent."""
    segments = [(seq + i, data[i : i + 1]) for i in range(len(data))]
    order = []
    for start in range(0, len(segments), WITHIN):
        group = segments[start : start + WITHIN]
        group += [segment for segment in group if dice.random() < 0.2]
        dice.shuffle(group)
        order += group
    return order


def main():
    source, address, port, count, path = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
    dice = random.Random(count)
    c = Connection(source, address, port)
    c.open()
    data = b""
    for i in range(count):
        data += b"GET %s/%d HTTP/1.1\r\nHost: shuffle\r\n\r\n" % (path.encode(), i)
    start = c.seq
    for at in range(0, len(data), AT_ONCE):
        piece = data[at : at + AT_ONCE]
        for seq, byte in shuffled(piece, start + at, dice):
            c.send(byte, seq=seq)
        c.seq = start + at + len(piece)
        c.receive(0.005, lambda: False)
    end = time.monotonic() + 30
    while time.monotonic() < end and c.received.count(b"HTTP/1.1 ") < count:
        before = len(c.received)
        c.receive(1, lambda: c.received.count(b"HTTP/1.1 ") >= count)
        # What a busy machine's queues lost, again: the peer says from where on.
        missing = (c.acked or start) - start & 0xFFFFFFFF
        if len(c.received) == before and missing < len(data):
            print("again from byte %d of %d" % (missing, len(data)), file=sys.stderr)
            c.send(data[missing : missing + 1000], seq=start + missing)
    print(c.received.count(b"HTTP/1.1 200"))


main()
