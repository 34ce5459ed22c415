# SPDX-License-Identifier: BSD-2-Clause
"""Breaks a valid configuration in many ways and asks switchd -t about each.

mutate.py SWITCHD FILE

Every one must be refused with status 1 and "FILE:LINE: message". The mutations
are made so that none can be valid by chance.
"""
import re
import subprocess
import sys
import tempfile


def mutations(text):
    # A brace, bracket, parenthesis or quote too few.
    for m in re.finditer(r'[{}()\[\]"]', text):
        yield f"without the {m[0]} at {m.start()}", text[:m.start()] + text[m.end():]
    # Every key misspelt.
    for m in re.finditer(r"\b([a-z_]+) = ", text):
        yield f"key {m[1]} misspelt", text[:m.end(1)] + "x" + text[m.end(1):]
    # Every value of a wrong type.
    for m in re.finditer(r'\b([a-z_]+) = ("[^"]*"|\d+|true|false)', text):
        wrong = "{ a = 1; }"
        yield f"{m[1]} is an object", text[:m.start(2)] + wrong + text[m.end(2):]
        if m[2][0] == '"':
            yield f"{m[1]} is a number", text[:m.start(2)] + "17" + text[m.end(2):]
            yield f"{m[1]} is empty", text[:m.start(2)] + '""' + text[m.end(2):]
        else:
            yield f"{m[1]} is a string", text[:m.start(2)] + '"much"' + text[m.end(2):]
    # Every number out of range.
    for m in re.finditer(r"\b([a-z_]+) = (\d+)", text):
        for value in ("-1", "99999999999999999999", "99999999"):
            yield f"{m[1]} = {value}", text[:m.start(2)] + value + text[m.end(2):]
    # What is twice.
    for kind in ("uplinks", "segments", "ports"):
        m = re.search(kind + r" = \(\s*(\{.*?\}),?\s*(?=\{|\))", text, re.S)
        if m:
            yield f"{kind}: one twice", text[:m.end(1)] + ", " + m[1] + text[m.end(1):]
    # References to nothing, ids and addresses that cannot be.
    for old, new in (
        ('segment = "alpha"', 'segment = "nowhere"'),
        ('uplink = "lan"', 'uplink = "nowhere"'),
        ("id = 2", "id = 1"), ("id = 2", "id = 256"), ("id = 2", "id = 4096"),
        ("52:54:00:00:00:01", "52:54:00:00:00"), ("52:54:00:00:00:01", "52:54:00:00:00:01:02"),
        ("52:54:00:00:00:01", "53:54:00:00:00:01"), ("52:54:00:00:00:01", "00:00:00:00:00:00"),
        ("192.0.2.1", "192.0.2.256"), ("192.0.2.1", "239.0.0.1"), ("192.0.2.1", "host.example"),
        ("239.192.0.1", "192.0.2.7"), ("239.192.0.1", "224.0.0.1"),
        ("mtu = 1400", "mtu = 20"), ('type = "tap"', 'type = "tape"'),
        ('type = "etherip"', 'type = "ethernet"'),
        ('oversize = "clip"', 'oversize = "clap"'),
    ):
        if old not in text:
            raise SystemExit(f"the valid file has no {old}")
        yield f"{old} -> {new}", text.replace(old, new, 1)


def main():
    switchd, path = sys.argv[1:]
    text = open(path).read()
    # Empty strings and objects that are valid where they stand.
    allowed = {"user is empty", "domain is empty"}
    tried = wrong = 0
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        for what, mutated in mutations(text):
            if what in allowed or mutated == text:
                continue
            file.seek(0)
            file.truncate()
            file.write(mutated)
            file.flush()
            done = subprocess.run([switchd, "-t", "-c", file.name], capture_output=True, text=True,
                                  timeout=20, errors="replace")
            tried += 1
            lines = done.stderr.splitlines()
            if done.returncode != 1 or not lines or not re.match(re.escape(file.name) + r":\d+: .", lines[0]):
                wrong += 1
                print(f"{what}: status {done.returncode}, {done.stderr.strip()[:300]!r}")
    print(f"{tried} mutations, {wrong} not refused as they should be")
    return wrong > 0 or tried < 200


if __name__ == "__main__":
    sys.exit(main())
