#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Open vSwitch as the guest on a trunk port: what is a VLAN to it is a segment to us.
# Its internal ports are the interfaces of a router, whose kernel forwards.
#
#	vm1 (alpha)--hostA--eth0 -- ovs -- alpha0 (access 101)  10.1.0.254
#	vm2 (beta)---'  trunk:          \-- beta0 (access 102)   10.2.0.254
#	vm3 (admin)--'  101, 102         \- admin0 (untagged)    10.3.0.254

# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=SCRIPTDIR/ovs.sh
. "$(dirname "$0")/ovs.sh"
ovs_needed
lab_begin "$@"

lab_host hostA
lab_guest router vm1 vm2 vm3
{
	list segments '{ name = "alpha"; domain = "lab"; }' '{ name = "beta"; domain = "lab"; }' \
		'{ name = "admin"; domain = "lab"; }'
	list ports "$(tap vm1 alpha)" "$(tap vm2 beta)" "$(tap vm3 admin)" \
		'{ name = "router"; type = "tap"; ifname = "eth0"; netns = "router"; native = "admin";
		   trunk = ( { vid = 101; segment = "alpha"; }, { vid = 102; segment = "beta"; } ); }'
} | lab_config hostA
lab_start hostA
wait_until 10 lab_raised router || lab_die "the router has no interface"
n=0
for guest in vm1 vm2 vm3; do
	n=$((n + 1))
	lab_address "$guest" "10.$n.0.1/24"
	on "$guest" ip route add default via "10.$n.0.254"
	ovs_plain "$guest" eth0
done

ovs_start router
ovs_bridge br0
vsctl add-port br0 eth0 -- set port eth0 vlan_mode=native-untagged tag=1 'trunks=[1,101,102,103]'
internal() { # NAME VID ADDRESS
	vsctl add-port br0 "$1" -- set interface "$1" type=internal -- set port "$1" tag="$2"
	wait_until 10 on router ip link show "$1" >/dev/null 2>&1 || lab_die "there is no $1"
	ovs_plain router "$1"
	on router ip addr add "$3/24" dev "$1"
	on router ip link set "$1" up
}
internal alpha0 101 10.1.0.254
internal beta0 102 10.2.0.254
internal admin0 1 10.3.0.254
on router sysctl -qw net.ipv4.ip_forward=1

check "VLAN 101 is alpha" reaches vm1 10.1.0.254
check "VLAN 102 is beta" reaches vm2 10.2.0.254
check "the native VLAN is admin" reaches vm3 10.3.0.254
check "the router forwards from alpha to beta" reaches vm1 10.2.0.1
check "from beta to admin" reaches vm2 10.3.0.1
background vm2 "$PYTHON" "$LAB_TOP/test/net/transfer.py" serve >"$LAB/serve"
wait_until 10 grep -q ready "$LAB/serve" || lab_die "no server in vm2"
check "TCP and UDP from alpha to beta" on vm1 "$PYTHON" "$LAB_TOP/test/net/transfer.py" check 10.2.0.1
# A VLAN that the one side has and the other has not.
vsctl set port alpha0 tag=103
check "a VLAN that is not listed does not come in" wait_until 5 unreachable vm1 10.1.0.254
drops_from_the_router() {
	on router ping -q -n -c 1 -W 1 10.1.0.1 >/dev/null 2>&1 || :
	[ "$(port_drops hostA router tagged)" -gt 0 ]
}
check "and is counted, tagged" wait_until 5 drops_from_the_router
check "until it is" ctl hostA port set router trunk 103=alpha,102=beta
check "alpha is back" reaches vm1 10.1.0.254
check "and beta was never gone" reaches vm2 10.2.0.254
lab_end
