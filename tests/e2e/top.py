# SPDX-License-Identifier: Apache-2.0
"""Runs picket top on a pseudo terminal of 80x24, presses keys, and looks at the screen.

top.py PICKET STEP...
  see TEXT       until the screen shows it
  press KEYS     as typed; \\r is Enter
  size ROWS COLS another size of the window
  signal NAME    sent to picket
  end STATUS     picket ended with it (-N: by signal N), the terminal is set as before, and shows its own screen again

Ends 0 if all held; else it says what did not, and shows the screen.
"""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time

SECONDS = 30


class Screen:
    """As much of xterm as curses asks of it."""

    SEQUENCE = re.compile(rb"\x1b\[([?>]?)([0-9;]*)([@-~])|\x1b[()][0-9A-B]|\x1b([=>78MH])|([\x00-\x1f])|([^\x00-\x1f])", re.S)

    def __init__(self, rows, columns):
        self.row = self.column = 0
        self.other = False  # the screen that programs like top use
        self.cursor = True
        self.left = b""  # the beginning of a sequence
        self.last = " "
        self.resize(rows, columns)

    def resize(self, rows, columns):
        self.rows, self.columns = rows, columns
        self.top, self.bottom = 0, rows - 1
        self.row, self.column = min(self.row, rows - 1), min(self.column, columns - 1)
        self.clear()

    def clear(self):
        self.cells = [[" "] * self.columns for _ in range(self.rows)]

    def shown(self):
        return "\n".join("".join(line).rstrip() for line in self.cells)

    def scroll(self, by):
        for _ in range(abs(by)):
            self.cells.pop(self.top if by > 0 else self.bottom)
            self.cells.insert(self.bottom if by > 0 else self.top, [" "] * self.columns)

    def down(self):
        if self.row == self.bottom:
            self.scroll(1)
        else:
            self.row = min(self.row + 1, self.rows - 1)

    def put(self, char):
        if self.column >= self.columns:
            self.column = 0
            self.down()
        self.cells[min(self.row, self.rows - 1)][self.column] = char
        self.column += 1
        self.last = char

    def control(self, char):
        if char == "\r":
            self.column = 0
        elif char == "\n":
            self.down()
        elif char == "\b":
            self.column = max(self.column - 1, 0)
        elif char == "\t":
            self.column = min((self.column // 8 + 1) * 8, self.columns - 1)

    def erase(self, row, first, last):
        self.cells[row][first:last] = [" "] * (min(last, self.columns) - first)

    def private(self, numbers, final):
        if 1049 in numbers:
            self.other = final == "h"
            self.clear()
            self.row = self.column = 0
        if 25 in numbers:
            self.cursor = final == "h"

    def command(self, numbers, final):
        n = max(numbers[0] if numbers else 1, 1)
        line = self.cells[self.row]
        if final in "Hf":
            self.row = min(n, self.rows) - 1
            self.column = min(max(numbers[1] if len(numbers) > 1 else 1, 1), self.columns) - 1
        elif final == "G":
            self.column = min(n, self.columns) - 1
        elif final == "d":
            self.row = min(n, self.rows) - 1
        elif final == "A":
            self.row = max(self.row - n, 0)
        elif final == "B":
            self.row = min(self.row + n, self.rows - 1)
        elif final == "C":
            self.column = min(self.column + n, self.columns - 1)
        elif final == "D":
            self.column = max(self.column - n, 0)
        elif final == "J" and numbers and numbers[0] == 2:
            self.clear()
        elif final == "J":
            self.erase(self.row, self.column, self.columns)
            for row in range(self.row + 1, self.rows):
                self.erase(row, 0, self.columns)
        elif final == "K":
            self.erase(self.row, 0 if numbers and numbers[0] else self.column,
                       self.column + 1 if numbers and numbers[0] == 1 else self.columns)
        elif final == "X":
            self.erase(self.row, self.column, self.column + n)
        elif final == "P":
            self.cells[self.row] = (line[:self.column] + line[self.column + n:] + [" "] * n)[:self.columns]
        elif final == "@":
            self.cells[self.row] = (line[:self.column] + [" "] * n + line[self.column:])[:self.columns]
        elif final in "LM":
            keep, self.top = self.top, self.row
            self.scroll(-n if final == "L" else n)
            self.top = keep
        elif final in "ST":
            self.scroll(n if final == "S" else -n)
        elif final == "b":
            for _ in range(n):
                self.put(self.last)
        elif final == "r":
            self.top = n - 1
            self.bottom = (numbers[1] if len(numbers) > 1 else self.rows) - 1
            self.row = self.column = 0

    def feed(self, data):
        data = self.left + data
        at = 0
        while at < len(data):
            m = self.SEQUENCE.match(data, at)
            if not m or (m.group(5) == b"\x1b"):
                break  # the rest of it comes later
            at = m.end()
            if m.group(3):
                numbers = [int(n or 0) for n in m.group(2).decode().split(";")] if m.group(2) else []
                (self.private if m.group(1) else self.command)(numbers, m.group(3).decode())
            elif m.group(4) == b"M":
                self.scroll(-1) if self.row == self.top else self.command([], "A")
            elif m.group(5):
                self.control(m.group(5).decode())
            elif m.group(6):
                self.put(m.group(6).decode("ascii", "replace"))
        self.left = data[at:]


def fail(what):
    print(f"top.py: {what}; the screen:")
    print(screen.shown())
    sys.exit(1)


def resize(rows, columns):
    fcntl.ioctl(outer, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def more(seconds):
    """Whether anything came."""
    if not select.select([outer], [], [], seconds)[0]:
        return False
    try:
        data = os.read(outer, 65536)
    except OSError:  # the last one closed the terminal
        return False
    screen.feed(data)
    return bool(data)


def see(text):
    limit = time.monotonic() + SECONDS
    while text not in screen.shown():
        more(0.2)
        if time.monotonic() > limit:
            fail(f"not seen within {SECONDS} s: {text}")


def end(status):
    limit = time.monotonic() + SECONDS
    while True:
        more(0.1)
        pid, how = os.waitpid(child, os.WNOHANG)
        if pid:
            break
        if time.monotonic() > limit:
            fail("it does not end")
    while more(0.1):
        pass
    got = os.waitstatus_to_exitcode(how)
    if got != status:
        fail(f"ended with {got}, not {status}")
    if termios.tcgetattr(inner) != before:
        fail("the terminal is not set as it was")
    if screen.other or not screen.cursor:
        fail("the screen that was there before, or the cursor, did not come back")


outer, inner = pty.openpty()
screen = Screen(24, 80)
resize(24, 80)
before = termios.tcgetattr(inner)
child = os.fork()
if not child:
    os.setsid()
    fcntl.ioctl(inner, termios.TIOCSCTTY, 0)
    for fd in range(3):
        os.dup2(inner, fd)
    os.environ["TERM"] = "xterm"
    os.environ.pop("LINES", None)
    os.environ.pop("COLUMNS", None)
    os.execv(sys.argv[1], [sys.argv[1], "top"])

steps = iter(sys.argv[2:])
for step in steps:
    if step == "see":
        see(next(steps))
    elif step == "press":
        os.write(outer, next(steps).replace("\\r", "\r").encode())
    elif step == "size":
        rows, columns = int(next(steps)), int(next(steps))
        screen.resize(rows, columns)
        resize(rows, columns)  # the kernel tells picket by SIGWINCH
    elif step == "signal":
        os.kill(child, getattr(signal, next(steps)))
    elif step == "end":
        end(int(next(steps)))
    else:
        sys.exit(__doc__)
