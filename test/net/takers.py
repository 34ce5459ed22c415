# SPDX-License-Identifier: BSD-2-Clause
"""Both sides of a takeover, as they should not be: see switchd/takeover.h.

takers.py successors SOCKET         each asks for everything and then dies, or talks
                                    nonsense, at another step; the switch has to go on
takers.py slow SOCKET               one that is never ready
takers.py mute SOCKET               one that asks for everything and then says nothing
takers.py hold SOCKET FILE          one that says "held" when the switch stands still, and
                                    dies when there is such a file
takers.py predecessor SOCKET STEP   serves one takeover at SOCKET, and dies at STEP
"""
import array
import json
import os
import socket
import sys
import time

VERSION = 3


def receive(sock):
    data, control, _, _ = sock.recvmsg(65536, socket.CMSG_SPACE(64), socket.MSG_CMSG_CLOEXEC)
    for _, _, fds in control:
        for fd in array.array("i", fds[:len(fds) - len(fds) % 4]):
            os.close(fd)
    return data


class Successor:
    """Has asked and read the answer; nothing stands still yet."""

    def __init__(self, path):
        self.control = socket.socket(socket.AF_UNIX)
        self.control.settimeout(30)
        self.control.connect(path)
        self.channel, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.channel.settimeout(30)
        line = json.dumps({"do": "takeover", "args": {"version": VERSION}}).encode() + b"\n"
        self.control.sendmsg([line], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                                       array.array("i", [other.fileno()]))])
        other.close()
        data = b""
        while b'"ok":true' not in data:
            piece = self.control.recv(65536)
            assert piece and b'"ok":false' not in data, data[-300:]
            data += piece

    def go(self, messages=None):
        """Up to so many messages of the descriptors, or all."""
        self.channel.send(b"go")
        count = 0
        while messages is None or count < messages:
            message = receive(self.channel)
            count += 1
            if message == b'{"end":true}':
                break
        return count

    def leave(self):
        self.control.close()
        self.channel.close()


def well(path):
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(10)
    sock.connect(path)
    sock.sendall(b'{"do":"version"}\n')
    assert b'"ok":true' in sock.recv(4096)
    sock.close()


def successors(path):
    first = Successor(path)
    total = first.go()
    first.leave()
    well(path)
    for messages in range(total):  # dies with so many received
        one = Successor(path)
        one.go(messages)
        one.leave()
        well(path)
    for words in ([b"nonsense"], [b"left"], [b"left "], [b"left nothing"], [b"go"], [b"servingg"],
                  [b"{}"], [b"x" * 20000], [b"left " + b"x" * 16000] * 3, [b"mine"], [b"yours"]):
        one = Successor(path)
        one.go()
        try:
            for word in words:
                one.channel.send(word)
        except OSError:
            pass
        one.leave()
        well(path)
    # Words before they are asked for: taken for what they are when their time comes.
    one = Successor(path)
    one.channel.send(b"go")
    one.channel.send(b"nonsense")
    one.leave()
    well(path)
    # Dies with "serving" on the way: the answer cannot be said.
    one = Successor(path)
    one.go()
    one.channel.shutdown(socket.SHUT_RD)
    one.channel.send(b"serving")
    one.leave()
    well(path)
    print(total)


def slow(path):
    one = Successor(path)
    one.go()
    start = time.monotonic()
    assert one.channel.recv(100) == b"mine"
    print(int(time.monotonic() - start))
    try:  # nobody may read it any more
        one.channel.send(b"serving")
        assert one.channel.recv(100) == b""
    except OSError:
        pass
    well(path)


def mute(path):
    one = Successor(path)
    print("asked", flush=True)
    start = time.monotonic()
    assert one.channel.recv(100) == b""
    print(int(time.monotonic() - start))


def hold(path, until):
    one = Successor(path)
    one.go()
    print("held", flush=True)
    while not os.path.exists(until):
        time.sleep(0.02)


def send(channel, message, *fds):
    channel.sendmsg([message if isinstance(message, bytes) else json.dumps(message).encode()],
                    [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else [])


def predecessor(path, step):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    print("ready", flush=True)
    conn, _ = listener.accept()
    fds = array.array("i")
    data, control, _, _ = conn.recvmsg(4096, socket.CMSG_SPACE(16))
    fds.frombytes(control[0][2])
    channel = socket.socket(fileno=fds[0])
    assert json.loads(data)["args"]["version"] == VERSION
    conn.sendall(json.dumps({"item": {"saved": VERSION, "now": 5}}).encode() + b"\n")
    if step == "answer":
        os._exit(0)
    conn.sendall(b'{"ok":true}\n')
    assert channel.recv(100) == b"go"
    if step == "go":
        os._exit(0)
    if step == "nonsense":
        send(channel, b"[]")
        os._exit(0)
    send(channel, {"control": True}, listener.fileno())
    if step == "control":
        os._exit(0)
    send(channel, {"port": "port.vm2.0", "fds": 1, "state": 1000}, conn.fileno())
    state = b'{"a":"' + b"x" * 992 + b'"}'
    send(channel, state[:10])
    if step == "half":
        os._exit(0)
    send(channel, state[10:])
    send(channel, {"end": True})
    if step == "end":
        os._exit(0)
    assert channel.recv(300) == b"left port.vm2.0"
    assert channel.recv(300) == b"serving"
    if step == "mine":
        channel.send(b"mine")
    os._exit(0)


if __name__ == "__main__":
    {"successors": successors, "slow": slow, "mute": mute, "hold": hold, "predecessor": predecessor}[sys.argv[1]](*sys.argv[2:])
