#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Trains of datagrams that a hostile peer makes: what is wrong in them stays wrong for the
# guest to see, whatever is merged, and no size of them does harm.
#
#	vm1--hostA---hostB (a peer without a switch)

# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
lab_begin "$@"
command -v nstat >/dev/null || lab_skip "there is no nstat (package iproute2)"

lab_host hostA 192.0.2.1/24
lab_host hostB 192.0.2.2/24
lab_guest vm1
lab_wire hostA hostB
{
	uplink 192.0.2.1
	list segments "$(segment alpha 1 'encap = ( { type = "vxlan"; uplink = "lan"; vni = 5001; peers = [ "192.0.2.2" ]; } ); ')"
	list ports "$(tap vm1 alpha)"
} | lab_config hostA
lab_start hostA
address vm1
trains=$LAB_TOP/test/net/trains.py

counted() { # by the guest's kernel: segments with a wrong checksum
	on vm1 nstat -asz TcpInCsumErrors | awk '$1 == "TcpInCsumErrors" { print $2 }'
}
figures() {
	ctl hostA -j encap show | json "'%d %d' % (d[0]['stats']['rx_merged'], d[0]['stats']['rx_segments'])"
}
on hostB "$PYTHON" "$trains" tcp >"$LAB/sent" || lab_skip "this kernel cuts no datagrams (UDP_SEGMENT)"
read -r bad good <"$LAB/sent"
all_there() {
	local merged segments
	read -r merged segments <<<"$(figures)"
	[ "$segments" -ge $((bad + good)) ]
}
check "all of $((bad + good)) segments come in" wait_until 10 all_there
read -r merged segments <<<"$(figures)"
check "many are merged ($merged)" [ "$merged" -gt 1000 ]
errors() {
	[ "$(counted)" -ge "$bad" ]
}
wait_until 10 errors || :
check "the guest's kernel sees each of the $bad that are wrong as wrong" equal "$(counted)" "$bad"

before=$(all_drops hostA too_short)
check "trains of all sizes" on hostB "$PYTHON" "$trains" odd 3
check "what is too short is counted" [ "$(all_drops hostA too_short)" -gt "$before" ]
check "the switch answers" ctl hostA status
on hostB ip link add vx0 type vxlan id 5001 local 192.0.2.2 remote 192.0.2.1 dstport 4789 2>/dev/null && {
	on hostB ip addr add 10.0.0.99/24 dev vx0
	on hostB ip link set vx0 up
	check "and serves a VXLAN device of the kernel" reaches vm1 10.0.0.99
}
lab_end
