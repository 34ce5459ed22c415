#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# A physical switch that knows VLANs between the hosts, by Open vSwitch: trunks,
# access ports, a native VLAN, VLANs that a port does not carry, and 802.1ad.
#
#	hostA--vm1 (alpha, VLAN 102), vm2 (beta, 103), vm5 (gamma, 7 inside 200)
#	  |  trunk
#	  ovs-- access 102: plain1   access 103: plain2   native 102: plain3
#	  |  trunk                                        (sends 103 tagged)
#	hostB--vm3 (alpha), vm4 (beta), vm6 (gamma)

# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=SCRIPTDIR/ovs.sh
. "$(dirname "$0")/ovs.sh"
ovs_needed
lab_begin "$@"
vlan=$LAB_TOP/test/net/vlan.py

# ---- the switch ----

lab_netns ovs
ovs_start ovs
ovs_bridge br0

# ---- the hosts ----

dot1q() { # NAME VID [ENCAP-KEYS]
	printf '{ name = "%s"; encap = ( { type = "dot1q"; uplink = "lan"; vid = %s; %s} ); }' "$1" "$2" "${3:-}"
}
config() { # HOST GUEST...
	{
		uplink ''
		list segments "$(dot1q alpha 102)" "$(dot1q beta 103)" "$(dot1q gamma 7 'outer_vid = 200; ')"
		list ports "$(tap "$2" alpha)" "$(tap "$3" beta)" "$(tap "$4" gamma)"
	} | lab_config "$1"
}
lab_host hostA 192.0.2.1/24
lab_host hostB 192.0.2.2/24
lab_guest vm1 vm2 vm3 vm4 vm5 vm6 plain1 plain2 plain3
vsctl set Open_vSwitch . other_config:vlan-limit=2
# Native 1: the hosts' own untagged traffic is a VLAN of the switch, too.
ovs_cable hostA vlan_mode=native-untagged tag=1 'trunks=[1,102,103,200]'
ovs_cable hostB vlan_mode=native-untagged tag=1 'trunks=[1,102,103,200]'
ovs_cable plain1 tag=102
ovs_cable plain2 tag=103
ovs_cable plain3 vlan_mode=native-untagged tag=102 'trunks=[102,103]'
for host in hostA hostB; do lab_raise "$host"; done
# The guests that are on the switch itself have numbers of their own.
for n in 1 2 3; do
	on "plain$n" ip link set eth0 address "02:00:00:00:00:0$n" up
	on "plain$n" ip addr add "10.0.0.10$n/24" dev eth0
done
config hostA vm1 vm2 vm5
config hostB vm3 vm4 vm6
lab_start hostA
lab_start hostB
address vm1 vm2 vm3 vm4 vm5 vm6

# ---- the matrix ----

check "trunk: alpha, host to host" reaches vm1 "$(v4 vm3)"
check "trunk: beta" reaches vm2 "$(v4 vm4)"
check "the hosts' own untagged traffic" reaches hostA 192.0.2.2
check "access: alpha reaches the plain station in 102" reaches vm1 10.0.0.101
check "from the other host, too" reaches vm3 10.0.0.101
check "access: beta reaches the one in 103" reaches vm4 10.0.0.102
check "native: alpha reaches the one whose native VLAN is 102" reaches vm1 10.0.0.103
check "102 does not reach 103: guests" unreachable vm1 "$(v4 vm4)"
check "guest to plain" unreachable vm1 10.0.0.102
check "plain to guest" unreachable plain2 "$(v4 vm1)"
check "guest of 103 to native 102" unreachable vm2 10.0.0.103

# What an access port gives is untagged; what the trunk carries is tagged.
capture ovs to-hostA "$LAB/trunk.pcap"
trunk=$LAB_LAST
capture plain1 eth0 "$LAB/access.pcap"
access=$LAB_LAST
check "frames are on both sides of the switch" reaches vm1 10.0.0.101
capture_end "$trunk"
capture_end "$access"
head_of() { # FILE SOURCE
	"$PYTHON" "$vlan" heads "$LAB/$1.pcap" "$2" | grep 0800
}
check "on the trunk with tag 8100 0066" equal "$(head_of trunk "$(mac vm1)")" "8100:0066 0800"
check "also what the switch tagged" equal "$(head_of trunk 02:00:00:00:00:01)" "8100:0066 0800"
check "at the access port without" equal "$(head_of access "$(mac vm1)")" "0800"

# ---- a VLAN that a trunk does not carry ----

vsctl set port to-hostB 'trunks=[1,103,200]'
check "a trunk without 102: alpha is cut" wait_until 5 unreachable vm1 "$(v4 vm3)"
check "beta is not" reaches vm2 "$(v4 vm4)"
vsctl set port to-hostB 'trunks=[1,102,103,200]'
check "with it again, alpha is back" reaches vm1 "$(v4 vm3)"

# ---- a station moves behind the switch ----

on plain1 ip link set eth0 down
on plain3 ip addr add 10.0.0.101/24 dev eth0
on plain3 ip link set eth0 address 02:00:00:00:00:01
on plain3 ping -q -n -c 1 -w 5 -I 10.0.0.101 "$(v4 vm1)" >/dev/null || : # it speaks
check "a station that moves inside the VLAN is reached" reaches vm1 10.0.0.101

# ---- TCP, and 802.1ad ----

background vm3 "$PYTHON" "$LAB_TOP/test/net/transfer.py" serve >"$LAB/serve"
wait_until 10 grep -q ready "$LAB/serve" || lab_die "no server in vm3"
check "TCP and UDP pass the switch" on vm1 "$PYTHON" "$LAB_TOP/test/net/transfer.py" check "$(v4 vm3)"
check "two tags, 200 and 7, pass as VLAN 200" reaches vm5 "$(v4 vm6)"
check "and reach nobody else" unreachable vm5 "$(v4 vm3)"
vsctl set port to-hostB 'trunks=[1,102,103]'
check "a trunk without 200: gamma is cut" wait_until 5 unreachable vm5 "$(v4 vm6)"
lab_end
