#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Debian's kernel as a plain host of VLANs: a guest of QEMU on the physical wire, with
# 8021q devices of its own, and stations of our segments. VLANs with one tag and with
# two, who reaches whom, TCP with offloads both ways, a full frame, priorities, and the
# kernel's own MVRP and GVRP beside ours.
#
#	hostA--vm1 (alpha, VLAN 102)
#	  |   \vm2 (beta, 103, priority 5)
#	  |    \vm3 (gamma, 7 inside S-tag 200)
#	  |     \vm4 (delta, 8 inside C-tag 300)
#	  +--- wire (a bridge that knows no VLANs) --- vm9 (QEMU, no switchd)

# shellcheck disable=SC2016 # what eval is given stands in single quotes
# shellcheck source=SCRIPTDIR/../net/common.sh
. "$(dirname "$0")/../net/common.sh"
# shellcheck source=SCRIPTDIR/../lab/guest.sh
. "$(dirname "$0")/../lab/guest.sh"
guest_need
lab_begin "$@"
guest_image 8021q
vlan=$LAB_TOP/test/net/vlan.py

dot1q() { # NAME VID [ENCAP-KEYS]
	printf '{ name = "%s"; encap = ( { type = "dot1q"; uplink = "lan"; vid = %s; %s} ); }' "$1" "$2" "${3:-}"
}
config() { # ALPHA-KEYS
	{
		uplink ''
		list segments "$(dot1q alpha 102 "$1")" "$(dot1q beta 103 'priority = 5;')" \
			"$(dot1q gamma 7 'outer_vid = 200;')" "$(dot1q delta 8 'outer_vid = 300; outer_tpid = 0x8100;')"
		list ports "$(tap vm1 alpha)" "$(tap vm2 beta)" "$(tap vm3 gamma)" "$(tap vm4 delta)"
	} | lab_config hostA
}
lab_host hostA 192.0.2.1/24
lab_guest vm1 vm2 vm3 vm4
LAB_BRIDGE=1 lab_wire hostA
config ''
lab_start hostA
address vm1 vm2 vm3 vm4
own=$(lab_mac hostA)
on wire ip tuntap add mode tap phys vnet_hdr
on wire ip link set phys master wire up
GUEST_ADDRESS='' guest_boot wire vm9 "tap,ifname=phys,script=no,downscript=no"
dd if=/dev/urandom of="$LAB/data" bs=65536 count=64 2>/dev/null
md5sum <"$LAB/data" >"$LAB/sum"
for guest in vm1 vm2 vm3 vm4; do
	background "$guest" busybox nc -ll -p 5000 -e cat "$LAB/data"
	background "$guest" busybox nc -ll -p 5001 -e cat "$LAB/sum"
done
guest_up vm9

# A VLAN device of the guest, and its address in that VLAN.
vlan_add() { # DEVICE ON ID OPTIONS...
	local name=$1 below=$2 id=$3
	shift 3
	guest_run vm9 "ip link add link $below name $name type vlan $* id $id && ip link set $name up"
}
# What a guest gets from vm9 by TCP is what vm9 has.
gets() { # GUEST ADDRESS
	local sum
	sum=$(guest_run vm9 'cat /www/sum')
	sum_is() {
		[ "$(timeout 20 nsenter --net="/run/netns/$1" -- busybox nc -w 5 "$2" 5000 </dev/null | md5sum)" = "$sum" ]
	}
	wait_until 15 sum_is "$@"
}
tags_of() { # FILE MAC: tags and types that it sent, without those of IPv6
	"$PYTHON" "$vlan" heads "$LAB/$1.pcap" "$2" | grep -v 86dd
}
of() { # TAGS: with the types of ARP and IPv4, one a line
	printf '%s\n' "$1 0800" "$1 0806"
}

# ---- one tag ----

capture wire to-hostA "$LAB/one.pcap"
wire=$LAB_LAST
check "the guest makes a device of VLAN 102" vlan_add v102 eth0 102
guest_run vm9 'vconfig set_egress_map v102 0 3' >/dev/null
check "with an address in alpha's subnet" guest_run vm9 'ip addr add 10.0.0.9/24 dev v102'
check "vm1 (alpha, VLAN 102) reaches it" reaches vm1 10.0.0.9
check "and it vm1" guest_pings vm9 10.0.0.1
check "vm2 (beta, VLAN 103) does not" unreachable vm2 10.0.0.9
check "nor it vm2" guest_unreachable vm9 10.0.0.2
check "nor vm3, whose VLAN 102 is in none" unreachable vm3 10.0.0.9
capture_end "$wire"
check "its frames are tagged by the kernel, with priority 3" equal "$(tags_of one 52:54:00:00:00:09)" "$(of 8100:6066)"
check "ours alike" equal "$(tags_of one 52:54:00:00:00:01)" "$(of 8100:0066)"
check "it fetches a file from vm1" guest_fetches vm9 10.0.0.1
check "and vm1 one from it" gets vm1 10.0.0.9
check "a full frame passes from vm1" on vm1 ping -q -n -c 1 -w 5 -M 'do' -s 1472 10.0.0.9
check "and from it" guest_run vm9 'ping -q -c 2 -s 1472 10.0.0.1'
check "the same guest in VLAN 103" vlan_add v103 eth0 103
guest_run vm9 'ip addr del 10.0.0.9/24 dev v102; ip addr add 10.0.0.9/24 dev v103'
check "is beta's now" reaches vm2 10.0.0.9
check "and alpha's no more" unreachable vm1 10.0.0.9
check "it fetches from vm2, with priority 5" guest_fetches vm9 10.0.0.2
guest_run vm9 'ip link del v103; ip addr add 10.0.0.9/24 dev v102'

# ---- two tags ----

capture wire to-hostA "$LAB/two.pcap"
wire=$LAB_LAST
check "802.1ad: VLAN 200 of a provider" vlan_add s200 eth0 200 "proto 802.1ad"
check "and 7 in it" vlan_add s200.7 s200 7
guest_run vm9 'ip addr del 10.0.0.9/24 dev v102; ip link set s200.7 mtu 1492; ip addr add 10.0.0.9/24 dev s200.7'
check "vm3 (gamma) reaches it" reaches vm3 10.0.0.9
check "vm1 does not" unreachable vm1 10.0.0.9
check "nor vm4" unreachable vm4 10.0.0.9
capture_end "$wire"
check "the kernel's tags" equal "$(tags_of two 52:54:00:00:00:09)" "$(of '88a8:00c8 8100:0007')"
check "are ours" equal "$(tags_of two 52:54:00:00:00:03)" "$(of '88a8:00c8 8100:0007')"
check "it fetches from vm3" guest_fetches vm9 10.0.0.3
check "and vm3 from it" gets vm3 10.0.0.9
check "a full frame of gamma passes" on vm3 ping -q -n -c 1 -w 5 -M 'do' -s 1464 10.0.0.9
check "two tags of 802.1Q: VLAN 300" vlan_add c300 eth0 300
check "and 8 in it" vlan_add c300.8 c300 8
guest_run vm9 'ip addr del 10.0.0.9/24 dev s200.7; ip link set c300.8 mtu 1496; ip addr add 10.0.0.9/24 dev c300.8'
check "vm4 (delta) reaches it" reaches vm4 10.0.0.9
check "vm3 does not" unreachable vm3 10.0.0.9
check "it fetches from vm4" guest_fetches vm9 10.0.0.4
check "and vm4 from it" gets vm4 10.0.0.9
check "a full frame of delta passes" on vm4 ping -q -n -c 1 -w 5 -M 'do' -s 1468 10.0.0.9
check "nothing had bad offload metadata" equal "$(all_drops hostA bad_offload)" 0

# ---- MVRP and GVRP of the kernel beside ours ----

# PDUs of a station, one a line, without addresses.
pdus() { # FILE MAC FIRST-BYTES
	"$PYTHON" - "$LAB/$1.pcap" "$2" "$3" <<'END2'
import sys
from scapy.utils import RawPcapReader
for data, _ in RawPcapReader(sys.argv[1]):
    if data[6:12].hex(":") == sys.argv[2] and data[12:].hex().startswith(sys.argv[3]):
        print(data[12:].hex().rstrip("0") or "0", data[:6].hex(":"))
END2
}
spoken() { # MAC BYTES: whether a station has sent a PDU that begins so
	pdus mrp "$1" "$2" 2>/dev/null | finds .
}
is_declared() { # PROTOCOL
	[ "$(ctl hostA -j encap show | json "[e['$1']['state'] for e in d if e['segment'] == 'alpha'][0]")" = declared ]
}
kernel=52:54:00:00:00:09
for protocol in mvrp gvrp; do
	case $protocol in
	mvrp) join=88f50001020001006624 leave=88f500010200010066b4 any=88f5 ;;
	gvrp) join=000c424203000101040200660000 leave=000c424203000101040300660000 any=000c424203 ;;
	esac
	capture wire to-hostA "$LAB/mrp.pcap" 'ether dst 01:80:c2:00:00:21'
	wire=$LAB_LAST
	config "$protocol = true;"
	check "$protocol: alpha declares VLAN 102" ctl hostA reload
	check "we say Join" wait_until 10 spoken "$own" "$join"
	# With GVRP one declaration can stand for both, so that one comes after the other.
	check "and then all is said" wait_until 10 is_declared "$protocol"
	guest_run vm9 'ip link del v102' >/dev/null || : # of what was before
	check "the kernel declares it, too" vlan_add v102 eth0 102 "$protocol on"
	check "the kernel says Join" wait_until 10 spoken "$kernel" "$join"
	check "we hear it" wait_until 10 eval \
		'[ "$(ctl hostA -j encap show | json "[e['"'$protocol'"']['"'received'"'] for e in d if e['"'segment'"'] == '"'alpha'"'][0]")" -gt 0 ]'
	check "and what it says is good" equal "$(ctl hostA -j encap show | json "[e['$protocol']['bad'] for e in d if e['segment'] == 'alpha'][0]")" 0
	sleep 3 # that they do not excite each other shows in time only
	capture_end "$wire"
	check "the same bytes to the same address" equal "$(pdus mrp "$own" "$any" | sort -u)" "$(pdus mrp "$kernel" "$any" | sort -u)"
	ours=$(pdus mrp "$own" "$any" | wc -l) theirs=$(pdus mrp "$kernel" "$any" | wc -l)
	check "and they do not excite each other ($ours and $theirs PDUs)" [ "$ours" -le 15 ]
	capture wire to-hostA "$LAB/mrp.pcap" 'ether dst 01:80:c2:00:00:21'
	wire=$LAB_LAST
	check "the kernel's device goes" guest_run vm9 'ip link del v102'
	check "it says Leave" wait_until 10 spoken "$kernel" "$leave"
	check "we declare again what others may still need" wait_until 10 spoken "$own" "$join"
	config ''
	check "alpha declares nothing any more" ctl hostA reload
	check "we say Leave" wait_until 10 spoken "$own" "$leave"
	capture_end "$wire"
	check "as it does" equal "$(pdus mrp "$own" "$leave" | sort -u)" "$(pdus mrp "$kernel" "$leave" | sort -u)"
	check "tshark finds nothing malformed" equal "$(tshark -n -r "$LAB/mrp.pcap" -Y '_ws.malformed' 2>/dev/null)" ""
done
lab_end
