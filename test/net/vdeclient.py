# SPDX-License-Identifier: BSD-2-Clause
"""Clients of VDE that libvdeplug would not be.

vdeclient.py odd WHAT DIR     asks in a wrong way, see ODD; says what became of it:
                              "granted", or "closed" after how many whole seconds
vdeclient.py die STEP DIR     goes as far as a step, says "ready" and waits to be killed
vdeclient.py many COUNT DIR   so many clients in one process: "ready", then how many of
                              them get a broadcast frame of the last one; waits
vdeclient.py silent COUNT DIR so many connections that ask for nothing
vdeclient.py flood COUNT DIR  a client that sends so many broadcast frames and reads none
vdeclient.py late FILE DIR    a client that reads only when there is such a file: says how
                              many frames of floods it then gets
vdeclient.py say DIR LINE...  lines for a management socket: the answers, as they come
"""
import os
import resource
import socket
import struct
import sys
import time

MAGIC = 0xFEEDFACE
FRAME = b"\xff" * 6 + bytes.fromhex("525400000099") + b"\x88\xb5" + b"\xa5" * 46


def sockaddr(path, family=socket.AF_UNIX, pad=b"\0"):
    return struct.pack("=H", family) + path.encode().ljust(108, pad)


def request(path, magic=MAGIC, version=3, kind=0, description=b"test", raw=None):
    return struct.pack("=III", magic, version, kind) + (raw or sockaddr(path)) + description


def call(where):
    ctl = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    ctl.connect(where + "/ctl")
    return ctl


def data_at(path):
    data = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    if os.path.exists(path):
        os.unlink(path)
    data.bind(path)
    os.chmod(path, 0o777)
    return data


def own_path(where, n=0):
    return "%s/.%05d-%05d" % (where, os.getpid(), n)


def ask(where, text, ctl=None):
    ctl = ctl or call(where)
    begun = time.monotonic()
    try:
        ctl.sendall(text)
        answer = ctl.recv(110)
    except OSError:
        answer = b""
    if len(answer) == 110:
        return ctl, answer[2:].split(b"\0")[0].decode()
    return ctl, "closed %d" % (time.monotonic() - begun)


def client(where, n=0, kind=0):
    ctl = call(where)
    data = data_at(own_path(where, n))
    ctl, path = ask(where, request(own_path(where, n), kind=kind), ctl)
    if not path.startswith("/"):
        sys.exit(path)
    data.connect(path)
    return ctl, data


def as_nobody():
    os.setgid(65534)
    os.setuid(65534)


def odd(what, where):
    mine = own_path(where)
    foreign = "/tmp/.vdeclient-%d" % os.getpid()
    cleanup = [mine, foreign]
    other = None
    keep = data_at(mine)
    if what == "good":
        text = request(mine)
    elif what == "port0":
        text = request(mine, kind=1)
    elif what == "magic":
        text = request(mine, magic=0xFEEDFACF)
    elif what == "version":
        text = request(mine, version=2)
    elif what == "version1":
        text = struct.pack("=II", MAGIC, 0) + b"\0" * 6 + sockaddr(mine)
    elif what == "type":
        text = request(mine, kind=2)
    elif what == "number":
        text = request(mine, kind=1024 << 8)
    elif what == "unterminated":
        text = request(mine, raw=struct.pack("=H", socket.AF_UNIX) + b"/" * 108)
    elif what == "family":
        text = request(mine, raw=sockaddr(mine, socket.AF_INET))
    elif what == "abstract":
        keep = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        keep.bind("\0vdeclient-%d" % os.getpid())
        text = request("", raw=sockaddr("\0vdeclient-%d" % os.getpid()))
    elif what == "unnamed":
        text = request("")
    elif what == "relative":
        text = request(os.path.basename(mine))
    elif what == "escape":
        text = request("/tmp/\x1b[2J")
    elif what == "missing":
        text = request(where + "/.nothing")
    elif what == "file":
        with open(foreign, "w", encoding="ascii") as out:
            out.write("x")
        text = request(foreign)
    elif what == "directory":
        text = request(where)
    elif what == "stream":
        keep = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        keep.bind(foreign)
        keep.listen()
        text = request(foreign)
    elif what == "own":
        text = request(where + "/ctl")
    elif what == "link":  # what is behind it was bound elsewhere
        os.symlink(mine, foreign)
        text = request(foreign)
    elif what == "renamed":
        cleanup.append(mine + "x")
        os.rename(mine, mine + "x")
        text = request(mine + "x")
    elif what == "taken":  # connected with another already
        other = data_at(foreign)
        keep.connect(foreign)
        text = request(mine)
    elif what == "dead":
        keep.close()
        text = request(mine)
    elif what == "half":
        text = request(mine)[:60]
    elif what == "nothing":
        text = b""
    elif what == "short":
        text = request(mine, description=b"")[:121]
    elif what == "again":
        ctl, path = ask(where, request(mine))
        ctl.sendall(request(mine))
        what = ctl.recv(1)
        print("closed 0" if not what else "granted")
        return
    elif what == "long":
        text = request(mine, description=b"\x1b[2J" + b"d" * 300)
    elif what.startswith("at:"):
        text = request(what[3:])
    elif what.startswith("foreign:"):  # a socket of somebody else, from one who is nobody
        theirs = what[8:]
        os.unlink(mine)
        data = data_at(theirs)
        ctl = call(where)
        print_as(where, theirs, data)
        ctl.close()
        return
    else:
        sys.exit("what is " + what)
    ctl, answer = ask(where, text)
    for path in cleanup:
        if os.path.lexists(path):
            os.unlink(path)
    del keep, other
    print("granted" if answer.startswith("/") else answer)


def print_as(where, theirs, data):
    """A child that is nobody names a socket that root has bound."""
    child = os.fork()
    if child == 0:
        as_nobody()
        _, answer = ask(where, request(theirs))
        print("granted" if answer.startswith("/") else answer, flush=True)
        os._exit(0)
    os.waitpid(child, 0)
    data.close()
    os.unlink(theirs)


def nobody(how, where, path):
    """One who is nobody, with a socket of his own at the path."""
    as_nobody()
    data = data_at(path)
    _, answer = ask(where, request(path))
    print("granted" if answer.startswith("/") else answer)
    if os.path.exists(path):
        os.unlink(path)
    del data, how


STEPS = ["connect", "bind", "half", "send", "recv", "plug", "unlink", "frames"]


def die(step, where):
    at = STEPS.index(step)
    mine = own_path(where)
    ctl = call(where)
    if at >= 1:
        data = data_at(mine)
    if at == 2:
        ctl.sendall(request(mine)[:60])
    if at >= 3:
        ctl.sendall(request(mine))
    if at >= 4:
        path = ctl.recv(110)[2:].split(b"\0")[0].decode()
    if at >= 5:
        data.connect(path)
    if at >= 6 and os.path.exists(mine):
        os.unlink(mine)
    if at >= 7:
        data.send(FRAME)
    print("ready", flush=True)
    time.sleep(60)


def raise_limit():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def hears(data):
    """Whether the frame comes; guests say things of their own, which may come before."""
    data.settimeout(5)
    try:
        while data.recv(2000) != FRAME:
            pass
    except socket.timeout:
        return False
    return True


def many(count, where):
    raise_limit()
    clients = [client(where, n) for n in range(int(count))]
    print("ready", flush=True)
    clients[-1][1].send(FRAME)
    got = sum(hears(data) for _, data in clients[:-1])
    print(got, flush=True)
    time.sleep(60)


def silent(count, where):
    raise_limit()
    calls = [call(where) for _ in range(int(count))]
    print("ready", flush=True)
    time.sleep(60)
    del calls


def flood(count, where):
    ctl, data = client(where)
    print("ready", flush=True)
    for _ in range(int(count)):
        try:
            data.send(FRAME + b"\xa5" * 1400)
        except OSError:
            break
    print("sent", flush=True)
    time.sleep(60)
    del ctl


def late(when, where):
    ctl, data = client(where)
    print("ready", flush=True)
    while not os.path.exists(when):
        time.sleep(0.02)
    data.settimeout(1)
    got = 0
    try:
        while True:
            got += data.recv(10000)[:len(FRAME)] == FRAME
    except socket.timeout:
        print("frames", got, flush=True)
    del ctl


def say(where, *lines):
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.connect(where)
    sock.settimeout(10)

    def answer():
        got = b""
        while not got.endswith(b"vde$ "):
            piece = sock.recv(65536)
            if not piece:
                return got + b"<end>"
            got += piece
        return got

    answer()
    for line in lines:
        sock.sendall(line.encode() + b"\n")
        print(answer().decode(), end="")
    print()


if __name__ == "__main__":
    {"odd": odd, "die": die, "many": many, "silent": silent, "flood": flood, "late": late, "say": say,
     "nobody": nobody}[sys.argv[1]](*sys.argv[2:])
