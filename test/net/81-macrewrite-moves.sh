#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# MAC rewriting when somebody is not known or goes elsewhere: DHCP across hosts, a source
# of which a host has lost the binding (the backwards request), one that nobody vouches
# for, an address that goes to another guest, a guest that goes to another host and is
# announced by RARP as QEMU does, several subnets that change places by a reload, and an
# uplink that goes and comes back.
#
#	hostA--vm1, vm5       hostB--vm3, vm6       hostC--vm7
#	  +------- wire --------+---------------------+---- plain (10.1.2.200, no switchd)

# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
lab_begin "$@"
tool=$LAB_TOP/test/net/farm.py

v4() { # GUEST
	echo "10.1.2.$(number "$1")"
}
v6() { # GUEST
	echo "fd01:2::$(number "$1")"
}
config() { # HOST NUMBER GUEST...
	local host=$1 address=192.0.2.$2 guest entries=()
	shift 2
	for guest; do
		entries+=("$(tap "$guest" net2)")
	done
	{
		uplink "$address"
		list segments "{ name = \"net2\"; ${SEGMENT_KEYS:-}encap = ( { type = \"macrewrite\"; uplink = \"lan\"; farm = 1; subnet = ${SUBNET:-2}; prefix = [ \"10.1.2.0/24\", \"fd01:2::/64\" ]; } ); }"
		list ports "${entries[@]}"
	} | lab_config "$host"
}
lab_host hostA 192.0.2.1/24
lab_host hostB 192.0.2.2/24
lab_host hostC 192.0.2.3/24
lab_host plain 10.1.2.200/24 fd01:2::200/64
lab_guest vm1 vm3 vm5 vm6 vm7
lab_wire hostA hostB hostC plain
config hostA 1 vm1 vm5
config hostB 2 vm3 vm6
config hostC 3 vm7
for host in hostA hostB hostC; do
	lab_start "$host"
done

# ---- DHCP across hosts ----

lab_address vm1 "$(v4 vm1)/24" "$(v6 vm1)/64"
background vm1 dnsmasq --no-daemon --conf-file=/dev/null --port=0 --interface=eth0 --bind-interfaces \
	--dhcp-range=10.1.2.100,10.1.2.120,1h --dhcp-leasefile="$LAB/leases" --log-dhcp --user= \
	--pid-file="$LAB/dnsmasq.pid" >"$LAB/dnsmasq" 2>&1
server=$LAB_LAST
wait_until 10 grep -q 'DHCP, IP range' "$LAB/dnsmasq"
cat >"$LAB/lease" <<'END'
#!/bin/sh
case $1 in bound | renew) ip addr replace "$ip/24" dev "$interface" ;; esac
END
chmod +x "$LAB/lease"
wait_until 10 lab_raised vm3
capture wire wire "$LAB/dhcp.pcap" "udp port 67 or udp port 68"
wire=$LAB_LAST
check "a guest gets an address from a server behind another host" \
	on vm3 busybox udhcpc -i eth0 -n -q -t 5 -T 1 -s "$LAB/lease"
capture_end "$wire"
leased=$(on vm3 ip -4 -o addr show dev eth0 | sed -n 's,.*inet \([0-9.]*\)/.*,\1,p')
check "of the subnet ($leased)" grep -q '^10\.1\.2\.1[0-2]' <<<"$leased"
check "and reaches it" reaches vm3 "$(v4 vm1)"
check "all of it went to the subnet's group" equal "$(fields "$LAB/dhcp.pcap" 'dhcp' eth.dst | sort -u)" 03:54:00:01:00:02
finish "$server"
on vm3 ip addr flush dev eth0
for guest in vm3 vm5 vm6 vm7; do
	lab_address "$guest" "$(v4 "$guest")/24" "$(v6 "$guest")/64"
done

# ---- the backwards request ----

check "vm5 reaches vm6" reaches vm5 "$(v4 vm6)"
check "in IPv6, too" reaches vm5 "$(v6 vm6)"
lab_stop hostB
lab_start hostB
for guest in vm3 vm6; do
	lab_address "$guest" "$(v4 "$guest")/24" "$(v6 "$guest")/64"
done
capture wire wire "$LAB/back.pcap" "arp or icmp6 or icmp"
wire=$LAB_LAST
# It knows vm6's MAC and does not ask again; and vm6 has not asked yet.
on vm5 ip neigh replace "$(v4 vm6)" lladdr "$(mac vm6)" dev eth0
on vm5 ip neigh replace "$(v6 vm6)" lladdr "$(mac vm6)" dev eth0
on vm6 ip neigh replace "$(v4 vm5)" lladdr "$(mac vm5)" dev eth0
on vm6 ip neigh replace "$(v6 vm5)" lladdr "$(mac vm5)" dev eth0
check "to a host that knows nobody: no packet is lost" on vm5 ping -q -n -c 1 -w 8 -W 8 "$(v4 vm6)"
check "in IPv6, too" on vm5 ping -q -n -c 1 -w 8 -W 8 "$(v6 vm6)"
capture_end "$wire"
back="eth.src == $(lab_mac hostB) && eth.dst == $(lab_mac hostA)"
check "it asked the packet's source alone" [ "$(fields "$LAB/back.pcap" "$back && arp.opcode == 1 && arp.dst.proto_ipv4 == $(v4 vm5)" frame.number | wc -l)" -gt 0 ]
check "by neighbour discovery, too" [ "$(fields "$LAB/back.pcap" "$back && icmpv6.type == 135 && icmpv6.nd.ns.target_address == $(v6 vm5)" frame.number | wc -l)" -gt 0 ]
before=$(encap_drops hostB net2 no_binding)
on plain "$PYTHON" "$tool" forge eth0 "10.1.2.99" "$(v4 vm6)" "$(lab_mac hostB)" 12
check "of a source that nobody vouches for no more than 8 packets wait" wait_until 3 [ "$(encap_drops hostB net2 no_binding)" -ge $((before + 4)) ]
enough() { [ "$(encap_drops hostB net2 no_binding)" -ge $((before + 12)) ]; }
check "and after three questions they are dropped as no_binding" wait_until 8 enough

# ---- moves ----

check "vm3 reaches vm7" reaches vm3 "$(v4 vm7)"
check "so does the plain host" reaches plain "$(v4 vm7)"
moves() { # GUEST FROM TO: without a word of its own
	ctl "$2" port del "$1"
	ctl "$3" port add "$1" type tap segment net2 ifname eth0 netns "$1" mac "$(mac "$1")"
	lab_address "$1" "$(v4 "$1")/24" "$(v6 "$1")/64"
}
found() { # GUEST GUEST
	on "$1" ping -q -n -c 1 -w 3 "$(v4 "$2")"
}
for way in "hostC hostA" "hostA hostC"; do
	# shellcheck disable=SC2086 # two words
	check "a silent guest moves: from ${way/ / to }" moves vm7 $way
	for guest in vm3 vm5 plain; do
		check "it is found by $guest" found "$guest" vm7
	done
done
on vm7 ip addr del "$(v4 vm7)/24" dev eth0
on vm5 ip addr add "$(v4 vm7)/24" dev eth0
on vm5 "$PYTHON" "$tool" claim eth0 "$(v4 vm7)"
check "an address that goes to another guest: vm3 finds it" reaches vm3 "$(v4 vm7)"
check "the plain host does" reaches plain "$(v4 vm7)"
bound() { # HOST ADDRESS MAC HOST-MAC
	json "('$2', '$3', '$4') in [(b['address'], b['mac'], b['host']) for e in d for b in e['bindings']]" <<<"$(ctl "$1" -j encap show)"
}
check "it is bound to that one" wait_until 5 bound hostB "$(v4 vm7)" "$(mac vm5)" "$(lab_mac hostA)"
on vm5 ip addr del "$(v4 vm7)/24" dev eth0

# vm7 becomes what vm5 was, as after a migration: the same MAC and address elsewhere.
check "vm3 reaches vm5" reaches vm3 "$(v4 vm5)"
check "so does the plain host" reaches plain "$(v4 vm5)"
on vm5 ip link set eth0 down
on vm7 ip link set eth0 down
on vm7 ip link set eth0 address "$(mac vm5)" up
before=$(port_drops hostC vm7 not_ip)
on vm7 "$PYTHON" "$tool" rarp eth0
check "RARP says that a guest has moved" wait_until 5 bound hostB "$(v4 vm5)" "$(mac vm5)" "$(lab_mac hostC)"
check "and is no frame that is not IP" equal "$(port_drops hostC vm7 not_ip)" "$before"
on vm7 ip addr flush dev eth0
lab_address vm7 "$(v4 vm5)/24"
check "vm3 reaches it there" reaches vm3 "$(v4 vm5)"
check "so does the plain host" reaches plain "$(v4 vm5)"

# ---- reloads, and the uplink ----

lab_expect 'uplink lan'
SUBNET=9 config hostA 1 vm1 vm5
check "a reload into another subnet" ctl hostA reload
config hostA 1 vm1 vm5
check "and back" ctl hostA reload
check "vm1 is there again" reaches vm1 "$(v4 vm3)"
on hostA ip link set eth0 down
check "with the interface down nothing crosses" unreachable vm1 "$(v4 vm3)"
lab_raise hostA
check "up again, it does" reaches vm1 "$(v4 vm3)"
check "nothing was dropped for want of a buffer" equal "$(all_drops hostA no_buffer)" 0
lab_end
