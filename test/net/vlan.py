# SPDX-License-Identifier: BSD-2-Clause
"""VLAN tags by hand, for the tests of dot1q.

vlan.py send INTERFACE SOURCE TAGS...          one broadcast frame for each list of tags
vlan.py raw INTERFACE COUNT FRAMES...          frames in hexadecimal, all of them COUNT times
vlan.py member INTERFACE MAC ADDRESS VID       a station of a VLAN: answers ARP and ping
vlan.py heads FILE SOURCE                      the tags and types of its frames in a capture
vlan.py lengths FILE TAGS                      shortest and longest frame with these tags
vlan.py padding FILE                           how many ARP packets end in zeros, and how many not
vlan.py answered FILE GROUP SOURCE ANSWERER    milliseconds from its LeaveAll to the next PDU of the other

TAGS are written as in "88a8:200/8100:7"; "-" stands for none. Frames that are sent
have type 88b5 and 50 bytes of payload, which begins with the number of the list.
"""
import socket
import struct
import sys

SOL_PACKET, AUXDATA = 263, 8
TYPES = (0x8100, 0x88A8, 0x9100)


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def tags(text):
    """The bytes of tags; a VID may be a whole TCI in hexadecimal."""
    out = b""
    for tag in () if text == "-" else text.split("/"):
        tpid, _, tci = tag.partition(":")
        out += struct.pack("!HH", int(tpid, 16), int(tci, 0))
    return out


def packet_socket(interface, protocol):
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(protocol))
    sock.bind((interface, protocol))
    return sock


def send(interface, source, *lists):
    sock = packet_socket(interface, 0)
    for number, text in enumerate(lists):
        sock.send(b"\xff" * 6 + mac(source) + tags(text) + b"\x88\xb5" + bytes([number]) + b"\xa5" * 49)


def raw(interface, count, *frames):
    sock = packet_socket(interface, 0)
    for _ in range(int(count)):
        for text in frames:
            data = bytes.fromhex(text.replace(" ", ""))
            sock.send(data + b"\0" * (60 - len(data)))


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def answer(frame, own, address):
    """What a station answers to an untagged frame, or None."""
    kind, body = frame[12:14], bytearray(frame[14:])
    if kind == b"\x08\x06" and body[6:8] == b"\x00\x01" and bytes(body[24:28]) == address:
        body[6:8] = b"\x00\x02"
        body[18:28], body[8:18] = body[8:18], own + address
        return frame[6:12] + own + kind + bytes(body[:28])
    if kind == b"\x08\x00" and body[9] == 1 and bytes(body[16:20]) == address and body[20] == 8:
        del body[struct.unpack("!H", body[2:4])[0]:]
        body[12:16], body[16:20] = body[16:20], body[12:16]
        body[20] = 0
        body[22:24] = b"\0\0"
        icmp = bytes(body[20:]) + b"\0" * (len(body) % 2)
        body[22:24] = struct.pack("!H", checksum(icmp))
        return frame[6:12] + own + kind + bytes(body)
    return None


def member(interface, own, address, vid):
    sock = packet_socket(interface, 3)
    sock.setsockopt(SOL_PACKET, AUXDATA, 1)
    own, address, vid = mac(own), socket.inet_aton(address), int(vid)
    print("ready", flush=True)
    while True:
        frame, control, _, _ = sock.recvmsg(65536, 256)
        for level, kind, data in control:
            if level != SOL_PACKET or kind != AUXDATA:
                continue
            status, _, _, _, _, tci, tpid = struct.unpack("IIIHHHH", data[:20])
            if not status & 0x10 or tpid != 0x8100 or tci & 0xFFF != vid:
                continue
            reply = answer(frame, own, address)
            if reply:
                reply = reply[:12] + struct.pack("!HH", 0x8100, vid) + reply[12:]
                sock.send(reply + b"\0" * (60 - len(reply)))


def captured(path):
    from scapy.utils import RawPcapReader  # slow to load, and rarely needed
    return [data for data, _ in RawPcapReader(path)]


def head(data):
    """Tags and type as in "8100:0066 0800"."""
    words, at = [], 12
    while struct.unpack("!H", data[at:at + 2])[0] in TYPES and len(data) >= at + 6:
        words.append(data[at:at + 2].hex() + ":" + data[at + 2:at + 4].hex())
        at += 4
    return " ".join(words + [data[at:at + 2].hex()]), at + 2


def heads(path, source):
    return "\n".join(sorted({head(d)[0] for d in captured(path) if d[6:12] == mac(source)}))


def lengths(path, text):
    found = [len(d) for d in captured(path) if head(d)[0].rpartition(" ")[0] == text]
    return f"{min(found)} {max(found)}" if found else ""


def answered(path, group, source, answerer):
    from scapy.utils import RawPcapReader
    asked = None
    for data, meta in RawPcapReader(path):
        at = meta.sec * 1000 + meta.usec / 1000
        if data[:6] == mac(group) and data[6:12] == mac(source):
            asked = at
        elif data[:6] == mac(group) and data[6:12] == mac(answerer) and asked is not None:
            return round(at - asked)
    return None


def padding(path):
    good = bad = 0
    for data in captured(path):
        words, at = head(data)
        if not words.endswith(" 0806"):
            continue
        if len(data) == 60 and not data[at + 28:].strip(b"\0"):
            good += 1
        else:
            bad += 1
    return f"{good} {bad}"


if __name__ == "__main__":
    result = globals()[sys.argv[1]](*sys.argv[2:])
    if result is not None:
        print(result)
