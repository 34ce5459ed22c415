#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# VXLAN: two switches by a group, by peers and over IPv6, each with the kernel's own
# vxlan device as a third member; the bytes on the wire; what is not accepted.
#
#	hostA--vm1 (alpha: group), vm2 (beta: peers), vm5 (six: group, IPv6)
#	  |
#	 wire---kern7 (alpha), kern8 (beta), kern9 (six): vxlan devices of the kernel
#	  |
#	hostB--vm3 (alpha), vm4 (beta), vm6 (six)

# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
lab_begin "$@"
transfer=$LAB_TOP/test/net/transfer.py

vxlan() { # NAME VNI KEYS [SEGMENT-KEYS]
	printf '{ name = "%s"; encap = ( { type = "vxlan"; uplink = "lan"; vni = %s; %s } ); %s}' \
		"$1" "$2" "$3" "${4:-}"
}
segments() { # PEER
	list segments "$(vxlan alpha 5001 'group = "239.1.1.1";')" \
		"$(vxlan beta 5002 "peers = [ \"$1\", \"192.0.2.4\" ];")" \
		"$(vxlan tagged 5003 "peers = \"$1\";" 'tags = "pass"; ')" \
		"$(vxlan six 5006 'group = "ff18::5:1";')"
}

lab_host hostA 192.0.2.1/24 2001:db8::1/64
lab_host hostB 192.0.2.2/24 2001:db8::2/64
lab_host kern7 192.0.2.3/24
lab_host kern8 192.0.2.4/24
lab_host kern9 192.0.2.5/24 2001:db8::5/64
lab_guest vm1 vm2 vm3 vm4 vm5 vm6
lab_wire hostA hostB kern7 kern8 kern9
on kern7 ip link add vx0 type vxlan id 5001 group 239.1.1.1 dev eth0 dstport 4789 2>"$LAB/why" ||
	lab_skip "this kernel makes no vxlan device: $(cat "$LAB/why")"
{
	uplink ''
	segments 192.0.2.2
	list ports "$(tap vm1 alpha)" "$(tap vm2 beta)" "$(tap vm5 six)"
} | lab_config hostA
{
	uplink ''
	segments 192.0.2.1
	list ports "$(tap vm3 alpha)" "$(tap vm4 beta)" "$(tap vm6 six)"
} | lab_config hostB
capture hostB eth0 "$LAB/b.pcap" udp port 4789
wire=$LAB_LAST
lab_start hostA
lab_start hostB
address vm1 vm2 vm3 vm4 vm5 vm6

# ---- the kernel's devices ----

on kern8 ip link add vx0 type vxlan id 5002 dstport 4789 local 192.0.2.4 nolearning
on kern9 ip link add vx0 type vxlan id 5006 group ff18::5:1 dev eth0 dstport 4789
for host in kern7 kern8 kern9; do
	# A veth hands a kernel's unfinished superframes over as they are, inside of
	# VXLAN, which no real wire does.
	on "$host" ethtool -K vx0 tx off tso off gso off >/dev/null 2>&1 || :
	on "$host" ip addr add "$(v4 "$host")/24" dev vx0
	on "$host" ip addr add "$(v6 "$host")/64" dev vx0 nodad
	on "$host" ip link set vx0 up
done
for address in 192.0.2.1 192.0.2.2; do
	on kern8 bridge fdb append 00:00:00:00:00:00 dev vx0 dst "$address"
done

# ---- who reaches whom ----

mtu() { # GUEST INTERFACE
	on "$1" ip -o link show dev "$2" | sed 's/.* mtu \([0-9]*\) .*/\1/'
}
check "guests of IPv4 segments have an MTU of 1450" equal "$(mtu vm1 eth0),$(mtu vm2 eth0)" 1450,1450
check "so has the kernel's device" equal "$(mtu kern7 vx0)" 1450
check "guests of an IPv6 segment have 1430" equal "$(mtu vm5 eth0),$(mtu vm6 eth0)" 1430,1430
check "four less where tags pass" json "d[0]['mtu'] == 1446" <<<"$(ctl hostA -j segment show tagged)"
check "the groups are joined" json "[e['joined'] for e in d] == [True, False, False, True]" <<<"$(ctl hostA -j encap show)"
for pair in vm1:vm3 vm2:vm4 vm5:vm6 vm1:kern7 vm3:kern7 vm2:kern8 vm4:kern8 vm5:kern9 vm6:kern9; do
	check "$pair, IPv4" reaches "${pair%:*}" "$(v4 "${pair#*:}")"
	check "$pair, IPv6 the other way" reaches "${pair#*:}" "$(v6 "${pair%:*}")"
done
for pair in vm1:vm2 vm1:vm4 vm4:vm5 vm1:kern8 vm2:kern7 kern9:vm1 kern7:vm4; do
	check "${pair%:*} does not reach ${pair#*:} of another VNI" unreachable "${pair%:*}" "$(v4 "${pair#*:}")"
done
full() { # GUEST ADDRESS SIZE: pings that fill an MTU, and must not be fragmented
	on "$1" ping -q -n -c 2 -i 0.2 -w 3 -M "do" -s "$3" "$2" >/dev/null
}
check "a full frame, between switches" full vm1 "$(v4 vm3)" 1422
check "a full frame, from the kernel" full kern7 "$(v4 vm1)" 1422
check "a full frame, over IPv6" full vm5 "$(v4 vm6)" 1402

for server in vm3 vm4 vm6 kern7 kern8 kern9; do
	background "$server" "$PYTHON" "$transfer" serve >"$LAB/$server.serve"
	wait_until 10 grep -q ready "$LAB/$server.serve" || lab_die "no server in $server"
done
for pair in vm1:vm3 vm2:vm4 vm5:vm6 vm1:kern7 vm2:kern8 vm5:kern9; do
	server=${pair#*:}
	check "TCP and UDP, ${pair%:*} with $server" \
		on "${pair%:*}" "$PYTHON" "$transfer" check "$(v4 "$server")" "$(v6 "$server")"
done
check "stations are located at their hosts" json \
	"{(e['segment'], e['mac'], e['dst']) for e in d if e.get('dst')} >= {('alpha', '$(mac vm3)', '192.0.2.2'), ('beta', '$(mac vm4)', '192.0.2.2'), ('six', '$(mac vm6)', '2001:db8::2')}" \
	<<<"$(ctl hostA -j fdb show)"
check "the kernel's too" json "sorted(e['dst'] for e in d if e['segment'] == 'alpha' and e.get('dst')) == ['192.0.2.2', '192.0.2.3']" \
	<<<"$(ctl hostA -j fdb show)"

# ---- the bytes ----

capture_end "$wire"
seen() { # FILTER FIELD: all values of the outer header's field
	fields "$LAB/b.pcap" "$1" "$2" | cut -d, -f1 | sort -u | xargs
}
ours='ip.src == 192.0.2.1 && vxlan'
check "flags 08, the VNI, and zeros" equal "$("$PYTHON" - "$LAB/b.pcap" <<'END'
import sys
from scapy.utils import RawPcapReader
seen = set()
for data, _ in RawPcapReader(sys.argv[1]):
    if data[12:14] == b"\x08\x00" and data[26:30] == bytes((192, 0, 2, 1)):
        seen.add(data[42:50].hex())
print(" ".join(sorted(seen)))
END
)" "0800000000138900 0800000000138a00"
check "the source address is the uplink's" equal "$(seen 'ip.dst == 239.1.1.1' ip.src)" "192.0.2.1 192.0.2.2 192.0.2.3"
check "TTL 1 to the group" equal "$(seen "$ours && ip.dst == 239.1.1.1" ip.ttl)" 1
check "TTL 64 to hosts" equal "$(seen "$ours && ip.dst == 192.0.2.2" ip.ttl)" 64
check "no fragments, and DF is set" equal "$(seen "$ours" ip.flags.df) $(seen "$ours" ip.flags.mf) $(seen "$ours" ip.frag_offset)" "1 0 0"
check "no UDP checksum over IPv4 but in what the kernel cuts" grep -q 0x0000 <<<"$(seen "$ours" udp.checksum)"
check "one over IPv6" equal "$(fields "$LAB/b.pcap" 'ipv6.src == 2001:db8::1 && vxlan && udp.checksum == 0' frame.number | wc -l)" 0
check "source ports are dynamic ones" \
	equal "$(seen "$ours" udp.srcport | tr ' ' '\n' | awk '$1 < 49152 || $1 > 49167')" ""
check "several of them" [ "$(seen "$ours" udp.srcport | wc -w)" -ge 3 ]
flows=$(fields "$LAB/b.pcap" "$ours && tcp" udp.srcport tcp.srcport tcp.dstport | awk '{ split($1, a, ","); print a[1], $2, $3 }' | sort -u)
check "and one for each TCP flow and direction" equal "$(wc -l <<<"$flows")" "$(awk '{ print $2, $3 }' <<<"$flows" | sort -u | wc -l)"
check "unicast goes to its host alone" equal \
	"$(fields "$LAB/b.pcap" "vxlan.vni == 5001 && ip.dst == 239.1.1.1 && tcp" frame.number | wc -l)" 0

# ---- what does not fit ----

on vm1 ip link set eth0 mtu 1500
on vm3 ip link set eth0 mtu 1500
check_not "a frame that is too long does not pass" on vm1 ping -q -n -c 3 -i 0.2 -w 2 -s 1472 "$(v4 vm3)"
check "and is counted where it came in" [ "$(port_drops hostA vm1 oversize)" -ge 3 ]
check "TCP between such guests passes, since its MSS is clamped" on vm1 "$PYTHON" - "$(v4 vm3)" <<'END'
import socket, sys
with socket.create_connection((sys.argv[1], 5000), timeout=10) as conn:
    conn.sendall(b"x" * 100000)
    conn.shutdown(socket.SHUT_WR)
    n = 0
    while data := conn.recv(65536):
        n += len(data)
sys.exit(n != 100000)
END
on vm1 ip link set eth0 mtu 1450
on vm3 ip link set eth0 mtu 1450

# ---- what is not accepted ----

LAB_MAC_A=$(lab_mac hostA)
odd() { # WHAT...
	on hostB "$PYTHON" "$LAB_TOP/test/net/vxlan.py" eth0 "$LAB_MAC_A" "$@"
	sleep 0.2
}
arrived() { # SEGMENT
	ctl hostA -j encap show | json "sum(e['stats']['rx_frames'] for e in d if e['segment'] == '$1')"
}
stray() { # REASON
	ctl hostA -j encap show | json "sum(e['stats']['rx_drops'].get('$1', 0) for e in d if e['segment'] is None and e['type'] == 'vxlan')"
}
rises() { # BY WHAT COUNTER ARGS...
	local by=$1 what=$2 before after
	shift 2
	before=$("$@")
	odd "$what"
	after=$("$@")
	equal "$after" $((before + by))
}
check "a packet by hand arrives" rises 1 good arrived beta
check "reserved bits are ignored" rises 1 reserved arrived beta
check "headers that are cut off are counted" rises 8 short stray bad_header
check "so are headers without a VNI" rises 9 flags stray bad_header
check "unknown VNIs are counted" rises 5 unknown stray unknown_id
check "frames that are cut off are counted" rises 14 empty encap_drops hostA beta too_short
check "sources that do not count are counted" rises 2 foreign encap_drops hostA beta foreign_source
check "our own address does not come from outside" rises 0 own arrived beta
check "frames with a VLAN tag are discarded" rises 6 tagged encap_drops hostA beta tagged
check "but not where tags pass" rises 1 passed arrived tagged
check "an IPv6 segment does not listen to IPv4" rises 1 family encap_drops hostA six foreign_source
check "over IPv6, no checksum is good" rises 1 checksum6 arrived six
lab_end
