"""Types into karat's shell at a pseudo-terminal and prints what a person sees: shell.py FOLDER KARAT. FOLDER holds the table `t.csv`."""

import fcntl
import os
import pty
import re
import select
import struct
import sys
import termios
import time

folder, karat = sys.argv[1:3]
STEPS = [
    ("karat> ", "\\d\r"),
    ("karat> ", "\\d t\r"),
    ("karat> ", "select id,\r"),
    ("   ...> ", "  v from t order by cast(id as int) limit 1;\r"),
    ("karat> ", "select v fro\t t whXe\x1b[D\x7f\x1b[Cre id = '2';\r"),
    ("karat> ", "select nothing from t;\r"),
    ("karat> ", "select count(*) as n from t a, t b, t c, t d where a.v || b.v || c.v || d.v = 'x';\r"),
    (None, "\x03"),
    ("karat> ", "select 'unwanted\x03"),
    ("karat> ", "\x1b[A\x1b[A\x1b[B\x1b[A\r"),
    ("karat> ", "explain select id from t;\r"),
    ("karat> ", "\\x\r"),
    ("karat> ", "\x04"),
]
process, terminal = pty.fork()
if process == 0:
    os.chdir(folder)
    os.environ.update(HOME=folder, XDG_STATE_HOME=folder, TERM="xterm")
    os.execv(karat, [karat, "query", "--threads", "2", "--table", "t=t.csv"])
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
seen = b""


def read(seconds):
    """What comes within this time: True; nothing: None; the end: False."""
    global seen
    if not select.select([terminal], [], [], seconds)[0]:
        return None
    try:
        part = os.read(terminal, 65536)
    except OSError:
        return False
    seen += part
    return bool(part)


def waits_for_keys():
    """What is typed before would be shown twice."""
    return not termios.tcgetattr(terminal)[3] & termios.ICANON


def plain():
    return re.sub(rb"\x1b\[[0-9;?]*[a-zA-Z]", b"", seen).decode()


deadline = time.monotonic() + 240
for prompt, keys in STEPS:
    start = len(seen)
    if prompt is None:
        # A query that is planned or has begun: its line is entered.
        while not plain().endswith("\n") and time.monotonic() < deadline:
            if read(0.2) is False:
                break
        time.sleep(1)
    else:
        # The line before was entered, and an empty one behind the prompt waits for keys.
        while not (b"\n" in seen[start:] and plain().endswith(prompt + "\r") and waits_for_keys()) and time.monotonic() < deadline:
            if read(0.05) is False:
                break
    os.write(terminal, keys.encode())
while time.monotonic() < deadline and read(0.2) is not False:
    pass
_, status = os.waitpid(process, 0)
for line in plain().split("\n"):
    # Of a line that is drawn again with each key only its last state counts.
    states = [state for state in line.split("\r") if state.strip()]
    print(states[-1].rstrip() if states else "")
print("exit", os.waitstatus_to_exitcode(status))
with open(os.path.join(folder, "karat", "query_history")) as history:
    print("remembered:", *history.read().splitlines(), sep="\n  ")
