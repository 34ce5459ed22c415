#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# EtherIP past the kernel's network stack: to a group, to a neighbour, through a router,
# over IPv6; the bytes; and what makes it go through the stack again, or move.
#
#	hostA--vm1 (alpha: group), vm2 (beta: through the router), vm3 (six)
#	  |
#	 wire---router---wan---hostC--vm6 (beta)
#	  |
#	hostB--vm4 (alpha), vm5 (six)

# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
lab_begin "$@"

lab_host hostA 192.0.2.1/24 2001:db8::1/64
lab_host hostB 192.0.2.2/24 2001:db8::2/64
lab_host router 192.0.2.254/24
lab_host hostC
lab_guest vm1 vm2 vm3 vm4 vm5 vm6
lab_wire hostA hostB router
ip link add eth0 netns hostC type veth peer name eth1 netns router
on hostC ip link set eth0 up
on router ip link set eth1 up
on hostC ip addr add 198.51.100.3/24 dev eth0
on router ip addr add 198.51.100.254/24 dev eth1
on router sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
on hostC ip route add default via 198.51.100.254
on hostA ip route add 198.51.100.0/24 via 192.0.2.254

segments() { # PEER-OF-BETA
	list segments "$(segment alpha 1 "$(etherip 239.192.0.1)")" \
		"$(segment beta 2 "$(etherip '' "peers = \"$1\"; ")")" \
		"$(segment six 3 "$(etherip ff18::5456:3)")"
}
{
	uplink ''
	segments 198.51.100.3
	list ports "$(tap vm1 alpha)" "$(tap vm2 beta)" "$(tap vm3 six)"
} | lab_config hostA
{
	uplink ''
	segments 192.0.2.99
	list ports "$(tap vm4 alpha)" "$(tap vm5 six)"
} | lab_config hostB
{
	uplink ''
	segments 192.0.2.1
	list ports "$(tap vm6 beta)"
} | lab_config hostC
capture hostB eth0 "$LAB/b.pcap" ip proto 97 or ip6
at_b=$LAB_LAST
capture hostC eth0 "$LAB/c.pcap" ip proto 97
at_c=$LAB_LAST
for host in hostA hostB hostC; do
	lab_start "$host"
done
address vm1 vm2 vm3 vm4 vm5 vm6

bypassed() { # HOST SEGMENT
	ctl "$1" -j encap show | json "sum(e['bypassed'] for e in d if e['segment'] == '$2')"
}
sent() { # HOST SEGMENT
	ctl "$1" -j encap show | json "sum(e['stats']['tx_segments'] for e in d if e['segment'] == '$2')"
}
[ "$(bypassed hostA alpha)" -gt 0 ] || {
	reaches vm1 "$(v4 vm4)" || :
	[ "$(bypassed hostA alpha)" -gt 0 ] ||
		lab_skip "no AF_XDP socket here: $(grep -o 'no AF_XDP socket.*' "$LAB/hostA.log")"
}

# ---- who reaches whom, and how ----

goes_past() { # HOST SEGMENT FROM TO
	local before
	before=$(bypassed "$1" "$2")
	reaches "$3" "$4" && [ "$(bypassed "$1" "$2")" -gt "$before" ]
}
check "a neighbour" wait_until 5 goes_past hostA alpha vm1 "$(v4 vm4)"
check "through a router" wait_until 5 goes_past hostA beta vm2 "$(v4 vm6)"
check "over IPv6" wait_until 5 goes_past hostA six vm3 "$(v4 vm5)"
all_past() {
	local a b
	a=$(sent hostA alpha) b=$(bypassed hostA alpha)
	reaches vm1 "$(v4 vm4)" || return 1
	equal "$(($(bypassed hostA alpha) - b)) of $(($(sent hostA alpha) - a))" "$(($(sent hostA alpha) - a)) of $(($(sent hostA alpha) - a))"
}
check "everything, once the way is known" wait_until 10 all_past
transfer=$LAB_TOP/test/net/transfer.py
for pair in vm1:vm4 vm2:vm6 vm3:vm5; do
	server=${pair#*:}
	background "$server" "$PYTHON" "$transfer" serve >"$LAB/$server.serve"
	wait_until 10 grep -q ready "$LAB/$server.serve" || lab_die "no server in $server"
	check "TCP and UDP, ${pair%:*} with $server" \
		on "${pair%:*}" "$PYTHON" "$transfer" check "$(v4 "$server")" "$(v6 "$server")"
done

# ---- the bytes ----

check "who captures sees everything: through the stack" equal "$(bypassed hostB alpha)" 0
capture_end "$at_b"
capture_end "$at_c"
check "and past it when nobody looks any more" wait_until 5 goes_past hostB alpha vm4 "$(v4 vm1)"
seen() { # FILE FILTER FIELD: all values of the outer header's field
	fields "$LAB/$1.pcap" "$2" "$3" | cut -d, -f1 | sort -u | xargs
}
ours='ip.src == 192.0.2.1 && ip.proto == 97'
check "to the group: its Ethernet address, TTL 1" equal \
	"$(seen b "$ours && ip.dst == 239.192.0.1" eth.dst) $(seen b "$ours && ip.dst == 239.192.0.1" ip.ttl)" "01:00:5e:40:00:01 1"
check "to a host: its address, TTL 64, ours as the source" equal \
	"$(seen b "$ours && ip.dst == 192.0.2.2" eth.dst) $(seen b "$ours && ip.dst == 192.0.2.2" ip.ttl) $(seen b "$ours" eth.src)" \
	"$(lab_mac hostB) 64 $(lab_mac hostA)"
check "through the router: one hop less" equal "$(seen c "$ours" ip.ttl)" 63
check "over IPv6: hop limit 1 to the group" equal \
	"$(seen b 'ipv6.src == 2001:db8::1 && ipv6.dst == ff18::5456:3 && ipv6.nxt == 97' ipv6.hlim)" 1
check "all checksums are right" equal "$(tshark -n -r "$LAB/b.pcap" -o ip.check_checksum:TRUE \
	-Y 'ip.src == 192.0.2.1 && ip.checksum.status == 0' 2>/dev/null | wc -l)" 0

# ---- what changes the way ----

# Another host B: the same address behind another Ethernet address.
on hostB ip link set eth0 address 02:00:00:00:77:02
on hostB arping -q -c 1 -U -I eth0 192.0.2.2 2>/dev/null || on hostB ping -q -c 1 -W 1 192.0.2.1 >/dev/null || :
check "a neighbour with a new address is found within seconds" wait_until 10 reaches vm1 "$(v4 vm4)"

# A router that is gone from the route: another gateway.
on router ip addr add 192.0.2.253/24 dev eth0
on hostA ip route replace 198.51.100.0/24 via 192.0.2.253
check "another gateway" reaches vm2 "$(v4 vm6)"
check "and past the stack again" wait_until 10 goes_past hostA beta vm2 "$(v4 vm6)"

# IPsec stands in the stack.
on hostA ip xfrm policy add src 192.0.2.1/32 dst 203.0.113.1/32 dir out tmpl proto esp mode transport 2>"$LAB/why" &&
	{
		stays_in() {
			local before
			before=$(bypassed hostA alpha)
			reaches vm1 "$(v4 vm4)" && [ "$(bypassed hostA alpha)" = "$before" ]
		}
		check "with an IPsec policy nothing goes past the stack" wait_until 5 stays_in
		on hostA ip xfrm policy deleteall
		check "and without it all does" wait_until 5 goes_past hostA alpha vm1 "$(v4 vm4)"
	}

lab_expect "guests. frames now fit"
# What is longer than the wire is for the stack to fragment.
on vm3 ip link set eth0 mtu 1500
on vm5 ip link set eth0 mtu 1500
check "what is too long goes as fragments, through the stack" wait_until 10 on vm3 ping -q -c 2 -W 2 -s 1472 "$(v4 vm5)"

# The interface is replaced under way, and the MTU changes.
on hostA ip link set eth0 mtu 1600
check "another MTU" wait_until 10 goes_past hostA alpha vm1 "$(v4 vm4)"
on hostA ip link set eth0 mtu 1500

# A second process on the interface has to use the stack until the first ends.
sed -i 's/interface = "eth0";/interface = "eth0"; fast = "off";/' "$LAB/hostA.conf"
check "fast = off is a reload" ctl hostA reload
off=$(bypassed hostA alpha)
check "guests still reach each other" reaches vm1 "$(v4 vm4)"
check "through the stack" equal "$(bypassed hostA alpha)" "$off"
lab_end
