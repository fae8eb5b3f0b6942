#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Read valid events, one a line, and print broken ones: each is one of them with one fault."""
import json
import sys

NOT_SENT = ["picket.event.id", "time_unix_nano", "event.name"]


def wrong(value):
    """The same fact in a shape that is not agreed."""
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, str):
        return [value]
    return "text"


def faults(event):
    for key in NOT_SENT:
        yield {k: v for k, v in event.items() if k != key}
    for key, value in event.items():
        yield {**event, key: None}
        yield {**event, key: wrong(value)}
    for key in ("time_unix_nano", "picket.connection.id", "picket.connection.duration_ns"):
        if key in event:
            yield {**event, key: "1e9"}
    if "picket.loss.count" in event:
        yield {**event, "picket.loss.count": 0}
    for key in ("network.peer.port", "tcp.header.flags", "tcp.header.sequence"):
        if key in event:
            yield {**event, key: -1}
            yield {**event, key: 1 << 32}
    yield {**event, "picket.unknown": 1}
    yield {**event, "event.name": "http.response"}
    other = "tcp.header" if event["event.name"] != "tcp.header" else "http.request"
    yield {**event, "event.name": other}


def main():
    for line in sys.stdin:
        document = json.loads(line)
        if "specversion" not in document:
            for broken in faults(document):
                print(json.dumps(broken))
            continue
        for key in document:
            print(json.dumps({k: v for k, v in document.items() if k != key}))
            print(json.dumps({**document, key: None}))
        print(json.dumps({**document, "specversion": "0.3"}))
        print(json.dumps({**document, "type": "dev.picket.http.v1"}))
        print(json.dumps({**document, "time": "2026-11-24 22:00:10"}))
        print(json.dumps({**document, "data": {**document["data"], "picket.unknown": 1}}))


main()
