#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A TCP client made of raw packets, whose request goes out in IP fragments:

    fragments.py SOURCE TARGET PORT PATH SIZE [HOLD]

FRAGMENTS_ORDER=backwards: the last fragment goes first.

HOLD is a file: after the handshake the client makes HOLD.ready, and sends its request once HOLD is there.

SOURCE is an address that no host on the link has, so that no kernel answers for it. Prints "answered" if the server
answered the request with 200, "handshake" if only that was answered, "nothing" if not even the SYN was.
"""
import os
import random
import sys
import time

from scapy.all import IP, TCP, Ether, IPv6, IPv6ExtHdrFragment, Raw, conf, fragment, fragment6, get_if_hwaddr

source, target, port, path = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
size = int(sys.argv[5])
hold = sys.argv[6] if len(sys.argv) > 6 else None
mac = open("peer.mac").read().strip()
conf.verb = 0
six = ":" in source
sport = random.randrange(20000, 60000)
wire = conf.L2socket(iface="eth0")
ether = Ether(src=get_if_hwaddr("eth0"), dst=mac)


def ip():
    return IPv6(src=source, dst=target) if six else IP(src=source, dst=target, id=random.randrange(65536))


def answer(seconds):
    """The next segment for us, or None."""
    limit = time.time() + seconds
    while time.time() < limit:
        try:
            packet = wire.recv()
        except TimeoutError:
            continue
        if packet is not None and TCP in packet and packet[TCP].dport == sport and packet[TCP].sport == port:
            return packet
    return None


wire.ins.settimeout(0.2)
isn = random.randrange(1 << 31)
# A busy machine's queues lose packets: again, as any TCP would.
for _ in range(3):
    wire.send(ether / ip() / TCP(sport=sport, dport=port, flags="S", seq=isn, window=8192))
    synack = answer(1.5)
    if synack is not None:
        break
if synack is None:
    print("nothing")
    sys.exit()
ack = synack[TCP].seq + 1
wire.send(ether / ip() / TCP(sport=sport, dport=port, flags="A", seq=isn + 1, ack=ack, window=8192))
if hold:
    open(hold + ".ready", "w").close()
    limit = time.time() + 20
    while not os.path.exists(hold) and time.time() < limit:
        time.sleep(0.02)
request = f"GET {path} HTTP/1.1\r\nHost: fragments\r\nConnection: close\r\n\r\n".encode()
segment = TCP(sport=sport, dport=port, flags="PA", seq=isn + 1, ack=ack, window=8192) / Raw(request)
if six:
    whole = IPv6(src=source, dst=target) / IPv6ExtHdrFragment(id=random.randrange(1 << 32)) / segment
    pieces = fragment6(whole, 40 + 8 + size + 8)
else:
    pieces = fragment(ip() / segment, fragsize=size)
assert len(pieces) > 1
for _ in range(3):
    for piece in reversed(pieces) if os.environ.get("FRAGMENTS_ORDER") == "backwards" else pieces:
        wire.send(ether / piece)
    while (packet := answer(1.5)) is not None:
        if Raw in packet and b" 200 " in bytes(packet[Raw])[:20]:
            print("answered")
            sys.exit()
print("handshake")
