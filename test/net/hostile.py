# SPDX-License-Identifier: BSD-2-Clause
"""Successors that do not behave: hostile.py CONTROL-SOCKET

Each tries to take over in a way that must not; afterwards the switch must answer
and not have gone.
"""
import array
import json
import os
import socket
import sys
import time

path = sys.argv[1]


def ask(fds, args):
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(15)
    sock.connect(path)
    line = json.dumps({"do": "takeover", "args": args}).encode() + b"\n"
    control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    sock.sendmsg([line], control)
    return sock


def answer(sock):
    data = b""
    while b'"ok"' not in data:
        piece = sock.recv(65536)
        if not piece:
            break
        data += piece
    return data


def refused(fds, args):
    assert b'"ok":false' in answer(ask(fds, args)), (fds, args)


def pair():
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def well():
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(5)
    sock.connect(path)
    sock.sendall(b'{"do":"version"}\n')
    assert b'"ok":true' in sock.recv(4096)


good = {"version": 2}
stream = socket.socketpair()
null = os.open("/dev/null", os.O_RDWR)
refused([], good)
refused([null], good)
refused([stream[0].fileno()], good)
for version in (0, 1, 3, "2", None, [], 1e9):
    refused([pair()[0].fileno()], {"version": version})
well()
for words in (b"", b"g", b"gone", b"go away", b"x" * 5000):
    a, b = pair()
    sock = ask([b.fileno()], good)
    answer(sock)
    if words:
        a.send(words)
    else:
        a.close()
    time.sleep(0.05)
    well()
    # This end of the pair is still open here: the switch has let go of it.
    b.close()
# "go" before the answer was read to its end, and a second one meanwhile.
a, b = pair()
a.send(b"go")
sock = ask([b.fileno()], good)
time.sleep(0.05)
well()
sock.close()
a, b = pair()
first = ask([b.fileno()], good)
answer(first)
refused([pair()[0].fileno()], good)
a.close()
time.sleep(0.05)
# Hangs up in the middle of the answer.
for _ in range(20):
    a, b = pair()
    ask([b.fileno()], good).close()
    a.close()
    b.close()
time.sleep(0.1)
well()
