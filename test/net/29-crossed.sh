#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Cables where they should not be, as switchd-forwarding(7) tells of: two wires that are
# one, a segment with two plain encaps on it, a loop in the network. How many copies
# there are, and how much is sent.
#
#	hostA: vm1, vm3 --eth0, eth1--+
#	                             wire (one bridge)
#	hostB: vm2, vm4 --eth0, eth1--+

# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=SCRIPTDIR/relays.sh
. "$(dirname "$0")/relays.sh"
lab_begin "$@"
lab_expect 'bounces|bounced' 'similar messages' 'loop'

lab_guest vm1 vm2 vm3 vm4
lab_host hostA 192.0.2.1/24
lab_host hostB 192.0.2.2/24
LAB_BRIDGE=1 lab_wire hostA hostB
for pair in hostA:1 hostB:2; do
	host=${pair%:*}
	ip link add eth1 netns "$host" type veth peer name "to-$host-1" netns wire
	on wire ip link set "to-$host-1" master wire up
	# Else both interfaces answer for both addresses, and what comes in through the wrong one is dropped.
	on "$host" sh -c 'echo 1 >/proc/sys/net/ipv4/conf/all/arp_ignore'
	on "$host" ip link set eth1 up
	on "$host" ip addr add "198.51.100.${pair#*:}/24" dev eth1
done
# ENCAPS-OF-ALPHA ENCAPS-OF-BETA
configure() {
	local n=0 host guests
	for host in hostA:vm1:vm3 hostB:vm2:vm4; do
		IFS=: read -r host guests other <<<"$host"
		n=$((n + 1))
		{
			list uplinks '{ name = "lan"; interface = "eth0"; }' '{ name = "second"; interface = "eth1"; }'
			list segments "$(segment alpha 1 "encap = ( $1 ); ")" "$(segment beta 2 "encap = ( $2 ); ")"
			list ports "$(tap "$guests" alpha)" "$(tap "$other" beta)"
		} | lab_config "$host"
	done
}
encap() { # TYPE-AND-KEYS
	printf '{ %s }' "$1"
}
etherip_on() { # UPLINK GROUP
	encap "type = \"etherip\"; uplink = \"$1\"; group = \"$2\";"
}
dot1q_on() { # UPLINK VID
	encap "type = \"dot1q\"; uplink = \"$1\"; vid = $2;"
}

# ---- each segment has its own wire, and both wires are one ----

configure "$(etherip_on lan 239.192.0.1)" "$(dot1q_on second 102)"
lab_start hostA
lab_start hostB
address vm1 vm2 vm3 vm4
check "alpha" reaches vm1 "$(v4 vm2)"
check "beta" reaches vm3 "$(v4 vm4)"
check "two wires that are one: each broadcast comes once" exactly_once 500 0.002 vm1 vm2
check "on the VLAN too" exactly_once 500 0.002 vm3 vm4
check "and nothing goes from one to the other" unreachable vm1 "$(v4 vm4)"

# ---- one segment with two plain encaps that reach the same hosts ----

configure "$(etherip_on lan 239.192.0.1), $(dot1q_on second 101)" "$(dot1q_on second 102)"
for host in hostA hostB; do
	check "$host: a segment with two encaps" ctl "$host" reload
done
wire_frames() {
	on wire ip -j -s link show | json "sum(i['stats64']['rx']['packets'] for i in d if i['ifname'].startswith('to-host'))"
}
bounded_copies() { # GUEST SOURCE: all of 500, and at most two of each
	awk -v m="$(mac "$2")" '$1 == m && $2 == 500 && $3 <= 1000 { ok = 1 } { print } END { exit !ok }' "$LAB/$1.counts"
}
counters_start vm1 vm2
before=$(wire_frames)
broadcasts 500 0.002 vm1
after=$(wire_frames)
counters_end vm1 vm2
check "both sides bring each broadcast: none is lost, and none comes more than twice" bounded_copies vm2 vm1
check "the loop guard sees the station bounce, and takes one way of the two" [ "$(all_drops hostB loop)" -gt 400 ]
check_not "none comes back to who sent it" grep -q "$(mac vm1)" "$LAB/vm1.counts"
# One for each way, and the few that hosts say by themselves.
check "nor goes round: $((after - before)) frames on the wire for 500" [ $((after - before)) -le 1050 ]
check "guests reach each other" reaches vm1 "$(v4 vm2)"

# ---- a loop in the network ----

configure "$(etherip_on lan 239.192.0.1)" "$(dot1q_on second 102)"
for host in hostA hostB; do
	check "$host: back" ctl "$host" reload
done
check "alpha again" reaches vm1 "$(v4 vm2)"
background vm3 ping -q -n -i 0.02 -w 30 "$(v4 vm4)" >/dev/null
flow=$LAB_LAST
# What comes from wire's eth9a goes out of eth9b and comes back: a cable between two ports
# of a switch. It is made slow, or the machine would do nothing else.
on wire ip link add eth9a type veth peer name eth9b
on wire tc qdisc add dev eth9a root tbf rate 20mbit burst 20kb limit 40kb 2>/dev/null || :
on wire tc qdisc add dev eth9b root tbf rate 20mbit burst 20kb limit 40kb 2>/dev/null || :
on wire ip link set eth9a master wire up
on wire ip link set eth9b master wire up
broadcasts 20 0.01 vm1
sent() {
	ctl hostA -j encap show | json "sum(e['stats']['tx_frames'] for e in d) "
}
before=$(sent)
longest=$("$PYTHON" "$LAB_TOP/test/net/attack.py" ask "$LAB/hostA.sock" 3) || :
check "a loop in the network: the control socket answers (within ${longest:-?} ms)" [ "${longest:-9999}" -lt 2000 ]
check "the switch adds nothing to it ($(($(sent) - before)) frames in 3 s)" [ $(($(sent) - before)) -lt 500 ]
check "its log stays short ($(wc -l <"$LAB/hostA.log") lines)" [ "$(wc -l <"$LAB/hostA.log")" -lt 100 ]
on wire ip link del eth9a
check "without it alpha is as it was, at once" reaches vm1 "$(v4 vm2)"
finish "$flow"
check "each broadcast comes once again" exactly_once 200 0.002 vm1 vm2
lab_end
