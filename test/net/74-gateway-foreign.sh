#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Plain hosts of a VLAN as members of a segment with a gateway: one host answers them and
# routes what they send, while every host routes to them. And a junction that is on one
# host alone, which then serves the guests of the other one, too.
#
#	hostA--vm1 (alpha) vm2 (beta)	foreign = "hostA"
#	  |  trunk
#	  ovs-- access 101: plain1 (alpha)
#	  |  trunk
#	hostB--vm3 (alpha) vm4 (beta)

# shellcheck source=SCRIPTDIR/gateway.sh
. "$(dirname "$0")/gateway.sh"
# shellcheck source=SCRIPTDIR/ovs.sh
. "$(dirname "$0")/ovs.sh"
ovs_needed
lab_begin "$@"

lab_netns ovs
ovs_start ovs
ovs_bridge br0

IN=([vm1]=alpha [vm2]=beta [vm3]=alpha [vm4]=beta [plain9]=alpha)
lab_host hostA
lab_host hostB
lab_guest vm1 vm2 vm3 vm4 plain9
ovs_cable hostA vlan_mode=trunk trunks=101,102
ovs_cable hostB vlan_mode=trunk trunks=101,102
ovs_cable plain9 vlan_mode=access tag=101
lab_raise hostA
lab_raise hostB
on plain9 ip link set eth0 up

dot1q() { # NAME VID
	printf '{ name = "%s"; domain = "%s"; encap = ( { type = "dot1q"; uplink = "lan"; vid = %s; } ); }' "$1" "$1" "$2"
}
config() { # HOST JUNCTION-KEYS GUEST...
	{
		uplink ''
		list segments "$(dot1q alpha 101)" "$(dot1q beta 102)"
		list ports "$(tap "$3" alpha)" "$(tap "$4" beta)"
		list policy "$(flow alpha beta)" "$(flow beta alpha)"
		list junctions "$(junction "$2" alpha beta)"
	} | lab_config "$1"
}
config hostA 'foreign = "hostA"; ' vm1 vm2
config hostB 'foreign = "hostA"; ' vm3 vm4
lab_start hostA
lab_start hostB
address vm1 vm2 vm3 vm4 plain9
capture ovs to-hostB "$LAB/b.pcap" ""
wire_b=$LAB_LAST
capture ovs to-hostA "$LAB/a.pcap" ""
wire_a=$LAB_LAST

# ---- one host serves ----

router() { # GUEST SEGMENT: the MAC of the gateway that it sees
	on "$1" ip neigh show "$(gw4 "$2")" | sed -n 's/.*lladdr \([0-9a-f:]*\) .*/\1/p'
}
check "the plain host reaches the gateway" reaches plain9 "$(gw4 alpha)"
check "at the router MAC of a host" grep -q ^72:54: <<<"$(router plain9 alpha)"
check "and through it beta there" reaches plain9 "$(v4 vm2)"
check "and on the other host" reaches plain9 "$(v4 vm4)"
check "in IPv6, too" reaches plain9 "$(v6 vm4)"
check "and there" reaches plain9 "$(v6 vm2)"
check "guests reach it from there" reaches vm4 "$(v4 plain9)"
check "and from the other host" reaches vm2 "$(v6 plain9)"
check "guests have their own gateway" equal "$(reaches vm3 "$(v4 vm4)" && router vm3 alpha)" "$(gw_mac alpha)"
check "traceroute shows the same address" equal "$(hop plain9 "$(v4 vm4)" 1)" "$(gw4 alpha)"
on plain9 ip addr add 10.2.0.99/32 dev eth0
before=$(encap_drops hostA alpha guard_ip)
check_not "another subnet's source gets nowhere" on plain9 ping -n -c 2 -i 0.2 -W 1 -I 10.2.0.99 "$(v4 vm2)"
check "and is counted" test "$(encap_drops hostA alpha guard_ip)" -gt "$before"
check "hostB answers no foreign member" equal "$(ctl hostB -j junction show | json "sum(s['answered'] for s in d[0]['counters'] if s['segment'] == 'alpha') > 3")" ''
capture_end "$wire_a"
capture_end "$wire_b"
virtual() {
	fields "$1" 'eth.addr[0:2] == 72:56 || arp.src.hw_mac[0:2] == 72:56' frame.number
}
check "no virtual MAC was on the wire of hostA" equal "$(virtual "$LAB/a.pcap")" ''
check "nor of hostB" equal "$(virtual "$LAB/b.pcap")" ''
answers() {
	fields "$1" "arp.opcode == 2 && arp.src.proto_ipv4 == $(gw4 alpha)" eth.src | sort -u
}
check "one host has answered" equal "$(answers "$LAB/a.pcap")" "$(router plain9 alpha)"

# ---- a junction that is on one host alone ----

config hostA 'at = [ "hostA" ]; foreign = "hostA"; ' vm1 vm2
config hostB 'at = [ "hostA" ]; foreign = "hostA"; ' vm3 vm4
check "the junction is at hostA now" ctl hostA reload
check "and not at hostB" ctl hostB reload
for guest in vm3 vm4; do
	on "$guest" ip neigh flush all
done
check "hostB's guests reach each other through hostA" reaches vm3 "$(v4 vm4)"
check "whose router MAC they see" equal "$(router vm3 alpha)" "$(router plain9 alpha)"
check "and hostA's guests" reaches vm4 "$(v6 vm1)"
check "who have theirs" equal "$(reaches vm1 "$(v4 vm4)" && router vm1 alpha)" "$(gw_mac alpha)"
lab_end
