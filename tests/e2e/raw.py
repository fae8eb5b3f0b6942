#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Clients that no ordinary tool is.

raw.py send ADDRESS PORT BYTES         writes BYTES (with Python escapes), closes its half, prints the status of each answer
raw.py third-ack ADDRESS PORT N PATH   connections whose request is to ride on the handshake's third segment, until N of them
                                       did so on the wire (a busy machine acknowledges sooner than the client writes), at
                                       most 20 N; prints how many did, how many there were, and how many were answered
raw.py each ADDRESS PORT SOURCE...     one request from each source address; prints how many were answered
raw.py udp-sink PORT FILE              appends one line per datagram: source address and text
raw.py udp-send ADDRESS PORT SOURCE TEXT
raw.py steady ADDRESS PORT SOURCE FILE one request after the other on a connection each, until killed; FILE gets a line for
                                       each: "ok", or what went wrong
"""
import re
import socket
import struct
import sys
import time

TCP_QUICKACK = 12
SO_RCVBUFFORCE = 33


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def answers(sock, quiet=0.5):
    """All bytes until the peer closes or says nothing for a while."""
    data = b""
    sock.settimeout(quiet)
    try:
        while True:
            piece = sock.recv(65536)
            if not piece:
                break
            data += piece
    except (TimeoutError, ConnectionError):
        pass
    return data


def send(address, port, text):
    data = text.encode("latin-1").decode("unicode_escape").encode("latin-1")
    with socket.create_connection((address, port), timeout=5) as s:
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)  # so that its end tells that there is no more
        print(" ".join(re.findall(r"HTTP/1\.[01] (\d{3})", answers(s, 10).decode("latin-1"))))


def third_ack(address, port, count, path):
    # What the wire shows: the first segment of ours after a SYN, on each connection.
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(3))
    wire.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
    wire.bind(("eth0", 0))
    wire.setblocking(False)
    answered = made = 0
    first = {}  # by port: bytes in the first segment behind the SYN
    while made < 20 * count and sum(1 for size in first.values() if size > 0) < count:
        s = socket.socket(family(address), socket.SOCK_STREAM)
        s.setsockopt(socket.IPPROTO_TCP, TCP_QUICKACK, 0)
        s.connect((address, port))
        s.sendall(b"GET %s/%d HTTP/1.1\r\nHost: third\r\nConnection: close\r\n\r\n" % (path.encode(), made))
        made += 1
        answered += b" 200 " in answers(s, 10)
        for source, size in firsts(wire, port):
            if source == s.getsockname()[1]:
                first.setdefault(source, size)
        s.close()
    print(sum(1 for size in first.values() if size > 0), made, answered)


def firsts(wire, port):
    """Source port and bytes of each segment to port that is no SYN, of what came so far."""
    while True:
        try:
            packet = wire.recv(65536)
        except BlockingIOError:
            return
        kind = struct.unpack("!H", packet[12:14])[0]
        if kind == 0x0800 and packet[23] == 6:
            start = 14 + (packet[14] & 15) * 4
            length = struct.unpack("!H", packet[16:18])[0] - (start - 14)
        elif kind == 0x86DD and packet[20] == 6:
            start = 54
            length = struct.unpack("!H", packet[18:20])[0]
        else:
            continue
        source, target = struct.unpack("!HH", packet[start : start + 4])
        if target == port and not packet[start + 13] & 2:
            yield source, length - (packet[start + 12] >> 4) * 4


def one(address, port, source, path="/", timeout=5):
    s = socket.socket(family(address), socket.SOCK_STREAM)
    s.settimeout(timeout)
    s.bind((source, 0))
    s.connect((address, port))
    s.sendall(b"GET %s HTTP/1.1\r\nHost: raw\r\nUser-Agent: raw\r\nConnection: close\r\n\r\n" % path.encode())
    data = b""
    while True:
        piece = s.recv(65536)
        if not piece:
            break
        data += piece
    s.close()
    return data.startswith(b"HTTP/1.1 200")


def each(address, port, sources):
    print(sum(1 for source in sources if one(address, port, source, "/from/" + source)))


def udp_sink(port, path):
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    s.bind(("::", port))
    with open(path, "a", buffering=1) as f:
        while True:
            data, source = s.recvfrom(65536)
            f.write(source[0].removeprefix("::ffff:") + " " + data.decode() + "\n")


def udp_send(address, port, source, text):
    s = socket.socket(family(address), socket.SOCK_DGRAM)
    s.bind((source, 0))
    s.sendto(text.encode(), (address, port))


def steady(address, port, source, path):
    n = 0
    with open(path, "a", buffering=1) as f:
        while True:
            n += 1
            try:
                f.write("ok\n" if one(address, port, source, f"/steady/{n}", 10) else "not 200\n")
            except OSError as e:
                f.write(repr(e) + "\n")
            time.sleep(0.02)


command, arguments = sys.argv[1], sys.argv[2:]
if command == "send":
    send(arguments[0], int(arguments[1]), arguments[2])
elif command == "third-ack":
    third_ack(arguments[0], int(arguments[1]), int(arguments[2]), arguments[3])
elif command == "each":
    each(arguments[0], int(arguments[1]), arguments[2:])
elif command == "udp-sink":
    udp_sink(int(arguments[0]), arguments[1])
elif command == "udp-send":
    udp_send(arguments[0], int(arguments[1]), arguments[2], arguments[3])
elif command == "steady":
    steady(arguments[0], int(arguments[1]), arguments[2], arguments[3])
else:
    sys.exit(__doc__)
