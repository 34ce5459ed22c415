#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# MAC rewriting between subnets: a gateway that exists nowhere. One hop between any two
# guests, gateways' MACs in place of guests' of other subnets, subnets of a farm that are
# open to each other and one that is not, another farm that needs both owners, groups that
# cross with the flow, and TCP that is not slower across.
#
#	hostA--vm1 (farm 1, subnet 2)  vm2 (farm 1, subnet 3)
#	  |
#	hostB--vm3 (1, 2)  vm4 (1, 3)  vm5 (1, 4: closed)  vm6 (farm 9, subnet 1)

# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
lab_begin "$@"
tool=$LAB_TOP/test/net/farm.py

declare -A IN=([vm1]=two [vm2]=three [vm3]=two [vm4]=three [vm5]=four [vm6]=nine)
declare -A FARM=([two]=1 [three]=1 [four]=1 [nine]=9) SUBNET=([two]=2 [three]=3 [four]=4 [nine]=1)
net4() { # SEGMENT
	echo "10.${FARM[$1]}.${SUBNET[$1]}"
}
net6() { # SEGMENT
	echo "fd0${FARM[$1]}:${SUBNET[$1]}"
}
v4() { # GUEST
	echo "$(net4 "${IN[$1]}").$(number "$1")"
}
v6() { # GUEST
	echo "$(net6 "${IN[$1]}")::$(number "$1")"
}
macrewrite() { # SEGMENT
	printf '{ name = "%s"; domain = "%s"; encap = ( { type = "macrewrite"; uplink = "lan"; farm = %s; subnet = %s; prefix = [ "%s.0/24", "%s::/64" ]; gateway = [ "%s.254", "%s::fe" ]; } ); }' \
		"$1" "$1" "${FARM[$1]}" "${SUBNET[$1]}" "$(net4 "$1")" "$(net6 "$1")" "$(net4 "$1")" "$(net6 "$1")"
}
flow() { # FROM TO [MORE-KEYS]
	printf '{ from = "%s"; to = "%s"; flow = "open"; %s}' "$1" "$2" "${3:-}"
}
config() { # HOST ADDRESS GUEST...
	local host=$1 address=$2 guest entries=()
	shift 2
	for guest; do
		entries+=("$(tap "$guest" "${IN[$guest]}" "addresses = [ \"$(v4 "$guest")\", \"$(v6 "$guest")\" ]; ")")
	done
	{
		uplink "$address"
		list segments "$(macrewrite two)" "$(macrewrite three)" "$(macrewrite four)" "$(macrewrite nine)"
		list ports "${entries[@]}"
		list policy "$(flow two three)" "$(flow three two)" "${FLOWS[@]}"
		list junctions '{ name = "farm"; type = "gateway"; segments = [ "two", "three", "four", "nine" ]; }'
	} | lab_config "$host"
}
FLOWS=()
lab_expect 'closed to each other'
lab_host hostA 192.0.2.1/24
lab_host hostB 192.0.2.2/24
lab_guest vm1 vm2 vm3 vm4 vm5 vm6
LAB_BRIDGE=1 lab_wire hostA hostB
config hostA 192.0.2.1 vm1 vm2
config hostB 192.0.2.2 vm3 vm4 vm5 vm6
lab_start hostA
lab_start hostB
for guest in vm1 vm2 vm3 vm4 vm5 vm6; do
	lab_address "$guest" "$(v4 "$guest")/24" "$(v6 "$guest")/64"
	on "$guest" ip route replace default via "$(net4 "${IN[$guest]}").254"
	on "$guest" ip -6 route replace default via "$(net6 "${IN[$guest]}")::fe"
done

# ---- across subnets ----

capture wire wire "$LAB/wire.pcap"
wire=$LAB_LAST
capture vm4 eth0 "$LAB/guest.pcap"
inside=$LAB_LAST
for pair in vm1:vm2 vm1:vm4 vm4:vm1 vm3:vm2; do
	check "$pair in IPv4" reaches "${pair%:*}" "$(v4 "${pair#*:}")"
	check "$pair in IPv6" reaches "${pair%:*}" "$(v6 "${pair#*:}")"
done
check "and in one subnet" reaches vm1 "$(v4 vm3)"
ttl() { # GUEST ADDRESS
	on "$1" ping -n -c 1 -W 5 "$2" | sed -n 's/.*ttl=\([0-9]*\).*/\1/p'
}
check "it is one hop" equal "$(ttl vm1 "$(v4 vm4)")" 63
check "the gateway answers by itself" reaches vm1 "$(net4 two).254"
hop() { # GUEST ADDRESS: who complains about a packet without another hop to go
	on "$1" ping -n -c 1 -W 2 -t 1 "$2" | sed -n 's/^From \([0-9a-f:.]*\):\{0,1\} .*/\1/p' | head -n 1
}
check "traceroute shows it" equal "$(hop vm1 "$(v4 vm4)")" "$(net4 two).254"
check "in IPv6, too" equal "$(hop vm1 "$(v6 vm4)")" "$(net6 two)::fe"
check "long packets cross in pieces" on vm1 ping -q -n -c 1 -w 5 -M dont -s 4000 "$(v4 vm4)"
metric() { # NAME SEGMENT
	ctl hostA metrics | awk -v name="tvdswitch_$1{" -v segment="segment=\"$2\"" 'index($0, name) == 1 && index($0, segment) { n += $NF } END { printf "%d\n", n }'
}
for name in bindings bindings_resolved_total gateway_routed_frames_total; do
	check "metrics count it: $name" test "$(metric "$name" two)" -gt 0
done
capture_end "$wire"
finish "$inside" INT
check "no guest's or gateway's MAC is in an Ethernet header on the wire" equal \
	"$(fields "$LAB/wire.pcap" 'eth.src[0:3] == 52:54:00 || eth.dst[0:3] == 52:54:00 || eth.src[0:2] == 72:56 || eth.dst[0:2] == 72:56 || eth.src[0:2] == 72:54 || eth.dst[0:2] == 72:54' frame.number | wc -l)" 0
check "a packet is there once" equal "$(fields "$LAB/wire.pcap" "icmp.type == 8 && ip.src == $(v4 vm1) && ip.dst == $(v4 vm4)" icmp.ident icmp.seq | sort | uniq -d | wc -l)" 0
check "vm4 sees vm1 at the gateway" equal "$(fields "$LAB/guest.pcap" "icmp && ip.src == $(v4 vm1)" eth.src | sort -u)" "72:56:0a:01:03:fe"

# ---- what is closed, and who opens it ----

check "a subnet of the farm is closed by default" unreachable vm1 "$(v4 vm5)"
check "also to its own host's guests" unreachable vm4 "$(v6 vm5)"
check "another farm is" unreachable vm1 "$(v4 vm6)"
both() { # FLOW...: on both hosts
	FLOWS=("$@")
	config hostA 192.0.2.1 vm1 vm2
	config hostB 192.0.2.2 vm3 vm4 vm5 vm6
	ctl hostA reload && ctl hostB reload
}
half=("$(flow two nine 'side = "out"; indirect = true; ')" "$(flow nine two 'side = "in"; indirect = true; ')")
other=("$(flow two nine 'side = "in"; indirect = true; ')" "$(flow nine two 'side = "out"; indirect = true; ')")
check "one farm's owner opens it" both "$(flow two nine 'side = "out"; indirect = true; ')" "$(flow nine two 'side = "in"; indirect = true; ')"
check "which is not enough" unreachable vm1 "$(v4 vm6)"
check "the other's does, too" both "${half[@]}" "${other[@]}"
check "then they meet" reaches vm1 "$(v4 vm6)"
check "in IPv6, too" reaches vm6 "$(v6 vm1)"

# ---- groups ----

heard() { # GROUP TTL GUESTS...
	local group=$1 ttl=$2 guest got=''
	shift 2
	for guest in vm2 vm3 vm4 vm5; do
		background "$guest" "$PYTHON" "$tool" listen "$group" 5002 "$(v4 "$guest")" >"$LAB/heard-$guest"
		wait_until 10 grep -q ready "$LAB/heard-$guest"
	done
	on vm1 "$PYTHON" "$tool" send "$group" 5002 "$ttl" "$(v4 vm1)"
	sleep 0.4
	for guest in vm2 vm3 vm4 vm5; do
		grep -q heard "$LAB/heard-$guest" && got="$got $guest"
	done
	equal "${got# }" "$*"
}
check "a group with a TTL of 1 stays in the subnet" heard 239.1.2.3 1 vm3
check "one with more reaches the subnet that is open, on both hosts" heard 239.1.2.3 8 vm2 vm3 vm4
check "one of the link does not, whatever its TTL" heard 224.0.0.99 8 vm3
check "a broadcast stays in the subnet" heard 255.255.255.255 64 vm3
lab_end
