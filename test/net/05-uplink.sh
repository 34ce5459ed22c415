#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# What happens to the wire: it goes down and comes back, its address changes, its
# interface does not exist yet, there is no multicast, the outer family is IPv6.
#
#	hostA--vm1 (alpha), vm2 (beta)     hostB--vm3 (alpha), vm4 (beta)
#	  +------ wire (a bridge: each end has a carrier of its own) ------+
#
# alpha is a group over IPv4, beta a group over IPv6 (its default for the id).

# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
lab_begin "$@"

config() { # HOST ADDRESSES ALPHA-ENCAP BETA-ENCAP GUEST GUEST
	{
		list uplinks "{ name = \"lan\"; interface = \"eth0\"; $2}"
		list segments "$(segment alpha 1 "$3")" "$(segment beta 2 "$4")"
		list ports "$(tap "$5" alpha)" "$(tap "$6" beta)"
	} | lab_config "$1"
}
uplink_drops() {
	encap_drops hostA alpha link_down tx
}
follows() { # HOST SEGMENT GUEST ADDRESS: the FDB has the guest there
	[ "$(ctl "$1" -j fdb show segment "$2" | json "''.join(e['dst'] or '' for e in d if e['mac'] == '$(mac "$3")')")" = "$4" ]
}

LAB_BRIDGE=1
lab_host hostA 192.0.2.1/24 2001:db8::1/64
lab_host hostB 192.0.2.2/24 2001:db8::2/64
lab_guest vm1 vm2 vm3 vm4
lab_wire hostA hostB
six='group = "ff18::5456:2"; '
config hostA '' "$(etherip 239.192.0.1)" "$(etherip '' "$six")" vm1 vm2
config hostB '' "$(etherip 239.192.0.1)" "$(etherip '' "$six")" vm3 vm4
lab_expect 'uplink' 'lan' 'eth0'
lab_start hostA
lab_start hostB
address vm1 vm2 vm3 vm4
check "alpha crosses in IPv4" reaches vm1 "$(v4 vm3)"
check "beta crosses in IPv6" reaches vm2 "$(v4 vm4)"
check "B has vm2 behind A's IPv6 address" follows hostB beta vm2 2001:db8::1
check "the MTU of a segment in IPv6 is 1444" json "[s['mtu'] for s in d if s['name'] == 'beta'] == [1444]" <<<"$(ctl hostA -j segment show)"

# ---- down and up ----

on hostA ip link set eth0 down
check "with the uplink down nothing crosses" unreachable vm1 "$(v4 vm3)"
check "what cannot leave is counted" [ "$(all_drops hostA link_down)" -gt 0 ]
lab_raise hostA
check "it comes back, alpha" reaches vm3 "$(v4 vm1)"
check "it comes back, beta" reaches vm4 "$(v4 vm2)"
check "the groups were joined again" grep -q 239.192.0.1 <<<"$(on hostA ip maddr show dev eth0)"

on wire ip link set to-hostB down
sleep 0.3
on wire ip link set to-hostB up
check "loss of carrier at B heals" reaches vm1 "$(v4 vm3)"

# ---- another address ----

on hostA ip addr add 192.0.2.11/24 dev eth0
on hostA ip addr del 192.0.2.1/24 dev eth0 || :
on hostA ip addr replace 192.0.2.11/24 dev eth0
LAB_ADDRESSES[hostA]="192.0.2.11/24 2001:db8::1/64"
check "another address of A: B learns without a word of the guest" wait_until 10 follows hostB alpha vm1 192.0.2.11
check "traffic goes on" reaches vm3 "$(v4 vm1)"

# ---- peers instead of a group ----

peers() { # ADDRESS
	printf 'peers = [ "%s" ]; ' "$1"
}
config hostA '' "$(etherip '' "$(peers 192.0.2.2)")" "$(etherip '' "$six")" vm1 vm2
config hostB '' "$(etherip '' "$(peers 192.0.2.11)")" "$(etherip '' "$six")" vm3 vm4
check "reload to peers, A" ctl hostA reload
check "reload to peers, B" ctl hostB reload
capture hostA eth0 "$LAB/peers.pcap" ip proto 97
wire=$LAB_LAST
on vm1 ip neigh flush all
on vm3 ip neigh flush all
check "with peers alpha crosses" reaches vm1 "$(v4 vm3)"
capture_end "$wire"
check "broadcasts go to the peer, not to a group" equal \
	"$(fields "$LAB/peers.pcap" "arp && eth.src == $(mac vm1) && eth.dst == ff:ff:ff:ff:ff:ff" ip.dst | sort -u | xargs)" 192.0.2.2
check "beta was not disturbed" reaches vm2 "$(v4 vm4)"

# ---- an interface that does not exist yet ----

lab_stop hostA
on hostA ip link set eth0 name eth9
lab_start hostA
address vm1 vm2
check "without its interface switchd runs" ctl hostA status
check "and says at once what it waits for" grep -q 'uplink lan: down: no interface eth0' "$LAB/hostA.log"
check "and says that the encap is down" grep -q -i -E 'down|waiting|no such|away' <<<"$(ctl hostA encap show)"
on hostA ip link set eth9 down
on hostA ip link set eth9 name eth0
lab_raise hostA
check "when the interface appears, alpha crosses" wait_until 10 reaches vm1 "$(v4 vm3)"
check "and beta" wait_until 10 reaches vm2 "$(v4 vm4)"
lab_end
