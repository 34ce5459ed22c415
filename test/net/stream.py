# SPDX-License-Identifier: BSD-2-Clause
"""One TCP connection that lasts: stream.py ADDRESS STOP-FILE

Sends numbered bytes to the echo of transfer.py and compares what comes back, until
the file is there. Prints how much went, and fails on any loss or reset, or when
nothing comes for five seconds.
"""
import os
import random
import socket
import sys
import threading

PORT = 5000
PATTERN = random.Random(1).randbytes(1 << 20)


def main(address, stop):
    sent = got = 0
    done = threading.Event()

    def send(conn):
        nonlocal sent
        while not os.path.exists(stop):
            at = sent % len(PATTERN)
            sent += conn.send(PATTERN[at:at + 20000])
            done.wait(0.002)
        conn.shutdown(socket.SHUT_WR)

    with socket.create_connection((address, PORT), timeout=5) as conn:
        sender = threading.Thread(target=send, args=(conn,), daemon=True)
        sender.start()
        print("ready", flush=True)
        while piece := conn.recv(65536):
            at = got % len(PATTERN)
            if piece != (PATTERN + PATTERN)[at:at + len(piece)]:
                sys.exit(f"other bytes come back after {got}")
            got += len(piece)
        sender.join()
    if got != sent:
        sys.exit(f"sent {sent} bytes, {got} came back")
    print(f"{got} bytes")


main(*sys.argv[1:])
