#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# EtherIP by groups between three hosts; the bytes on the wire are judged by
# tshark and by hand. hostC has a member of alpha, so it is in the group, and
# sees whether unicast is copied.
#
#	hostA--vm1 (alpha), vm2 (beta)
#	  |
#	 wire (a bridge that floods groups)---hostC--vm5 (alpha)
#	  |
#	hostB--vm3 (alpha), vm4 (beta)

# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
lab_begin "$@"
hosts hostA:alpha:vm1 hostA:beta:vm2 hostB:alpha:vm3 hostB:beta:vm4 hostC:alpha:vm5

capture hostA eth0 "$LAB/a.pcap"
wire=$LAB_LAST
capture hostC eth0 "$LAB/c.pcap"
third=$LAB_LAST

# ---- the matrix ----

check "alpha, A to B, IPv4" reaches vm1 "$(v4 vm3)"
check "alpha, B to A, IPv6" reaches vm3 "$(v6 vm1)"
check "alpha, A to C" reaches vm1 "$(v4 vm5)"
check "beta, A to B" reaches vm2 "$(v4 vm4)"
check "beta, B to A, IPv6" reaches vm4 "$(v6 vm2)"
for pair in vm1:vm2 vm1:vm4 vm2:vm3 vm3:vm4 vm4:vm5; do
	check "${pair%:*} does not reach ${pair#*:} of the other domain" unreachable "${pair%:*}" "$(v4 "${pair#*:}")"
done

# ---- unicast after learning ----

on vm1 ping -q -n -c 20 -i 0.02 "$(v4 vm3)" >/dev/null
capture_end "$wire"
capture_end "$third"

check "IP protocol 97 and EtherIP version 3 only" \
	equal "$(fields "$LAB/a.pcap" 'ip.proto == 97' etherip.ver | sort -u)" 3
raw=$(fields "$LAB/a.pcap" "etherip && eth.src == $(mac vm1)" etherip.reserved | sort -u | xargs)
check "alpha's frames carry id 1" equal "$raw" 0x0001
raw=$(fields "$LAB/a.pcap" "etherip && eth.src == $(mac vm2)" etherip.reserved | sort -u | xargs)
check "beta's frames carry id 2" equal "$raw" 0x0002
check "the first two bytes are 30 01 and 30 02" equal "$("$PYTHON" - "$LAB/a.pcap" <<'END'
import sys
from scapy.utils import RawPcapReader
seen = set()
for data, _ in RawPcapReader(sys.argv[1]):
    if data[12:14] == b"\x08\x00" and data[23] == 97:
        at = 14 + (data[14] & 15) * 4
        seen.add(data[at:at + 2].hex())
print(" ".join(sorted(seen)))
END
)" "3001 3002"
# The fields of inner IP headers follow those of the outer: cut keeps the outer.
outer() { # FILTER FIELD
	fields "$LAB/a.pcap" "$1" "$2" | cut -d, -f1 | sort -u | xargs
}
check "alpha's ARP requests go to its group" equal \
	"$(outer "arp.opcode == 1 && eth.dst == ff:ff:ff:ff:ff:ff && eth.src == $(mac vm1)" ip.dst)" 239.192.0.1
check "beta's ARP requests go to its group" equal \
	"$(outer "arp.opcode == 1 && eth.dst == ff:ff:ff:ff:ff:ff && eth.src == $(mac vm2)" ip.dst)" 239.192.0.2
check "groups have a TTL of 1" equal "$(outer 'etherip && ip.dst == 239.192.0.0/16' ip.ttl)" 1
check "known unicast goes to the host" equal "$(outer "icmp.type == 8 && eth.src == $(mac vm1) && eth.dst == $(mac vm3)" ip.dst)" 192.0.2.2
check "the outer source is the uplink's address" equal "$(outer "etherip && eth.src == $(mac vm1)" ip.src)" 192.0.2.1
check "the third host got none of 20 pings between others" \
	equal "$(fields "$LAB/c.pcap" "icmp && eth.src == $(mac vm1) && eth.dst == $(mac vm3)" frame.number | wc -l)" 0
check "no guest's frame is on the wire outside EtherIP" \
	equal "$(fields "$LAB/a.pcap" '!etherip && eth.src[0:4] == 52:54:00:00' frame.number | wc -l)" 0

# ---- what was learned ----

fdb=$(ctl hostA -j fdb show)
check "A has vm3 at B" json "[(e['dst'], e['encap']) for e in d if e['mac'] == '$(mac vm3)'] == [('192.0.2.2', 'etherip')]" <<<"$fdb"
check "A has vm5 at C" json "[e['dst'] for e in d if e['mac'] == '$(mac vm5)'] == ['192.0.2.3']" <<<"$fdb"
check "A has vm4 in beta at B" json "[(e['segment'], e['dst']) for e in d if e['mac'] == '$(mac vm4)'] == [('beta', '192.0.2.2')]" <<<"$fdb"
check "peer show has B and C in alpha" json \
	"sorted(p['dst'] for p in d if p['segment'] == 'alpha') == ['192.0.2.2', '192.0.2.3']" <<<"$(ctl hostA -j peer show)"
check "segment show computes the guest's MTU" json "all(s['mtu'] == 1464 for s in d)" <<<"$(ctl hostA -j segment show)"
check "the guest's interface has it" equal "$(on vm1 ip -o link show eth0 | sed 's/.* mtu \([0-9]*\) .*/\1/')" 1464
check "a full-sized ping passes" on vm1 ping -q -n -c 1 -w 5 -M 'do' -s 1436 "$(v4 vm3)"

# ---- a station moves between hosts ----

on vm1 ping -q -n -c 1 -w 5 "$(v4 vm5)" >/dev/null
on vm5 ip link set eth0 down
on vm3 ip addr add "$(v4 vm5)/24" dev eth0
on vm3 ip link set eth0 address "$(mac vm5)"
on vm3 ping -q -n -c 1 -w 5 -I "$(v4 vm5)" "$(v4 vm1)" >/dev/null || :
check "a moved station is found with its first frame" json \
	"[e['dst'] for e in d if e['mac'] == '$(mac vm5)'] == ['192.0.2.2']" <<<"$(ctl hostA -j fdb show)"
check "and reached" reaches vm1 "$(v4 vm5)"
lab_end
