#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# A relay whose LAN is a VXLAN group with a member that is not ours, the kernel, which
# knows nothing of relays; and a WAN of IPv6. A second relay
# takes over, and the kernel learns from traffic alone where to send.
#
#	vm1--r1 (relay 1)-+            +--r2 (relay)--vm3
#	vm7--r4 (relay 2)-+---router---+--h2----------vm4
#	kern9 (vxlan device)

# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=SCRIPTDIR/relays.sh
. "$(dirname "$0")/relays.sh"
lab_begin "$@"
transfer=$LAB_TOP/test/net/transfer.py

router
site 1 r1 r4 kern9
site 2 r2 h2
lab_guest vm1 vm3 vm4 vm7
on router sh -c 'echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'
six() { # SITE HOST NUMBER
	on "$2" ip addr add "fe80::$1:$3/64" dev eth0 nodad
	on "$2" ip addr add "2001:db8:$1::$3/64" dev eth0 nodad
	on "$2" ip route add default via "2001:db8:$1::fe"
}
for n in 1 2; do
	on router ip addr add "fe80::$n:fe/64" dev "lan$n" nodad
	on router ip addr add "2001:db8:$n::fe/64" dev "lan$n" nodad
done
six 1 r1 1
six 1 r4 2
six 2 r2 1
on kern9 ip link add vx0 type vxlan id 5001 group 239.1.1.1 dev eth0 dstport 4789 2>"$LAB/why" ||
	lab_skip "this kernel makes no vxlan device: $(cat "$LAB/why")"
on kern9 ethtool -K vx0 tx off tso off gso off >/dev/null 2>&1 || :
on kern9 ip addr add "$(v4 kern9)/24" dev vx0
on kern9 ip link set vx0 address "$(mac kern9)" up mtu 1430

wan6() { # PEER...
	wan_encap lan "$@"
}
group='{ type = "vxlan"; uplink = "lan"; vni = 5001; group = "239.1.1.1"; }'
relay() { # HOST NUMBER GUEST LAN-ENCAP PEER...
	local host=$1 number=$2 guest=$3 lan=$4
	shift 4
	{
		uplink ''
		list segments "$(segment alpha 1 "relay_id = $number; encap = ( $lan, $(wan6 "$@") ); ")"
		list ports "$(tap "$guest" alpha)"
	} | lab_config "$host"
}
relay r1 1 vm1 "$group" 2001:db8:2::1
relay r4 2 vm7 "$group" 2001:db8:2::1
relay r2 9 vm3 "$(lan_encap 239.192.0.1)" 2001:db8:1::1 2001:db8:1::2
{
	uplink ''
	list segments "$(segment alpha 1 "$(etherip 239.192.0.1)")"
	# h2 does not know what fits behind the relays.
	list ports "$(tap vm4 alpha 'mtu = 1430; ')"
} | lab_config h2
for host in r1 r4 r2 h2; do
	lab_start "$host"
done
address vm1 vm3 vm4 vm7
check "a relay of a VXLAN group becomes active" becomes 8 r1 active
check "the second one stands by" becomes 4 r4 standby
check "the one behind the router is active" becomes 8 r2 active
for pair in vm1:vm3 vm7:vm4 kern9:vm4 kern9:vm7 kern9:vm1 vm3:kern9; do
	check "${pair%:*} reaches ${pair#*:}" reaches "${pair%:*}" "$(v4 "${pair#*:}")"
done
background kern9 "$PYTHON" "$transfer" serve >"$LAB/kern9.serve"
wait_until 10 grep -q ready "$LAB/kern9.serve" || lab_die "no server in kern9"
check "TCP and UDP of the kernel's device with a guest of the other LAN" on vm4 "$PYTHON" "$transfer" check "$(v4 kern9)"
check "one copy of each broadcast" exactly_once 500 0.004 vm1 vm3 vm4 vm7
remote() { # where the kernel has vm4
	on kern9 bridge fdb show dev vx0 | awk -v m="$(mac vm4)" '$1 == m { for (i = 2; i < NF; i++) if ($i == "dst") print $(i + 1) }'
}
check "the kernel has vm4 at the active relay" equal "$(remote)" 10.9.1.1

relay_kill r1
check "the active relay is killed, and the other takes over" becomes 8 r4 active
moved() {
	[ "$(remote)" = 10.9.1.2 ]
}
check "the kernel's device is told" wait_until 5 moved
check "and reaches the other LAN" reaches kern9 "$(v4 vm4)"
lab_end
