#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# A guest that routes: Debian's kernel with 8021q devices behind a trunk port, once on
# a TAP that QEMU holds and once on a socket, between two segments that are VLANs on the
# wire, with stations on both hosts. Pings, files by TCP with the offloads that there
# are, and nothing crosses but through the router.
#
#	hostA--vm1 (alpha, VLAN 102)       hostB--vm3 (alpha)
#	  |   \vm2 (beta, 103)               |   \vm4 (beta)
#	  |    \vm9 (router: 10 alpha,       |
#	  |          20 beta, native gamma)  |
#	  +--------------- wire -------------+

# shellcheck source=SCRIPTDIR/../net/common.sh
. "$(dirname "$0")/../net/common.sh"
# shellcheck source=SCRIPTDIR/../lab/guest.sh
. "$(dirname "$0")/../lab/guest.sh"
guest_need
lab_begin "$@"
guest_image 8021q
vlan=$LAB_TOP/test/net/vlan.py

dot1q() { # NAME VID
	printf '{ name = "%s"; encap = ( { type = "dot1q"; uplink = "lan"; vid = %s; } ); }' "$1" "$2"
}
config() { # HOST PORT...
	local host=$1
	shift
	{
		uplink ''
		list segments "$(dot1q alpha 102)" "$(dot1q beta 103)" '{ name = "gamma"; }'
		list ports "$@"
	} | lab_config "$host"
}
trunk='trunk = ( { vid = 10; segment = "alpha"; }, { vid = 20; segment = "beta"; } ); native = "gamma";'
guests_of_A=("$(tap vm1 alpha)" "$(tap vm2 beta)" "$(tap vm5 gamma)")
lab_host hostA 192.0.2.1/24
lab_host hostB 192.0.2.2/24
lab_guest vm1 vm2 vm3 vm4 vm5
LAB_BRIDGE=1 lab_wire hostA hostB
config hostA "${guests_of_A[@]}" "{ name = \"vm9\"; type = \"netdev\"; interface = \"vnet9\"; $trunk }"
config hostB "$(tap vm3 alpha)" "$(tap vm4 beta)"
lab_start hostA
lab_start hostB

# alpha is 10.0.1.0/24 and beta 10.0.2.0/24; the router is .9 in both.
subnet() { # GUEST
	case $1 in vm1 | vm3) echo 10.0.1 ;; vm2 | vm4) echo 10.0.2 ;; esac
}
at() { # GUEST: its address
	echo "$(subnet "$1").$(number "$1")"
}
dd if=/dev/urandom of="$LAB/data" bs=65536 count=64 2>/dev/null
sum=$(md5sum <"$LAB/data")
for guest in vm1 vm2 vm3 vm4; do
	lab_address "$guest" "$(at "$guest")/24"
	on "$guest" ip route add default via "$(subnet "$guest").9"
	background "$guest" busybox nc -ll -p 5000 -e cat "$LAB/data"
done
lab_address vm5 10.0.3.5/24

fetches() { # GUEST FROM
	fetched() {
		[ "$(timeout 20 nsenter --net="/run/netns/$1" -- busybox nc -w 5 "$(at "$2")" 5000 </dev/null | md5sum)" = "$sum" ]
	}
	wait_until 15 fetched "$@"
}
superframes() { # more segments than frames have come from the router
	json "d[0]['stats']['rx_segments'] > d[0]['stats']['rx_frames']" <<<"$(ctl hostA -j port show vm9)"
}

routes() { # ATTACHMENT
	check "$1: without the router nobody reaches the other segment" unreachable vm1 "$(at vm2)"
	for pair in 10:1 20:2; do
		check "$1: the guest makes a device of VLAN ${pair%:*}" guest_run vm9 \
			"ip link add link eth0 name v${pair%:*} type vlan id ${pair%:*} && ip addr add 10.0.${pair#*:}.9/24 dev v${pair%:*} && ip link set v${pair%:*} up"
	done
	guest_run vm9 'ip addr add 10.0.3.9/24 dev eth0'
	check "$1: vm1 (alpha) reaches it" reaches vm1 10.0.1.9
	check "$1: vm4 (beta, on the other host) too" reaches vm4 10.0.2.9
	check "$1: and vm5 in the native segment" reaches vm5 10.0.3.9
	check "$1: as long as it does not route, alpha does not reach beta" unreachable vm1 "$(at vm2)"
	check "$1: it routes" guest_run vm9 'echo 1 >/proc/sys/net/ipv4/ip_forward'
	for pair in vm1:vm2 vm2:vm3 vm3:vm4 vm4:vm1; do
		check "$1: ${pair%:*} reaches ${pair#*:}" reaches "${pair%:*}" "$(at "${pair#*:}")"
		check "$1: and fetches a file" fetches "${pair%:*}" "${pair#*:}"
	done
	check "$1: a full frame passes" on vm1 ping -q -n -c 1 -w 5 -M 'do' -s 1472 "$(at vm4)"
	check "$1: a VLAN that is not in the trunk is dropped" guest_run vm9 \
		'ip link add link eth0 name v30 type vlan id 30 && ip addr add 10.0.30.9/24 dev v30 && ip link set v30 up && ! ping -q -c 2 -W 1 10.0.30.1'
	check "$1: and counted, tagged" [ "$(port_drops hostA vm9 tagged)" -gt 0 ]
}

capture wire to-hostB "$LAB/wire.pcap"
wire=$LAB_LAST
guest_boot hostA vm9 "tap,ifname=vnet9,script=no,downscript=no"
guest_up vm9
routes TAP
check "the router's superframes are not cut for it" superframes
capture_end "$wire"
check "on the wire are the segments' VLANs, and none of the router's" equal \
	"$("$PYTHON" "$vlan" heads "$LAB/wire.pcap" "$(mac vm9)" | grep -v 86dd)" \
	"$(printf '%s\n' '8100:0066 0800' '8100:0066 0806' '8100:0067 0800' '8100:0067 0806')"
guest_off vm9

config hostA "${guests_of_A[@]}" "{ name = \"vm9\"; type = \"stream\"; path = \"$LAB/vm9.sock\"; $trunk }"
check "the same port as a socket" ctl hostA reload
guest_boot hostA vm9 "stream,server=off,addr.type=unix,addr.path=$LAB/vm9.sock"
guest_up vm9
routes stream
check "nothing had bad offload metadata" equal "$(all_drops hostA bad_offload)$(all_drops hostB bad_offload)" 00
lab_end
