#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# VXLAN with Open vSwitch, its userspace datapath: two segments, whose VNIs Open
# vSwitch keeps apart by flows' keys, by lists of peers.
#
#	hostA--vm1 (alpha), vm2 (beta)
#	  |
#	hostB: Open vSwitch. br-phy has eth0 and the host's address;
#	       br-alpha: VNI 5001, and the guest vm3; br-beta: VNI 5002, and vm4

# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=SCRIPTDIR/ovs.sh
. "$(dirname "$0")/ovs.sh"
ovs_needed
lab_begin "$@"

lab_host hostA 192.0.2.1/24
lab_host hostB
lab_guest vm1 vm2 vm3 vm4
lab_wire hostA hostB
# A NIC cuts what leaves through it; a veth hands it over whole to what reads at its other end.
ovs_plain hostA eth0
segment_of() { # NAME VNI
	printf '{ name = "%s"; encap = ( { type = "vxlan"; uplink = "lan"; vni = %s; peers = "192.0.2.2"; } ); }' "$1" "$2"
}
{
	uplink 192.0.2.1
	list segments "$(segment_of alpha 5001)" "$(segment_of beta 5002)"
	list ports "$(tap vm1 alpha)" "$(tap vm2 beta)"
} | lab_config hostA
lab_start hostA
address vm1 vm2

# ---- Open vSwitch ----

ovs_start hostB
ovs_bridge br-phy
vsctl add-port br-phy eth0
on hostB ip addr add 192.0.2.2/24 dev br-phy
on hostB ip link set br-phy up
member() { # SEGMENT VNI GUEST
	ip link add "to-$3" netns hostB type veth peer name eth0 netns "$3"
	on hostB ip link set "to-$3" up
	on "$3" ip link set eth0 address "$(mac "$3")" mtu 1450 up
	ovs_plain "$3" eth0
	on "$3" ip addr add "$(v4 "$3")/24" dev eth0
	on "$3" ip addr add "$(v6 "$3")/64" dev eth0 nodad
	ovs_bridge "br-$1"
	vsctl add-port "br-$1" "to-$3" -- add-port "br-$1" "vx-$1" -- \
		set interface "vx-$1" type=vxlan options:remote_ip=192.0.2.1 options:key="$2"
}
member alpha 5001 vm3
member beta 5002 vm4

# ---- who reaches whom ----

check "the switch and Open vSwitch reach each other" reaches hostB 192.0.2.1
for pair in vm1:vm3 vm2:vm4; do
	check "$pair, IPv4" reaches "${pair%:*}" "$(v4 "${pair#*:}")"
	check "$pair, IPv6 the other way" reaches "${pair#*:}" "$(v6 "${pair%:*}")"
done
for pair in vm1:vm4 vm4:vm1 vm3:vm2; do
	check "${pair%:*} does not reach ${pair#*:} of the other VNI" unreachable "${pair%:*}" "$(v4 "${pair#*:}")"
done
check "a full frame" on vm1 ping -q -n -c 2 -i 0.2 -w 3 -M "do" -s 1422 "$(v4 vm3)"
for server in vm3 vm4; do
	background "$server" "$PYTHON" "$LAB_TOP/test/net/transfer.py" serve >"$LAB/$server.serve"
	wait_until 10 grep -q ready "$LAB/$server.serve" || lab_die "no server in $server"
done
for pair in vm1:vm3 vm2:vm4; do
	server=${pair#*:}
	check "TCP and UDP, ${pair%:*} with $server" \
		on "${pair%:*}" "$PYTHON" "$LAB_TOP/test/net/transfer.py" check "$(v4 "$server")" "$(v6 "$server")"
done
check "its stations are located at it" json "{(e['segment'], e['mac']) for e in d if e.get('dst') == '192.0.2.2'} >= {('alpha', '$(mac vm3)'), ('beta', '$(mac vm4)')}" \
	<<<"$(ctl hostA -j fdb show)"
check "and it has learned ours" grep -q "$(mac vm1)" <<<"$(timeout 10 ovs-appctl -t "$OVS_RUNDIR/ctl" fdb/show br-alpha)"
check "nothing was dropped as foreign or unknown" equal "$(all_drops hostA foreign_source),$(all_drops hostA unknown_id)" 0,0
lab_end
