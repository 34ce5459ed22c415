# SPDX-License-Identifier: BSD-2-Clause
"""Clients that misbehave on switchd's control socket.

control.py SOCKET garbage       requests that are no requests; each must be refused
                                or hung up on, and nothing else
control.py SOCKET many N        N connections at once that say nothing
control.py SOCKET stall         asks for a lot and for events, and reads nothing for
                                as long as stdin stays open
"""
import json
import os
import random
import socket
import sys


def connect(path):
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(15)
    sock.connect(path)
    return sock


def answers(path, request):
    """What comes back until the other end hangs up or has answered."""
    data = b""
    with connect(path) as sock:
        try:
            sock.sendall(request)
            sock.shutdown(socket.SHUT_WR)
            while piece := sock.recv(65536):
                data += piece
        except (BrokenPipeError, ConnectionResetError):
            pass
    return data


GARBAGE = {
    "nothing": b"",
    "an empty line": b"\n",
    "not JSON": b"hello\n",
    "an array": b"[1, 2]\n",
    "a number": b"17\n",
    "a truncated object": b'{"do": "port.show", "args": {',
    "no command": b'{"args": {}}\n',
    "a command that is a number": b'{"do": 7}\n',
    "an unknown command": b'{"do": "port.explode"}\n',
    "arguments that are a string": b'{"do": "port.show", "args": "vm1"}\n',
    "an argument of the wrong type": b'{"do": "port.show", "args": {"name": {"a": 1}}}\n',
    "a zero byte": b'{"do": "port\x00.show"}\n',
    "bytes that are not UTF-8": b'{"do": "\xff\xfe"}\n',
    "deep nesting": b"[" * 100_000 + b"\n",
    "a line of a megabyte": b'{"do": "' + b"x" * 1_000_000 + b'"}\n',
    "a huge number": b'{"do": "port.show", "args": {"name": 1e999}}\n',
    "random bytes": random.randbytes(10_000) + b"\n",
}


def garbage(path):
    failed = False
    for what, request in GARBAGE.items():
        for line in answers(path, request).splitlines():
            answer = json.loads(line)
            if answer.get("ok") is not False or not answer.get("error"):
                print(f"{what}: answered {line[:200]!r}")
                failed = True
    return failed


def many(path, count):
    socks = []
    refused = 0
    for _ in range(count):
        try:
            socks.append(connect(path))
        except OSError:
            refused += 1
    # Whoever is let in may ask; the others are told by a hang-up.
    for sock in socks:
        sock.close()
    print(f"{len(socks)} connected, {refused} refused")
    return False


def stall(path):
    socks = []
    for _ in range(4):
        sock = connect(path)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        sock.sendall(b'{"do": "monitor"}\n')
        socks.append(sock)
    for _ in range(4):
        sock = connect(path)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        sock.setblocking(False)
        try:
            for _ in range(10_000):
                sock.send(b'{"do": "fdb.show"}\n{"do": "metrics"}\n')
        except OSError:
            pass
        socks.append(sock)
    print("stalled", flush=True)
    sys.stdin.read()
    return False


if __name__ == "__main__":
    path, what = sys.argv[1:3]
    if what == "garbage":
        status = garbage(path)
    elif what == "many":
        status = many(path, int(sys.argv[3]))
    else:
        status = stall(path)
    sys.stdout.flush()
    os._exit(status)
