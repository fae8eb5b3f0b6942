#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A client with a TCP of its own, who shows observers of packets other bytes than the server will take.

evader.py SOURCE ADDRESS PORT TRICK    plays one trick on one connection from SOURCE, an address that this host does not
                                       have; prints the port it came from and the status of the answer

The request's target is /TRICK/real; the decoy, of the same length, says /TRICK/fake.
"""
import random
import re
import socket
import struct
import sys
import time

FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
INTERFACE = "eth0"


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Connection:
    def __init__(self, source, address, port):
        self.source, self.address = socket.inet_aton(source), socket.inet_aton(address)
        self.port, self.local_port = port, random.randrange(20000, 60000)
        self.wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
        self.wire.bind((INTERFACE, 0))
        self.wire.settimeout(0.2)
        self.mac = self.wire.getsockname()[4]
        self.peer_mac = self.find(address)
        self.seq, self.ack = random.randrange(1 << 32), 0
        self.acked = None  # by the peer, of ours
        self.received = b""

    def find(self, address):
        """The peer's link address: the kernel's table knows it after a datagram."""
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.sendto(b"", (address, 9))
        for _ in range(50):
            with open("/proc/net/arp", encoding="ascii") as table:
                for line in table:
                    columns = line.split()
                    if columns[0] == address and columns[3] != "00:00:00:00:00:00":
                        return bytes.fromhex(columns[3].replace(":", ""))
            time.sleep(0.02)
        sys.exit("no link address of " + address)

    def send(self, data=b"", seq=None, flags=ACK | PSH, ack=None, urgent=0, spoil=False):
        seq = self.seq if seq is None else seq
        ack = self.ack if ack is None else ack
        tcp = struct.pack("!HHIIBBHHH", self.local_port, self.port, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, 5 << 4, flags, 64000, 0, urgent)
        pseudo = self.source + self.address + struct.pack("!BBH", 0, 6, len(tcp) + len(data))
        check = checksum(pseudo + tcp + data) ^ (0x5555 if spoil else 0)
        tcp = tcp[:16] + struct.pack("!H", check) + tcp[18:]
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp) + len(data), random.randrange(65536), 0, 64, 6, 0)
        ip += self.source + self.address
        ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
        self.wire.send(self.peer_mac + self.mac + b"\x08\x00" + ip + tcp + data)

    def receive(self, seconds, until):
        """Takes in what comes, acknowledges it; stops when until() holds."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not until():
            try:
                frame = self.wire.recv(65536)
            except TimeoutError:
                continue
            if frame[23] != 6 or frame[26:30] != self.address or frame[30:34] != self.source:
                continue
            length = struct.unpack("!H", frame[16:18])[0]
            tcp = frame[14 + (frame[14] & 15) * 4 : 14 + length]
            source, target, seq, ack, offset, flags = struct.unpack("!HHIIBB", tcp[:14])
            if (source, target) != (self.port, self.local_port):
                continue
            data = tcp[(offset >> 4) * 4 :]
            if flags & ACK:
                self.acked = ack
            if flags & SYN:
                self.ack = seq + 1 & 0xFFFFFFFF
            elif seq == self.ack and (data or flags & FIN):
                self.received += data
                self.ack = seq + len(data) + (1 if flags & FIN else 0) & 0xFFFFFFFF
                self.send(flags=ACK)

    def open(self):
        for _ in range(4):  # a busy machine's queues lose packets: again, as any TCP would (RFC 6298: after 1 s)
            self.send(flags=SYN)
            self.receive(1, lambda: self.ack)
            if self.ack:
                break
            print("no answer to the SYN within a second", file=sys.stderr)
        else:
            sys.exit("no answer to the SYN")
        self.seq += 1
        self.first = self.seq
        self.send(flags=ACK)
        time.sleep(0.02)

    def say(self, data, **how):
        self.send(data, **how)
        self.seq += len(data)

    def answer(self):
        self.receive(10, lambda: b"\r\n\r\n" in self.received)
        found = re.search(rb"HTTP/1\.[01] (\d{3})", self.received)
        return found.group(1).decode() if found else "none"


def request(trick, what):
    return b"GET /%s/%s HTTP/1.1\r\nHost: evader\r\nConnection: close\r\n\r\n" % (trick.encode(), what)


FLOOD = 300


def flood(c, trick):
    """Segment after segment that costs nothing to send, and could each cost a record."""
    real = request(trick, b"real")
    real = real[:-2] + b"X: " + b"x" * FLOOD + b"\r\n\r\n"
    begin = len(real) - FLOOD - 4
    c.say(real[:begin])
    c.receive(1, lambda: c.acked == c.seq)
    for i in range(begin, begin + FLOOD):
        if trick == "refused-flood":
            c.send(b"x", spoil=True)
        else:  # begins before what was read, and ends one byte behind it
            c.send(real[i - 4 : i + 1], seq=c.seq - 4)
            c.seq += 1
    c.say(real[c.seq - c.first :])


def play(c, trick):
    if trick.endswith("-flood"):
        flood(c, trick)
        return
    real, fake = request(trick, b"real"), request(trick, b"fake")
    cut = real.index(b"real")
    if trick == "bad-checksum":
        c.send(fake, spoil=True)
    elif trick == "out-of-order":
        c.send(real[cut:], seq=c.seq + cut)
        c.say(real[:cut])
        c.seq += len(real) - cut
        return
    elif trick == "two-versions":
        c.send(real[cut:], seq=c.seq + cut)
        time.sleep(0.02)
        c.send(fake[cut:], seq=c.seq + cut)
        time.sleep(0.02)
        c.say(real[:cut])
        c.seq += len(real) - cut
        return
    elif trick == "old-overlapped":
        half = cut + 6
        c.say(real[:half])
        time.sleep(0.05)
        c.send(fake[cut:], seq=c.seq - (half - cut))
        c.seq += len(real) - half
        return
    elif trick == "old-rewritten":
        half = cut + 6
        c.say(real[:half])
        c.receive(1, lambda: c.acked == c.seq)
        c.send(fake[cut : half - 2], seq=c.seq - (half - cut))
        c.say(real[half:])
        return
    elif trick == "out-of-window":
        c.send(fake, seq=c.seq + (1 << 30))
    elif trick == "bad-ack":
        c.send(fake, ack=c.ack + (1 << 30))
    elif trick == "no-ack-flag":
        c.send(fake, flags=PSH)
    elif trick == "fake-rst":
        c.send(seq=c.seq + 100, flags=RST)
    elif trick == "urgent":
        # One by one: nginx asks how much there is to read, and is told of the byte that it will not get.
        c.say(real[:cut])
        time.sleep(0.1)
        c.say(b"X", flags=ACK | PSH | URG, urgent=1)
        time.sleep(0.1)
        c.say(real[cut:])
        return
    elif trick == "odd-flags":
        for flags in (0, FIN | PSH | URG, SYN | FIN, SYN | RST):
            c.local_port += 1
            c.send(flags=flags)
        c.local_port -= 4
    else:
        sys.exit("no such trick: " + trick)
    time.sleep(0.05)
    c.say(real)


def main():
    source, address, port, trick = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
    c = Connection(source, address, port)
    c.open()
    play(c, trick)
    print(c.local_port, c.answer())


if __name__ == "__main__":
    main()
