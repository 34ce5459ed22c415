# SPDX-License-Identifier: BSD-2-Clause
"""A TCP connection to whoever gives back what it gets: numbered lines, until a file
appears. Prints how many came back, in order and whole, and the longest silence.

    echo.py ADDRESS PORT STOP-FILE
"""

import os
import socket
import sys
import time

address, port, stop = sys.argv[1], int(sys.argv[2]), sys.argv[3]
peer = socket.create_connection((address, port), 30)
peer.settimeout(60)
lines = peer.makefile('rwb')
count, longest = 0, 0.0
print('ready', flush=True)
while not os.path.exists(stop):
    line = b'%d %s\n' % (count, b'x' * (count % 1000))
    sent = time.monotonic()
    lines.write(line)
    lines.flush()
    if lines.readline() != line:
        sys.exit(f'line {count} came back otherwise')
    longest = max(longest, time.monotonic() - sent)
    count += 1
    time.sleep(0.005)
print(f'{count} lines, the longest silence {longest:.2f} s')
