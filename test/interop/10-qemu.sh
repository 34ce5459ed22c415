#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Guests of real QEMU, with Debian's kernel, in one segment of one host:
#
#	vm1 -netdev stream      vm3 -netdev dgram, UDP
#	vm2 -netdev dgram       vm4 -netdev tap, whose interface a wildcard takes
#	vm7 a namespace with a TAP of the switch's
#
# Each guest fetches a file from each other by TCP.

# shellcheck disable=SC2016 # what eval is given stands in single quotes
# shellcheck source=SCRIPTDIR/../net/common.sh
. "$(dirname "$0")/../net/common.sh"
# shellcheck source=SCRIPTDIR/../lab/guest.sh
. "$(dirname "$0")/../lab/guest.sh"
guest_need
lab_begin "$@"
# shellcheck disable=SC2119 # no more modules
guest_image

state_is() { # PORT STATE
	[ "$(ctl hostA -j port show "$1" 2>/dev/null | json "d[0]['state']" 2>/dev/null)" = "$2" ]
}

lab_host hostA 192.0.2.1/24
lab_guest vm7
S=$LAB/s
mkdir "$S"
{
	list segments "$(segment alpha 1)"
	list ports "$(tap vm7 alpha)" \
		"{ name = \"vm1\"; type = \"stream\"; segment = \"alpha\"; path = \"$S/vm1\"; }" \
		"{ name = \"vm2\"; type = \"dgram\"; segment = \"alpha\"; path = \"$S/vm2\"; remote = \"$S/vm2.guest\"; }" \
		'{ name = "vm3"; type = "udp"; segment = "alpha"; local = "127.0.0.1:4003"; remote = "127.0.0.1:4103"; }' \
		'{ name = "guests"; type = "netdev"; segment = "alpha"; interface = "vnet*"; state = "open"; }'
} | lab_config hostA
lab_start hostA
address vm7
# The default of 10 datagrams makes TCP to a guest that reads slowly wait for its timers (switchd.conf(5)).
on hostA sysctl -q -w net.unix.max_dgram_qlen=512

TAP="tap,ifname=vnet4,script=no,downscript=no"
guest_boot hostA vm1 "stream,server=off,addr.type=unix,addr.path=$S/vm1"
guest_boot hostA vm2 "dgram,local.type=unix,local.path=$S/vm2.guest,remote.type=unix,remote.path=$S/vm2"
guest_boot hostA vm3 "dgram,local.type=inet,local.host=127.0.0.1,local.port=4103,remote.type=inet,remote.host=127.0.0.1,remote.port=4003"
guest_boot hostA vm4 "$TAP"
for n in 1 2 3 4; do
	guest_up "vm$n"
done
for n in 1 2 3 4; do
	check "vm$n is reached" reaches vm7 "$(v4 "vm$n")"
	for other in 1 2 3 4; do
		[ "$n" = "$other" ] || check "vm$n fetches from vm$other what it has" guest_fetches "vm$n" "$(v4 "vm$other")"
	done
done
check "the interface of a TAP that QEMU holds became a port" state_is guests/vnet4 up
check "its guest leaves superframes to others" json "d[0]['stats']['rx_segments'] > d[0]['stats']['rx_frames']" \
	<<<"$(ctl hostA -j port show guests/vnet4)"
check "nothing had bad offload metadata" equal "$(all_drops hostA bad_offload)" 0

# ---- a guest stopped and started; the switch restarted ----

guest_off vm4
check "a guest that ends takes its port along" wait_until 5 eval '! ctl hostA port show guests/vnet4'
guest_boot hostA vm4 "$TAP"
guest_up vm4
check "started again it has its port" wait_until 20 state_is guests/vnet4 up
check "and fetches again" guest_fetches vm4 "$(v4 vm1)"
lab_stop hostA
lab_start hostA
address vm7
for n in 2 3 4; do
	check "after a restart of the switch vm$n is reached again" reaches vm7 "$(v4 "vm$n")"
done
lab_end
