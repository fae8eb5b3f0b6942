#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One end of a tunnel, for kernels that have no such device.

tunnel.py ipip|gre LOCAL REMOTE DEVICE   makes the TUN device and carries its IPv4 and IPv6 packets between the two outer
                                         IPv4 addresses until killed: IP in IP (RFC 2003, 4213), or GRE with a key (RFC 2890)
"""
import fcntl
import os
import select
import socket
import struct
import sys

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
IPIP, IPV6, GRE = 4, 41, 47
KEY = 0x2000
IDENTIFIER = 77


def raw(protocol, local, remote):
    s = socket.socket(socket.AF_INET, socket.SOCK_RAW, protocol)
    s.bind((local, 0))
    s.connect((remote, 0))
    return s


def gre_wrap(packet):
    kind = 0x0800 if packet[0] >> 4 == 4 else 0x86DD
    return struct.pack("!HHI", KEY, kind, IDENTIFIER) + packet


def gre_unwrap(packet):
    flags, kind, identifier = struct.unpack("!HHI", packet[:8])
    return packet[8:] if flags == KEY and kind in (0x0800, 0x86DD) and identifier == IDENTIFIER else b""


def main():
    kind, local, remote, device = sys.argv[1:5]
    tun = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", device.encode(), IFF_TUN | IFF_NO_PI))
    outer = {p: raw(p, local, remote) for p in ([GRE] if kind == "gre" else [IPIP, IPV6])}
    print("ready", flush=True)
    while True:
        for ready in select.select([tun, *outer.values()], [], [])[0]:
            if ready == tun:
                packet = os.read(tun, 65536)
                carrier = outer[GRE if kind == "gre" else IPIP if packet[0] >> 4 == 4 else IPV6]
                try:
                    carrier.send(gre_wrap(packet) if kind == "gre" else packet)
                except OSError:  # the link is full or down: lost, as on any network
                    pass
                continue
            packet = ready.recv(65536)
            packet = packet[(packet[0] & 15) * 4 :]
            packet = gre_unwrap(packet) if kind == "gre" else packet
            try:
                os.write(tun, packet)
            except OSError:  # nothing in it, or the device is not up yet
                pass


if __name__ == "__main__":
    main()
