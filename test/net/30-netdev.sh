#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Ports on interfaces that others make. Guests' NICs are one end of a veth, whose
# other end is the interface that switchd takes:
#
#	vm1--veth1--+            +--veth2--vm2      (alpha; tags pass)
#	            hostA-- wire --hostB--vm3       (alpha; a TAP)
#	vm4--veth4--+            +--veth5--vm5      (beta; tags drop)

# shellcheck disable=SC2016 # what eval is given stands in single quotes
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
lab_begin "$@"
transfer=$LAB_TOP/test/net/transfer.py

lab_host hostA 192.0.2.1/24 2001:db8::1/64
lab_host hostB 192.0.2.2/24 2001:db8::2/64
lab_wire hostA hostB
lab_guest vm1 vm2 vm3 vm4 vm5 vm6
plug() { # GUEST INTERFACE-OF-HOST
	on hostA ip link add "$2" type veth peer name eth0 netns "$1"
	on "$1" ip link set eth0 address "$(mac "$1")" up
}
for n in 1 2 4 5; do
	plug "vm$n" "veth$n"
done
netdev() { # GUEST SEGMENT INTERFACE [MORE-KEYS]
	printf '{ name = "%s"; type = "netdev"; segment = "%s"; interface = "%s"; %s}' "$@" ''
}
configure() { # PORT...
	{
		uplink 192.0.2.1
		list segments "$(segment alpha 1 "tags = \"pass\"; $(etherip 239.192.0.1)")" "$(segment beta 2)"
		list ports "$@"
	} | lab_config hostA
}
four() { # the same every time
	configure "$(netdev vm1 alpha veth1)" "$(netdev vm2 alpha veth2)" "$(netdev vm4 beta veth4)" \
		"$(netdev vm5 beta veth5)"
}
state() { # PORT
	ctl hostA -j port show "$1" | json "d[0]['state']"
}
is() { # PORT STATE
	[ "$(state "$1" 2>/dev/null)" = "$2" ]
}
why() { # PORT REGEX
	ctl hostA -j port show "$1" | json "d[0].get('why', '')" | grep -Eq "$2"
}
former() { # what the host has of veth1 and veth2
	on hostA tc qdisc show dev veth1
	on hostA tc filter show dev veth1 ingress
	on hostA ip -d link show veth1 | grep -Eo 'addrgenmode [a-z0-9]+|promiscuity [0-9]+|<[^>]*>'
	on hostA ip -d link show veth2 | grep -Eo 'addrgenmode [a-z0-9]+|promiscuity [0-9]+|<[^>]*>'
}
shielded() { # INTERFACE
	on hostA tc filter show dev "$1" ingress | finds bytecode &&
		on hostA tc filter show dev "$1" egress | finds bytecode
}

# ---- before: the host hears and answers what guests send ----

on hostA ip link set veth1 addrgenmode eui64 up
on hostA tc qdisc add dev veth1 clsact
on hostA tc filter add dev veth1 ingress pref 77 protocol ip u32 match u32 0 0 action ok 2>/dev/null || :
on vm1 ip addr add 192.0.2.77/24 dev eth0
neighbour() { # whether the host answers vm1's ARP
	on vm1 ip neigh flush dev eth0
	on vm1 ping -q -c 1 -W 1 192.0.2.1 >/dev/null 2>&1 || :
	on vm1 ip neigh show 192.0.2.1 | finds lladdr
}
check "without switchd the host answers a guest" neighbour
before=$(former)

# ---- traffic ----

{
	uplink 192.0.2.2
	list segments "$(segment alpha 1 "tags = \"pass\"; $(etherip 239.192.0.1)")"
	list ports "$(tap vm3 alpha)"
} | lab_config hostB
lab_start hostB
four
lab_start hostA
for n in 1 2 4 5; do
	check "vm$n is up" wait_until 5 is "vm$n" up
done
address vm1 vm2 vm3 vm4 vm5
check "two guests of the host reach each other" reaches vm1 "$(v4 vm2)"
check "by IPv6 too" reaches vm1 "$(v6 vm2)"
check "and one of another host" reaches vm1 "$(v4 vm3)"
check "another segment's guests reach each other" reaches vm4 "$(v4 vm5)"
check "but not those of the first" unreachable vm4 "$(v4 vm1)"

for guest in vm2 vm3; do
	background "$guest" "$PYTHON" "$transfer" serve >"$LAB/$guest.serve"
	wait_until 10 grep -q ready "$LAB/$guest.serve" || lab_die "no server in $guest"
done
set_offloads() { # GUEST FEATURE VALUE...
	local guest=$1
	shift
	on "$guest" ethtool -K eth0 "$@" >/dev/null 2>&1 || :
}
for receiver in "tx on tso on gso on gro on" "tx off tso off gso off gro off"; do
	for guest in vm2 vm3; do
		# shellcheck disable=SC2086 # words
		set_offloads "$guest" $receiver
	done
	for tx in on off; do
		for tso in on off; do
			for gso in on off; do
				set_offloads vm1 tx "$tx" tso "$tso" gso "$gso" gro "$tso"
				check "sender tx $tx tso $tso gso $gso, receivers $receiver" \
					on vm1 "$PYTHON" "$transfer" check "$(v4 vm2)" "$(v6 vm2)" "$(v4 vm3)" "$(v6 vm3)"
			done
		done
	done
done
set_offloads vm1 tx on tso on gso on gro on
set_offloads vm2 tx on tso on gso on gro on
on vm1 "$PYTHON" "$transfer" check "$(v4 vm2)" || :
check "superframes crossed whole" json "d[0]['stats']['rx_segments'] > d[0]['stats']['rx_frames']" \
	<<<"$(ctl hostA -j port show vm1)"
check "in the other direction too" json "d[0]['stats']['tx_segments'] > d[0]['stats']['tx_frames']" \
	<<<"$(ctl hostA -j port show vm2)"
# A kernel that joins packets into lists has summed them up, and does not say where the sums are.
if on hostA ethtool -K veth1 gro on rx-gro-list on 2>/dev/null; then
	set_offloads vm1 tx off tso off gso off
	check "packets that the kernel has joined to lists" \
		on vm1 "$PYTHON" "$transfer" check "$(v4 vm2)" "$(v6 vm2)" "$(v4 vm3)" "$(v6 vm3)"
	on hostA ethtool -K veth1 rx-gro-list off
	set_offloads vm1 tx on tso on gso on
fi
check "no offload metadata was bad" equal "$(all_drops hostA bad_offload)" 0

# ---- tags ----

send_tagged() { # GUEST TPID TCI...
	# shellcheck disable=SC2016 # the program is Python
	on "$1" "$PYTHON" -c 'import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("eth0", 0))
tags = b"".join(bytes.fromhex(t) for t in sys.argv[2:])
for _ in range(3):
    s.send(b"\xff" * 6 + bytes.fromhex(sys.argv[1].replace(":", "")) + tags + b"\x88\xb5" + b"\xa5" * 60)
' "$(mac "$1")" "${@:2}"
}
capture vm2 eth0 "$LAB/tags.pcap" "ether src $(mac vm1)"
pid=$LAB_LAST
send_tagged vm1 8100a065
send_tagged vm1 88a80066
send_tagged vm1 81000067 81000068
send_tagged vm1 8100e000
capture_end "$pid"
check "a tag comes out as it went in" \
	[ "$(fields "$LAB/tags.pcap" 'vlan.id == 101' vlan.id vlan.priority | sort | uniq -c | xargs)" = "3 101 5" ]
check "one of 802.1ad too" [ "$(fields "$LAB/tags.pcap" 'ieee8021ad.id == 102' ieee8021ad.id | wc -l)" = 3 ]
check "and two of them in their order" \
	[ "$(fields "$LAB/tags.pcap" 'vlan.id == 104' vlan.id | sort -u)" = 103,104 ]
check "a tag of VLAN 0 is taken off" \
	[ "$(fields "$LAB/tags.pcap" '!vlan && !ieee8021ad && eth.type == 0x88b5' frame.number | wc -l)" = 3 ]
send_tagged vm4 81000065
check "where tags are dropped they are counted" wait_until 5 \
	sh -c "[ \"\$($TVD_BIN/switchctl -s $LAB/hostA.sock -j port show vm4 | grep -o '\"tagged\": *3')\" ]"

# ---- the host's own stack ----

check "both sides of an interface are shielded" shielded veth1
check "with switchd the host does not answer ARP" eval '! neighbour'
host_mac=$(on hostA ip -o link show veth1 | sed -n 's/.*link\/ether \([0-9a-f:]*\) .*/\1/p')
check "nor multicast pings" eval '! on vm1 ping -q -c 3 -i 0.2 -W 1 -w 2 ff02::1%eth0 2>&1 | finds "bytes from.*$host_mac"'
capture vm1 eth0 "$LAB/host.pcap" "ether src $host_mac"
pid=$LAB_LAST
on hostA ip link set veth1 down
check "an interface that is set down is seen down" wait_until 5 is vm1 down
check "which is explained" why vm1 'is down'
on hostA ip link set veth1 up
check "and up again" wait_until 5 is vm1 up
on hostA ping -q -c 1 -W 1 -I veth1 192.0.2.77 >/dev/null 2>&1 || :
sleep 1
capture_end "$pid"
check "the host sends nothing into it" [ -z "$(fields "$LAB/host.pcap" frame frame.protocols)" ]
check "guests still talk" reaches vm1 "$(v4 vm2)"
on vm2 ip link set eth0 down
check "a guest that is gone is seen by the carrier" wait_until 5 is vm2 down
check "which is explained" why vm2 'no carrier'
on vm2 ip link set eth0 up
address vm2
check "until it is back" wait_until 5 is vm2 up

# ---- a VM stopped and started ----

on hostA ip link del veth2
check "an interface that is gone takes the port down" wait_until 5 is vm2 down
check "which is explained" why vm2 'waiting for interface veth2'
plug vm2 veth2
check "and back it is up at once" wait_until 1 is vm2 up
address vm2
check "and works" reaches vm1 "$(v4 vm2)"
on hostA ip link set veth2 down
on hostA ip link set veth2 name other2
check "a renamed interface is another" wait_until 5 is vm2 down
check "and the host's again" eval '! shielded other2'
on hostA ip link set other2 name veth2
check "under its name it is taken again" wait_until 5 is vm2 up
on hostA ip link set veth2 netns vm6
check "one that moves to another namespace is gone" wait_until 5 is vm2 down
on vm6 ip link set veth2 netns hostA
check "one that comes back is taken again" wait_until 5 is vm2 up
check "and works" reaches vm1 "$(v4 vm2)"
for _ in 1 2 3 4 5; do
	on hostA ip link del veth2
	plug vm2 veth2
done
check "five times deleted and made under way" wait_until 5 is vm2 up
address vm2
check "it works" reaches vm1 "$(v4 vm2)"
on hostA ip link set veth2 down # as it was before switchd took it
check "vm2 is down" wait_until 5 is vm2 down

# ---- what is not taken ----

on hostA ip link add host6 type veth peer name eth0 netns vm6
on vm6 ip link set eth0 address "$(mac vm6)" up
on hostA ip addr add 10.9.9.1/24 dev host6
on hostA ip link set host6 up
check "a port on an interface with addresses is refused, with how to have it" \
	eval '! ctl hostA port add vm6 type netdev segment beta interface host6 2>"$LAB/refused" && grep -q "addresses.*take" "$LAB/refused"'
check_not "and is not there" ctl hostA port show vm6
on vm6 ip addr add 10.9.9.2/24 dev eth0
check "the host still has it" reaches vm6 10.9.9.1
check "with take it is taken" ctl hostA port add vm6 type netdev segment beta interface host6 take true
check "and up" wait_until 5 is vm6 up
check "the host is cut off" unreachable vm6 10.9.9.1
check "given back" ctl hostA port del vm6
check "the host has it again" reaches vm6 10.9.9.1
on hostA ip addr del 10.9.9.1/24 dev host6
on hostA ip link add br6 type bridge
on hostA ip link set host6 master br6
check "a port on a bridge's interface is made" ctl hostA port add vm6 type netdev segment beta interface host6
check "but down" why vm6 'bridge'
on hostA ip link set host6 nomaster
check "until the bridge lets go of it" wait_until 5 is vm6 up
check_not "an uplink's interface is refused" ctl hostA port add bad type netdev segment beta interface eth0
check_not "an interface that another port has is refused" ctl hostA port add bad type netdev segment beta interface veth1
check "a host port is made" ctl hostA port add host type tap segment beta ifname tap9
check "and is no interface for another port" ctl hostA port add bad type netdev segment beta interface tap9
check "which says so" why bad 'is that of port "host"'
ctl hostA port del bad
ctl hostA port del host
ctl hostA port del vm6

# ---- everything is given back ----

lab_stop hostA
on hostA ip link set veth1 up
equal "$(former)" "$before" || diff <(echo "$before") <(former) | sed 's/^/# /'
check "at exit everything is as it was" equal "$(former)" "$before"
check "the host answers the guest" neighbour

lab_start hostA
check "vm1 is up" wait_until 5 is vm1 up
check "an interface that was down is raised" wait_until 5 is vm2 up
finish "${LAB_PID[hostA]}" KILL
unset "LAB_PID[hostA]"
check "after a kill the shield stays" shielded veth1
check "the host does not answer" eval '! neighbour'
lab_start hostA
check "a new start takes it over" wait_until 5 is vm1 up
check "and says so" grep -q 'interface veth1: taking over' "$LAB/hostA.log"
check "guests talk" reaches vm1 "$(v4 vm2)"
check "with the shield" eval 'shielded veth1 && shielded veth2'
check "the host still does not answer" eval '! neighbour'
lab_stop hostA
check "and what is given back is what was in the beginning" equal "$(former)" "$before"

lab_start hostA
check "vm1 is up once more" wait_until 5 is vm1 up
finish "${LAB_PID[hostA]}" KILL
unset "LAB_PID[hostA]"
configure "$(netdev vm4 beta veth4)"
lab_start hostA
check "after a kill, a start without the port gives it back" equal "$(former)" "$before"
check "the host answers the guest again" neighbour
check "the port that stayed is up" wait_until 5 is vm4 up
check "a reload takes what it names" eval 'four; ctl hostA reload && wait_until 5 is vm1 up'
check "and gives back what it does not" \
	eval 'configure "$(netdev vm4 beta veth4)"; ctl hostA reload && equal "$(former)" "$before"'

# ---- another's things ----

on hostA tc qdisc del dev veth5 clsact 2>/dev/null || :
on hostA tc qdisc add dev veth5 ingress
check "an interface with somebody's ingress qdisc" ctl hostA port add vm5 type netdev segment beta interface veth5
check "is left alone" why vm5 'ingress qdisc'
on hostA tc qdisc del dev veth5 ingress
check "until it is free" wait_until 5 is vm5 up
ctl hostA port del vm5

# ---- wildcards ----

index_of() { # INTERFACE
	on hostA ip -o link show dev "$1" | cut -d : -f 1
}

lab_stop hostA
configure "$(netdev one alpha veth1)" "$(netdev guests beta 'veth*')"
lab_start hostA
names() {
	ctl hostA -j port show | json "' '.join(sorted(p['name'] for p in d))"
}
named() { # NAMES
	[ "$(names)" = "$*" ]
}
check "a wildcard has a port for each interface that is nobody else's" \
	wait_until 5 named "guests guests/veth2 guests/veth4 guests/veth5 one"
check "they are locked" is guests/veth4 locked
check "and the switch's own" json "d[0]['owner'] == 'wildcard'" <<<"$(ctl hostA -j port show guests/veth4)"
check "nothing passes" unreachable vm4 "$(v4 vm5)"
check "the wildcard is opened" ctl hostA port set guests state open
check "and its ports" wait_until 5 is guests/veth4 up
check "guests talk" reaches vm4 "$(v4 vm5)"
on hostA ip link del veth2
check "a port goes with its interface" wait_until 5 named "guests guests/veth4 guests/veth5 one"
plug vm2 veth2
check "and comes with it" wait_until 5 named "guests guests/veth2 guests/veth4 guests/veth5 one"
address vm2
check "and works" reaches vm2 "$(v4 vm4)"
check "a reload keeps them" eval 'ctl hostA reload && named "guests guests/veth2 guests/veth4 guests/veth5 one"'
check_not "they are not deleted by hand" ctl hostA port del guests/veth4
check "an interface gets a port of its own" ctl hostA port add two type netdev segment alpha interface veth2
check "which the wildcard then leaves" wait_until 5 named "guests guests/veth4 guests/veth5 one two"
check "and which works" wait_until 5 is two up
check "in its segment" reaches vm2 "$(v4 vm1)"
check_not "a wildcard inside another is refused" ctl hostA port add more type netdev segment alpha interface 'veth4*'
check "the wildcard moves its ports" ctl hostA port set guests segment alpha state open
check "to where it is" reaches vm4 "$(v4 vm1)"

# ---- a name that is given again ----

check_not "a port is not of an owner that there is not" ctl hostA port add again type netdev segment alpha interface veth5 owner file
check "a port may be for one interface of that name only" ctl hostA port add once type netdev segment alpha \
	interface veth5 ifindex "$(index_of veth5)" owner hook
check "which is there" wait_until 5 is once up
check "and is reached" reaches vm5 "$(v4 vm1)"
on hostA ip link del veth5
check "when it goes, the port waits" wait_until 5 is once down
plug vm5 veth5
check "another of its name is the wildcard's" wait_until 5 named "guests guests/veth4 guests/veth5 once one two"
check "and not the port's" why once 'with number'
check "until somebody says so" ctl hostA port add anew type netdev segment alpha interface veth5 ifindex "$(index_of veth5)"
check "beside the former" wait_until 5 named "anew guests guests/veth4 once one two"
check "which is up" wait_until 5 is anew up
check_not "whoever says who he is deletes only what is his" ctl hostA port del anew owner hook
check_not "and changes nothing else" ctl hostA port set anew owner hook state locked
check "the hook's are a hook's" ctl hostA port del once owner hook
ctl hostA port del anew
configure "$(netdev one alpha veth1)"
check "without the wildcard its ports are gone" eval 'ctl hostA reload && wait_until 5 named "one two"'
check "and their interfaces free" eval '! shielded veth4'
lab_end
