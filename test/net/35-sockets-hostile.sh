#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Whoever can reach a port's socket does what he likes there: floods, garbage, a
# thousand connections, datagrams of every size, files in the way. The port counts,
# others lose nothing, and the switch keeps no descriptor and no memory.
#
#	s (stream), d (UNIX datagrams), u (UDP), vm1 (TAP) in alpha      vm2, vm3 in beta

# shellcheck disable=SC2016 # what eval is given stands in single quotes
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
lab_begin "$@"
lab_expect 'warn: stream: port s: .* sends a frame.s length' 'similar messages'

lab_host hostA
lab_guest vm1 vm2 vm3
S=$LAB/s
mkdir "$S"
{
	list segments "$(segment alpha 1)" "$(segment beta 2)"
	list ports "$(tap vm1 alpha)" "$(tap vm2 beta)" "$(tap vm3 beta)" \
		"{ name = \"s\"; type = \"stream\"; segment = \"alpha\"; path = \"$S/s\"; }" \
		"{ name = \"d\"; type = \"dgram\"; segment = \"alpha\"; path = \"$S/d\"; remote = \"$S/d.guest\"; }" \
		'{ name = "u"; type = "udp"; segment = "alpha"; local = "127.0.0.1:4001"; remote = "127.0.0.1:4101"; }'
} | lab_config hostA
lab_start hostA
address vm1 vm2 vm3
cat >"$LAB/hostile.py" <<'END_OF_PYTHON'
import os, random, socket, struct, sys, time
what, where, seconds = sys.argv[1], sys.argv[2], 1.5
FRAME = b"\xff" * 6 + b"\x52\x54\0\0\0\x99" + b"\x88\xb5" + b"\xa5" * 46
end = time.monotonic() + seconds

def stream():
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(2)
    s.connect(where)
    return s

def waits():  # in the queue until it is taken, as QEMU does
    s = socket.socket(socket.AF_UNIX)
    s.connect(where)
    s.settimeout(2)
    return s

begun = []

def patient():  # the port pauses after connections that were short
    global end
    for _ in range(100):
        try:
            s = stream()
            if not begun:
                begun.append(s)
                end = time.monotonic() + seconds
            return s
        except OSError:
            time.sleep(0.1)
    sys.exit("nobody takes the connection")

def sends(s, data):
    try:
        s.sendall(data)
        return True
    except OSError:
        return False

def again(make, use):
    n = 0
    while time.monotonic() < end:
        try:
            s = make()
        except OSError:
            time.sleep(0.01)
            continue
        use(s)
        s.close()
        n += 1
    print(n)

def datagrams(own):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.setblocking(False)
    if os.path.exists(own):
        os.unlink(own)
    s.bind(own)
    return s

def each(send):
    n = 0
    while time.monotonic() < end:
        try:
            send(n)
            n += 1
        except BlockingIOError:
            time.sleep(0.001)
        except OSError:
            n += 1
    print(n)

if what == "connects":
    for n in range(1000):
        try:
            stream().close()
        except OSError:
            pass
elif what == "many":  # at once
    held = []
    for n in range(1000):
        try:
            s = socket.socket(socket.AF_UNIX)
            s.setblocking(False)
            s.connect(where)
            held.append(s)
        except OSError:
            pass
    time.sleep(1)
    print(len(held))
elif what == "garbage":
    again(stream, lambda s: sends(s, random.randbytes(random.choice((1, 3, 5, 100, 70000)))))
elif what == "lengths":  # every length around the limits, whole and cut
    def lengths(s):
        for n in (14, 60, 1514, 65600, 13, 1, 65601):
            if not sends(s, struct.pack(">I", n) + random.randbytes(n if random.random() < .9 else n // 2)):
                break
    again(patient, lengths)
elif what == "flood":
    s = patient()
    while time.monotonic() < end and sends(s, (struct.pack(">I", len(FRAME)) + FRAME) * 500):
        pass
elif what == "deaf":  # sends, and reads nothing
    s = patient()
    while time.monotonic() < end:
        sends(s, struct.pack(">I", len(FRAME)) + FRAME)
        time.sleep(0.001)
elif what == "knocks":  # comes and goes, as often as it can
    for _ in range(3):
        if os.fork() == 0:
            break
    while True:
        try:
            waits().close()
        except OSError:
            pass
elif what == "guest":  # how long until it gets frames, in ms: the worst of ten
    worst = 0
    for _ in range(10):
        begin, got = time.monotonic(), b""
        while not got and time.monotonic() - begin < 10:
            try:
                s = waits()
                got = s.recv(100)
            except OSError:
                pass
        worst = max(worst, time.monotonic() - begin)
        s.close()
    print(round(worst * 1000))
elif what in ("datagrams", "foreign"):
    s = datagrams(where + (".guest" if what == "datagrams" else ".foreign"))
    each(lambda n: s.sendto(random.randbytes(random.choice((0, 1, 13, 14, 60, 1514, 65600, 65601, 100000, 200000))), where))
elif what in ("udp", "udp-foreign"):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setblocking(False)
    s.bind(("127.0.0.1", 4101 if what == "udp" else 4999))
    each(lambda n: s.sendto(random.randbytes(random.choice((0, 1, 13, 14, 60, 1514, 65507))), ("127.0.0.1", 4001)))
END_OF_PYTHON

packets() { # GUEST rx|tx
	on "$1" ip -j -s link show eth0 | json "d[0]['stats64']['$2']['packets']"
}
memory() { # kB that are its own
	awk '/^RssAnon/ { print $2 }' "/proc/${LAB_PID[hostA]}/status"
}
frames() { # PORT
	ctl hostA -j port show "$1" | json "d[0]['stats']['rx_frames']"
}
round() {
	background vm2 ping -q -n -i 0.02 "$(v4 vm3)" >/dev/null
	local pinger=$LAB_LAST what where longest
	# A port pauses after short connections: those who make many of them come last.
	for what in flood deaf lengths garbage datagrams foreign udp udp-foreign connects many; do
		case $what in datagrams | foreign) where=$S/d ;; *) where=$S/s ;; esac
		on hostA "$PYTHON" "$LAB/hostile.py" "$what" "$where" >/dev/null &
		longest=$("$PYTHON" "$LAB_TOP/test/net/attack.py" ask "$LAB/hostA.sock" 1) || :
		wait "$!" || flunk "$what ran"
		check "$what: the control socket answers (within ${longest:-?} ms)" [ "${longest:-9999}" -lt 2000 ]
	done
	finish "$pinger" INT
	check "the others still talk" reaches vm2 "$(v4 vm3)"
	check "and lost none of their $(packets vm2 tx) frames" \
		eval 'equal "$(packets vm2 tx)" "$(packets vm3 rx)" && equal "$(packets vm3 tx)" "$(packets vm2 rx)"'
}
round
check "frames of the stream's flood came in" [ "$(frames s)" -gt 500 ]
check "and impossible lengths were counted" wait_until 20 eval '[ "$(port_drops hostA s bad_header)" -gt 0 ]'
check "datagrams of the guest came in" [ "$(frames d)" -gt 100 ]
check "those that are too long were dropped" [ "$(port_drops hostA d too_long)" -gt 0 ]
check "those that are too short, too" [ "$(port_drops hostA d too_short)" -gt 0 ]
check "those of a stranger, too" [ "$(port_drops hostA d foreign_source)" -gt 0 ]
check "UDP's guest came in" [ "$(frames u)" -gt 100 ]
before=$(frames u)
on hostA "$PYTHON" "$LAB/hostile.py" udp-foreign "$S/s" >/dev/null
check "and strangers did not" equal "$(frames u)" "$before"
fds=$(descriptors hostA)
kilobytes=$(memory)
round
check "a second time costs no descriptor" keeps_descriptors hostA "$fds"
# A sanitizer keeps for a while what was freed.
grep -aq AddressSanitizer "$TVD_BIN/switchd" ||
	check "nor memory ($kilobytes kB before, $(memory) after)" [ "$(memory)" -le $((kilobytes + 4096)) ]

# ---- whoever comes and goes ----

background vm1 "$PYTHON" "$LAB_TOP/test/net/relay.py" send eth0 "$(mac vm1)" 20000 0.002
broadcasts=$LAB_LAST
setsid "$PYTHON" "$LAB/hostile.py" knocks "$S/s" &
knocks=$!
LAB_CHILDREN+=("$knocks")
worst=$(timeout 60 "$PYTHON" "$LAB/hostile.py" guest "$S/s") || :
kill -KILL -- "-$knocks"
wait "$knocks" 2>/dev/null || :
finish "$broadcasts"
check "who comes and goes all the time does not keep a guest out (${worst:-no} ms at worst)" [ "${worst:-99999}" -lt 1500 ]

# ---- files in the way ----

is_down() { # PORT REGEX
	ctl hostA -j port show "$1" | json "d[0]['state'] + ' ' + d[0].get('why', '')" | grep -Eq "^down .*$2"
}
echo precious >"$LAB/precious"
ln -s "$LAB/precious" "$S/link"
ctl hostA port add x type stream path "$S/link" segment alpha
check "a symbolic link to a file is left alone" is_down x .
check "and what it leads to, too" equal "$(cat "$LAB/precious"):$(readlink "$S/link")" "precious:$LAB/precious"
ctl hostA port del x
ln -sf "$LAB/nowhere" "$S/link"
ctl hostA port add x type stream path "$S/link" segment alpha
check "one to nowhere, too" is_down x .
check "nothing was made where it leads" [ ! -e "$LAB/nowhere" -a -L "$S/link" ]
ctl hostA port del x
ln -sf "$LAB/hostA.sock" "$S/link"
ctl hostA port add x type dgram path "$S/link" remote "$S/other" segment alpha
check "one to somebody's socket, too" is_down x .
check "the socket still answers" ctl hostA status
ctl hostA port del x
mkfifo "$S/fifo"
ctl hostA port add x type stream path "$S/fifo" segment alpha
check "a pipe is left alone" is_down x .
ctl hostA port del x
mkdir "$S/folder"
ctl hostA port add x type stream path "$S/folder" segment alpha
check "a folder, too" is_down x .
ctl hostA port del x
"$PYTHON" -c 'import socket, sys
socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$S/stale"
ctl hostA port add x type stream path "$S/stale" segment alpha
check "a socket that nobody listens at is replaced" wait_until 5 is_down x 'waiting for a peer'
ctl hostA port del x
check "after all of it guests reach each other" reaches vm2 "$(v4 vm3)"
lab_end
