#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Over VLANs, superframes and partial checksums go out whole and come in whole, and
# data arrives as it was sent whatever guests and physical interfaces leave to whom.
#
#	hostA--vm1 (alpha, VLAN 102), vm2 (gamma, 7 inside 200)
#	  +------ wire ------+
#	hostB--vm3 (alpha), vm4 (gamma)

# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
lab_begin "$@"
vlan=$LAB_TOP/test/net/vlan.py
transfer=$LAB_TOP/test/net/transfer.py

segments_of_all() {
	local encap='encap = ( { type = "dot1q"; uplink = "lan"; '
	list segments "{ name = \"alpha\"; $encap vid = 102; } ); }" \
		"{ name = \"gamma\"; $encap vid = 7; outer_vid = 200; } ); }"
}
lab_host hostA
lab_host hostB
lab_guest vm1 vm2 vm3 vm4
lab_wire hostA hostB
{
	uplink ''
	segments_of_all
	list ports "$(tap vm1 alpha)" "$(tap vm2 gamma)"
} | lab_config hostA
{
	uplink ''
	segments_of_all
	list ports "$(tap vm3 alpha)" "$(tap vm4 gamma)"
} | lab_config hostB
lab_start hostA
lab_start hostB
address vm1 vm2 vm3 vm4
for guest in vm3 vm4; do
	background "$guest" "$PYTHON" "$transfer" serve >"$LAB/$guest.serve"
	wait_until 10 grep -q ready "$LAB/$guest.serve" || lab_die "no server in $guest"
done
moves() { # TEXT
	check "$1: one tag" on vm1 "$PYTHON" "$transfer" check "$(v4 vm3)" "$(v6 vm3)"
	check "$1: two tags" on vm2 "$PYTHON" "$transfer" check "$(v4 vm4)" "$(v6 vm4)"
}
# The length of the longest frame with these tags on the wire while data is moved.
longest() { # TEXT TAGS FROM TO
	local wire
	capture hostB eth0 "$LAB/superframes.pcap" not udp
	wire=$LAB_LAST
	check "$1" on "$3" "$PYTHON" "$transfer" check "$(v4 "$4")"
	capture_end "$wire"
	LONGEST=$("$PYTHON" "$vlan" lengths "$LAB/superframes.pcap" "$2")
	LONGEST=${LONGEST#* }
}
set_offloads() { # WHERE FEATURE VALUE...
	local where=$1
	shift
	on "$where" ethtool -K eth0 "$@" >/dev/null 2>&1 || :
}

longest "with all offloads data moves" 8100:0066 vm1 vm3
check "in superframes on the wire (up to $LONGEST bytes)" [ "$LONGEST" -gt 10000 ]
received=$(ctl hostB -j encap show | json "[(e['stats']['rx_segments'], e['stats']['rx_frames']) for e in d if e['segment'] == 'alpha'][0]")
check "which host B receives whole: segments, frames $received" json "[e['stats']['rx_segments'] > 1.5 * e['stats']['rx_frames'] for e in d if e['segment'] == 'alpha'][0]" \
	<<<"$(ctl hostB -j encap show)"

settings=("tx on tso on gso on gro on" "tx off tso off gso off gro off" "tx on tso off gso on gro off" "tx on tso off gso off gro on")
for wire in "${settings[@]}"; do
	for host in hostA hostB; do
		# shellcheck disable=SC2086 # words
		set_offloads "$host" $wire
	done
	for guest in "${settings[@]}"; do
		# shellcheck disable=SC2086 # words
		for name in vm1 vm2 vm3 vm4; do set_offloads "$name" $guest; done
		moves "wire $wire, guests $guest"
	done
done
for host in hostA hostB; do set_offloads "$host" tx off tso off gso off gro off; done
for name in vm1 vm2 vm3 vm4; do set_offloads "$name" tx on tso on gso on gro on; done
merged() {
	ctl hostB -j encap show | json "[e['stats']['rx_merged'] for e in d if e['segment'] == 'alpha'][0]"
}
before=$(merged)
longest "a wire that segments nothing gets segments" 8100:0066 vm1 vm3
check "which are merged where they arrive" [ "$(merged)" -gt "$before" ]
check "no longer than it takes ($LONGEST bytes)" equal "$LONGEST" 1518
longest "of two tags, too" '88a8:00c8 8100:0007' vm2 vm4
check "no longer than it takes ($LONGEST bytes)" equal "$LONGEST" 1514

set_offloads hostA tx on tso off gso off
before=$(merged)
longest "and segments whose checksums nobody has made, as they were on no wire" 8100:0066 vm1 vm3
check "are merged as well" [ "$(merged)" -gt "$before" ]
check "no longer than it takes ($LONGEST bytes)" equal "$LONGEST" 1518

# Guests whose MTU is larger than what fits.
set_offloads hostA tx on tso on gso on gro on
on vm1 ip link set eth0 mtu 9000
on vm3 ip link set eth0 mtu 9000
set_offloads hostB tx off tso off gso off gro off
tcp() { # FROM ADDRESS
	on "$1" "$PYTHON" -B -c "import sys
sys.path.insert(0, '$LAB_TOP/test/net')
import transfer
transfer.check_tcp('$2')"
}
check "guests with an MTU of 9000 agree on what fits for TCP, IPv4" tcp vm1 "$(v4 vm3)"
check "and IPv6" tcp vm1 "$(v6 vm3)"
for host in hostA hostB; do
	check "$host dropped nothing for bad offload metadata" equal "$(all_drops "$host" bad_offload)" 0
done
lab_end
