#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Guests whose MTU is larger than what fits: `oversize` clip, fragment and drop, on
# TCP with superframes and on single packets; MSS clamping; the MTU that is computed
# for other wires and for segments that pass tags.
#
#	hostA--vm1 (clip), vm2 (fragment), vm3 (drop), vm7 (clip without clamp)
#	  |
#	hostB--vm4 (clip), vm5 (fragment), vm6 (drop), vm8 (clip without clamp)

# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
lab_begin "$@"

segments_of_all() {
	list segments \
		"$(segment clip 1 "$(etherip '' 'oversize = "clip"; ')")" \
		"$(segment fragment 2 "$(etherip '' 'oversize = "fragment"; clamp_mss = false; ')")" \
		"$(segment drop 3 "$(etherip '' 'oversize = "drop"; clamp_mss = false; ')")" \
		"$(segment raw 4 "$(etherip '' 'oversize = "clip"; clamp_mss = false; ')")" \
		"$(segment tagged 5 "tags = \"pass\"; $(etherip '')")" \
		"$(segment local 6)"
}
lab_host hostA 192.0.2.1/24
lab_host hostB 192.0.2.2/24
lab_guest vm1 vm2 vm3 vm4 vm5 vm6 vm7 vm8
lab_wire hostA hostB
large='mtu = 1500; '
{
	uplink 192.0.2.1
	segments_of_all
	list ports "$(tap vm1 clip "$large")" "$(tap vm2 fragment "$large")" "$(tap vm3 drop "$large")" "$(tap vm7 raw "$large")"
} | lab_config hostA
{
	uplink 192.0.2.2
	segments_of_all
	list ports "$(tap vm4 clip "$large")" "$(tap vm5 fragment "$large")" "$(tap vm6 drop "$large")" "$(tap vm8 raw "$large")"
} | lab_config hostB
lab_start hostA
lab_start hostB
address vm1 vm2 vm3 vm4 vm5 vm6 vm7 vm8

mtu_of() {
	ctl hostA -j segment show "$1" | json "d[0]['mtu']"
}
check "the MTU that fits is 1464" equal "$(mtu_of clip)" 1464
check "four less where tags pass" equal "$(mtu_of tagged)" 1460
check "and a TAP's largest where nothing leaves the host" equal "$(mtu_of local)" 65521
check "an \`mtu\` that is given is set" equal "$(on vm1 ip -o link show eth0 | sed 's/.* mtu \([0-9]*\) .*/\1/')" 1500

big() { # GUEST ADDRESS: one ping that fills an MTU of 1500
	on "$1" ping -q -n -c 3 -i 0.2 -w 3 -s 1472 "$2" >/dev/null 2>&1
}
for pair in vm1:vm4 vm2:vm5 vm3:vm6 vm7:vm8; do
	check "$pair: small packets pass" reaches "${pair%:*}" "$(v4 "${pair#*:}")"
done
capture hostA eth0 "$LAB/wire.pcap"
wire=$LAB_LAST
check "clip: a single packet that is too long passes in fragments" big vm1 "$(v4 vm4)"
check "fragment: the same" big vm2 "$(v4 vm5)"
check_not "drop: it does not pass" big vm3 "$(v4 vm6)"
capture_end "$wire"
check "what was too long is counted where it came in" [ "$(port_drops hostA vm3 oversize)" -ge 3 ]
long=$(printf '%s%s0800%03000d' "$(mac vm6)" "$(mac vm3)" 0 | tr -d :)
check "a trace foresees it" equal \
	"$(ctl hostA -j trace port vm3 "$long" | json "d['verdict'] + ' ' + str(d['reason'])")" "drop oversize"
check "nothing of the kind elsewhere" equal "$(port_drops hostA vm1 oversize),$(port_drops hostA vm2 oversize)" 0,0
check "there were fragments of clip and fragment" [ "$(fields "$LAB/wire.pcap" 'ip.flags.mf == 1' frame.number | wc -l)" -ge 4 ]
check "and host B counts what was put together" json "all(e['reassembled'] >= 1 for e in d if e['segment'] in ('clip', 'fragment'))" <<<"$(ctl hostB -j encap show)"

# Moves 2 MB by TCP; FRAGMENTS is then how many outer fragments that took, MSS the
# largest one that a SYN on the wire asked for.
tcp() { # FROM TO
	local capturing status=0
	background "$2" "$PYTHON" -c 'import socket
server = socket.create_server(("", 5001))
while True:
    conn, n = server.accept()[0], 0
    while data := conn.recv(65536):
        n += len(data)
    conn.sendall(b"%d" % n)
    conn.close()'
	wait_until 10 listens "$2"
	capture hostA eth0 "$LAB/$1.pcap"
	capturing=$LAB_LAST
	on "$1" timeout 20 "$PYTHON" -c 'import socket, sys
conn = socket.create_connection((sys.argv[1], 5001), timeout=10)
conn.sendall(b"x" * 2000000)
conn.shutdown(socket.SHUT_WR)
sys.exit(conn.recv(100) != b"2000000")' "$(v4 "$2")" || status=$?
	capture_end "$capturing"
	FRAGMENTS=$(fields "$LAB/$1.pcap" 'ip.flags.mf == 1 || ip.frag_offset > 0' frame.number | wc -l)
	MSS=$(fields "$LAB/$1.pcap" 'tcp.flags.syn == 1' tcp.options.mss_val | sort -n | tail -n 1)
	return "$status"
}
listens() {
	on "$1" ss -Hltn 'sport = :5001' | finds .
}

tcp vm1 vm4 && done=yes || done=no
check "clip: TCP passes" equal "$done" yes
check "its MSS was clamped to what fits" equal "$MSS" 1424
check "and nothing was fragmented" equal "$FRAGMENTS" 0
tcp vm7 vm8 && done=yes || done=no
check "clip without clamping: TCP passes" equal "$done" yes
check "with the MSS that the guests wanted" equal "$MSS" 1460
check "superframes were cut to fit" [ "$FRAGMENTS" -lt 40 ]
tcp vm2 vm5 && done=yes || done=no
check "fragment: TCP passes" equal "$done" yes
check "in many fragments ($FRAGMENTS)" [ "$FRAGMENTS" -gt 200 ]
lab_end
