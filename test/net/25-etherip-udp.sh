#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# EtherIP in UDP: by a group, by peers at another port, and over IPv6; beside segments
# whose EtherIP is protocol 97; the bytes on the wire; what is not accepted.
#
#	hostA--vm1 (alpha: group), vm2 (beta: peers), vm5 (six), vm7 (raw)
#	  |
#	hostB--vm3 (alpha), vm4 (beta), vm6 (six), vm8 (raw)

# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
lab_begin "$@"
transfer=$LAB_TOP/test/net/transfer.py

segments() { # PEER
	list segments "$(segment alpha 1 "$(etherip 239.192.0.1 'transport = "udp"; ')")" \
		"$(segment beta 2 "$(etherip '' "transport = \"udp\"; port = 4242; peers = \"$1\"; ")")" \
		"$(segment six 3 "$(etherip ff18::5456:3 'transport = "udp"; oversize = "fragment"; ')")" \
		"$(segment raw 4 "$(etherip 239.192.0.4)")"
}

lab_host hostA 192.0.2.1/24 2001:db8::1/64
lab_host hostB 192.0.2.2/24 2001:db8::2/64
lab_guest vm1 vm2 vm3 vm4 vm5 vm6 vm7 vm8
lab_wire hostA hostB
# A NIC cuts what leaves through it; a veth would hand over trains whole.
for host in hostA hostB; do
	on "$host" ethtool -K eth0 tx-udp-segmentation off >/dev/null 2>&1 || :
done
{
	uplink ''
	segments 192.0.2.2
	list ports "$(tap vm1 alpha)" "$(tap vm2 beta)" "$(tap vm5 six 'mtu = 1500; ')" "$(tap vm7 raw)"
} | lab_config hostA
{
	uplink ''
	segments 192.0.2.1
	list ports "$(tap vm3 alpha)" "$(tap vm4 beta)" "$(tap vm6 six 'mtu = 1500; ')" "$(tap vm8 raw)"
} | lab_config hostB
capture hostB eth0 "$LAB/b.pcap"
wire=$LAB_LAST
lab_start hostA
lab_start hostB
address vm1 vm2 vm3 vm4 vm5 vm6 vm7 vm8

# ---- who reaches whom ----

for pair in vm1:vm3 vm2:vm4 vm5:vm6 vm7:vm8; do
	check "$pair, IPv4" reaches "${pair%:*}" "$(v4 "${pair#*:}")"
	check "$pair, IPv6 the other way" reaches "${pair#*:}" "$(v6 "${pair%:*}")"
done
check_not "alpha does not reach beta" reaches vm1 "$(v4 vm4)"
for server in vm3 vm4 vm6; do
	background "$server" "$PYTHON" "$transfer" serve >"$LAB/$server.serve"
	wait_until 10 grep -q ready "$LAB/$server.serve" || lab_die "no server in $server"
done
for pair in vm1:vm3 vm2:vm4 vm5:vm6; do
	server=${pair#*:}
	check "TCP and UDP, ${pair%:*} with $server" \
		on "${pair%:*}" "$PYTHON" "$transfer" check "$(v4 "$server")" "$(v6 "$server")"
done
check "what arrived together was merged" json \
	"all(e['stats']['rx_merged'] > 0 and e['stats']['rx_segments'] > e['stats']['rx_frames'] for e in d if e['segment'] == 'alpha')" \
	<<<"$(ctl hostB -j encap show)"
check "stations are located at their hosts" json \
	"{(e['segment'], e['mac'], e['dst']) for e in d if e.get('dst')} >= {('alpha', '$(mac vm3)', '192.0.2.2'), ('beta', '$(mac vm4)', '192.0.2.2'), ('six', '$(mac vm6)', '2001:db8::2')}" \
	<<<"$(ctl hostA -j fdb show)"
check "transport and port are shown" json \
	"{(e['segment'], e['transport'], e.get('port')) for e in d if e['segment']} == {('alpha', 'udp', 9797), ('beta', 'udp', 4242), ('six', 'udp', 9797), ('raw', 'ip', None)}" \
	<<<"$(ctl hostA -j encap show)"

# ---- the bytes ----

capture_end "$wire"
seen() { # FILTER FIELD
	fields "$LAB/b.pcap" "$1" "$2" | cut -d, -f1 | sort -u | xargs
}
headers() { # FILTER: the first two bytes behind UDP
	fields "$LAB/b.pcap" "$1" udp.payload | cut -c1-4 | sort -u | xargs
}
ours='ip.src == 192.0.2.1 && udp.dstport'
check "alpha: version 3 and the identifier behind UDP" equal "$(headers "$ours == 9797")" 3001
check "beta: at its own port" equal "$(headers "$ours == 4242")" 3002
check "six: over IPv6" equal "$(headers 'ipv6.src == 2001:db8::1 && udp.dstport == 9797')" 3003
check "raw: protocol 97 alone" equal "$(seen 'ip.src == 192.0.2.1 && ip.proto == 97' ip.dst)" "192.0.2.2 239.192.0.4"
check "TTL 1 to the group, 64 to hosts" equal \
	"$(seen "$ours == 9797 && ip.dst == 239.192.0.1" ip.ttl) $(seen "$ours == 9797 && ip.dst == 192.0.2.2" ip.ttl)" "1 64"
check "no packet of alpha's is longer than the wire's MTU" equal \
	"$(seen "$ours == 9797 && ip.len > 1500" ip.len) $(seen "$ours == 9797" ip.flags.mf)" " 0"
check "several source ports, dynamic ones" equal \
	"$(seen "$ours == 9797" udp.srcport | tr ' ' '\n' | awk '$1 < 49152 { bad = 1 } END { print (NR > 1), bad + 0 }')" "1 0"

# ---- what is not accepted ----

odd() { # PYTHON: one packet from host B to host A, by hand
	on hostB "$PYTHON" - >/dev/null 2>"$LAB/odd.err" <<-END || lab_die "$(cat "$LAB/odd.err")"
		from scapy.all import *
		inner = Ether(src="52:54:00:00:00:33", dst="ff:ff:ff:ff:ff:ff", type=0x88b5) / (b"x" * 46)
		def outer(**keys):
		    return Ether(dst="$(lab_mac hostA)") / IP(**{"src": "192.0.2.2", "dst": "192.0.2.1", **keys})
		sendp($1, iface="eth0", verbose=0)
	END
}
arrived() { # SEGMENT
	ctl hostA -j encap show | json "sum(e['stats']['rx_frames'] for e in d if e['segment'] == '$1')"
}
rises() { # WHAT-COUNTS PYTHON
	local before
	before=$($1)
	odd "$2"
	wait_until 5 is_more "$1" "$before" || {
		echo "$1: $before, and it stays so"
		return 1
	}
}
is_more() { # WHAT-COUNTS THAN
	[ "$($1)" -gt "$2" ]
}
check "a packet by hand arrives" rises "arrived alpha" 'outer()/UDP(sport=50000,dport=9797)/Raw(b"\x30\x01"+raw(inner))'
check "protocol 97 is not for a segment in UDP" \
	rises "all_drops hostA unknown_id" 'outer(proto=97)/Raw(b"\x30\x01"+raw(inner))'
check "nor UDP for one of protocol 97" \
	rises "all_drops hostA unknown_id" 'outer()/UDP(sport=50000,dport=9797)/Raw(b"\x30\x04"+raw(inner))'
check "nor another port" \
	rises "all_drops hostA unknown_id" 'outer()/UDP(sport=50000,dport=4242)/Raw(b"\x30\x01"+raw(inner))'
check "another version is counted" \
	rises "all_drops hostA bad_version" 'outer()/UDP(sport=50000,dport=9797)/Raw(b"\x40\x01"+raw(inner))'
check "an empty datagram is counted" \
	rises "all_drops hostA bad_header" 'outer()/UDP(sport=50000,dport=9797)'
check "a foreign source is counted" \
	rises "all_drops hostA foreign_source" 'outer(src="203.0.113.9")/UDP(sport=50000,dport=9797)/Raw(b"\x30\x01"+raw(inner))'

# ---- what passes ----

# A packet filter that lets nothing out says nothing of whether the kernel cuts datagrams.
superframe() { # of UDP, from vm1 to vm3: six datagrams
	on vm1 "$PYTHON" -c 'import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.sendmsg([bytes(5333)], [(socket.SOL_UDP, 103, (1000).to_bytes(2, sys.byteorder))], 0, (sys.argv[1], 9))' \
		"$(v4 vm3)"
}
refused() { # BEFORE
	superframe || return 1
	[ "$(encap_drops hostA alpha link_down tx)" -gt "$1" ]
}
if on hostA nft 'add table ip x; add chain ip x out { type filter hook output priority 0; }; add rule ip x out udp dport 9797 drop' 2>/dev/null; then
	before=$(encap_drops hostA alpha link_down tx)
	check "what a packet filter of the host refuses is counted" wait_until 5 refused "$before"
	on hostA nft delete table ip x
	check_not "and the kernel is not said to cut no datagrams" finds 'does not cut' "$LAB/hostA.log"
	check "alpha goes on" reaches vm1 "$(v4 vm3)"
fi

# ---- changes ----

sed -i 's/port = 4242/port = 4243/' "$LAB/hostA.conf" "$LAB/hostB.conf"
check "another port is a reload" ctl hostA reload
check "on both sides" ctl hostB reload
check "beta goes on" reaches vm2 "$(v4 vm4)"
lab_expect 'now fit at an MTU of 1464'
sed -i 's/transport = "udp"; group = "239.192.0.1"/group = "239.192.0.1"/; s/group = "239.192.0.1"; transport = "udp"/group = "239.192.0.1"/' "$LAB/hostA.conf" "$LAB/hostB.conf"
check "and so is the other transport" eval 'ctl hostA reload && ctl hostB reload'
check "alpha goes on" reaches vm1 "$(v4 vm3)"
check "by protocol 97" json "[e['transport'] for e in d if e['segment'] == 'alpha'] == ['ip']" <<<"$(ctl hostA -j encap show)"
lab_end
