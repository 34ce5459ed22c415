# SPDX-License-Identifier: BSD-2-Clause
"""The part of systemd that keeps descriptors: manager.py SOCKET REPORT COMMAND...

Runs the command with NOTIFY_SOCKET, keeps what it stores, and runs it again with
that whenever it ends, until this process is told to end. REPORT gets a line for
each event: "start PID FDS", "ready", "store NAME", "remove NAME", "end STATUS".
"""
import array
import os
import select
import signal
import socket
import subprocess
import sys

path, report, command = sys.argv[1], sys.argv[2], sys.argv[3:]
sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
sock.bind(path)
log = open(report, "w", buffering=1)
kept = []  # of (name, descriptor)
ending = False
child = None


def listen():
    """Puts the descriptors where the child expects them."""
    os.environ["LISTEN_PID"] = str(os.getpid())
    os.environ["LISTEN_FDS"] = str(len(kept))
    os.environ["LISTEN_FDNAMES"] = ":".join(name for name, _ in kept)
    high = [os.dup(fd) for _, fd in kept]
    high = [os.dup2(fd, 500 + i) for i, fd in enumerate(high)]
    for i, fd in enumerate(high):
        os.dup2(fd, 3 + i, inheritable=True)
    os.closerange(3 + len(high), 1000)
    if not kept:
        for key in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
            del os.environ[key]


def hear():
    data, control, _, _ = sock.recvmsg(4096, socket.CMSG_SPACE(16))
    lines = dict(line.split("=", 1) for line in data.decode().split("\n") if line)
    fds = array.array("i")
    for _, _, what in control:
        fds.frombytes(what)
    name = lines.get("FDNAME")
    if lines.get("FDSTORE") == "1":
        kept.append((name, fds[0]))
        print("store", name, file=log)
    elif lines.get("FDSTOREREMOVE") == "1":
        for entry in [entry for entry in kept if entry[0] == name]:
            os.close(entry[1])
            kept.remove(entry)
        print("remove", name, file=log)
    elif lines.get("READY") == "1":
        print("ready", file=log)


def drain():
    while select.select([sock], [], [], 0)[0]:
        hear()


def end(*_):
    global ending
    ending = True
    if child:
        child.terminate()


signal.signal(signal.SIGTERM, end)
os.environ["NOTIFY_SOCKET"] = path
while not ending:
    passed = " ".join(sorted(name for name, _ in kept))
    child = subprocess.Popen(command, preexec_fn=listen, close_fds=False)
    print("start", child.pid, passed, file=log)
    while child.poll() is None:
        if select.select([sock], [], [], 0.02)[0]:
            hear()
    drain()
    print("end", child.returncode, file=log)
sys.exit(0 if child.returncode == 0 else 1)
