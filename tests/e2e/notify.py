#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The service manager's end of sd_notify: notify.py SOCKET FILE appends each message as one line to FILE."""
import os
import socket
import sys

path, log = sys.argv[1], sys.argv[2]
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(path + ".new")
os.rename(path + ".new", path)
with open(log, "a", buffering=1) as f:
    while True:
        f.write(" ".join(s.recv(4096).decode().split("\n")).strip() + "\n")
