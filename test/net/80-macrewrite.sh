#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# MAC rewriting: who reaches whom, in both IP versions; no guest's MAC in any Ethernet
# header on the wire; what guests see of each other; a host without this software;
# what is not IP; spoofed sources; groups and how far they go; and the host's own
# traffic, which stays what it was.
#
#	hostA--vm1 (farm 1, subnet 2)         hostB--vm3 (subnet 2)
#	  |   \vm2 (subnet 3)                   |   \vm4 (subnet 3)
#	  |    \vm5 (subnet 2)                  |
#	  +------------- wire -----------------+---- plain (10.1.2.200, no switchd)

# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
lab_begin "$@"
tool=$LAB_TOP/test/net/farm.py

subnet_of() { # GUEST
	case $1 in vm2 | vm4) echo 3 ;; *) echo 2 ;; esac
}
v4() { # GUEST
	echo "10.1.$(subnet_of "$1").$(number "$1")"
}
v6() { # GUEST
	echo "fd01:$(subnet_of "$1")::$(number "$1")"
}
macrewrite() { # SUBNET [KEYS]
	printf '{ name = "net%s"; encap = ( { type = "macrewrite"; uplink = "lan"; farm = 1; subnet = %s; prefix = [ "10.1.%s.0/24", "fd01:%s::/64" ]; gateway = [ "10.1.%s.254" ]; } ); }' \
		"$1" "$1" "$1" "$1" "$1"
}
config() { # HOST ADDRESS GUEST...
	local host=$1 address=$2 guest entries=()
	shift 2
	for guest; do
		entries+=("$(tap "$guest" "net$(subnet_of "$guest")" "${PORT_KEYS[$guest]:-}")")
	done
	{
		uplink "$address"
		list segments "$(macrewrite 2)" "$(macrewrite 3)"
		list ports "${entries[@]}"
	} | lab_config "$host"
}
declare -A PORT_KEYS=()
lab_host hostA 192.0.2.1/24 2001:db8::1/64
lab_host hostB 192.0.2.2/24 2001:db8::2/64
lab_host plain 10.1.2.200/24 fd01:2::200/64
lab_guest vm1 vm2 vm3 vm4 vm5
lab_wire hostA hostB plain
# The host forwards, and so would do harm if it heard of a farm's packets.
for host in hostA hostB; do
	on "$host" sysctl -qw net.ipv4.ip_forward=1
	on "$host" sysctl -qw net.ipv4.conf.eth0.proxy_arp=1
done
PORT_KEYS[vm5]='addresses = [ "10.1.2.5", "fd01:2::5" ]; '
config hostA 192.0.2.1 vm1 vm2 vm5
config hostB 192.0.2.2 vm3 vm4
tc_before=$(on hostA tc qdisc show dev eth0)
lab_start hostA
lab_start hostB
for guest in vm1 vm2 vm3 vm4 vm5; do
	lab_address "$guest" "$(v4 "$guest")/24" "$(v6 "$guest")/64"
done
host_mac() { # HOST
	lab_mac "$1"
}
neighbour() { # WHERE ADDRESS: its MAC
	on "$1" ip neigh show "$2" | sed -n 's/.*lladdr \([0-9a-f:]*\).*/\1/p'
}

# ---- who reaches whom, and what is on the wire ----

capture wire wire "$LAB/wire.pcap"
wire=$LAB_LAST
for pair in vm1:vm3 vm3:vm5 vm2:vm4 vm1:vm5; do
	check "$pair in IPv4" reaches "${pair%:*}" "$(v4 "${pair#*:}")"
	check "$pair in IPv6" reaches "${pair%:*}" "$(v6 "${pair#*:}")"
done
check "vm1 sees vm3's own MAC" equal "$(neighbour vm1 "$(v4 vm3)")" "$(mac vm3)"
check "also in IPv6" equal "$(neighbour vm1 "$(v6 vm3)")" "$(mac vm3)"
lab_address vm1 fe80::1/64
lab_address vm3 fe80::3/64
check "link-local addresses reach, too" reaches vm1 fe80::3%eth0
on vm1 ip route replace 10.1.3.0/24 dev eth0
check "another subnet does not" unreachable vm1 "$(v4 vm4)"
transfer() { # FROM TO
	on "$2" timeout 20 "$PYTHON" "$tool" sink "$(v4 "$2")" 5001 >"$LAB/sink" &
	local sink=$!
	wait_until 10 grep -q ready "$LAB/sink"
	on "$1" timeout 20 "$PYTHON" "$tool" source "$(v4 "$2")" 5001 20000000
	wait "$sink"
}
check "TCP crosses" transfer vm1 vm3
check "in large pieces" json "[e['stats']['tx_frames'] for e in d if e['segment'] == 'net2'][0] < 6000" <<<"$(ctl hostA -j encap show)"
check "it is at host B" json "[(e['dst'], e['encap']) for e in d if e['mac'] == '$(mac vm3)'] == [('$(host_mac hostB)', 'macrewrite')]" \
	<<<"$(ctl hostA -j fdb show)"
check "binding show says the same" json "[b['port'] for b in d if b['address'] == '$(v4 vm1)'] == ['vm1']" <<<"$(ctl hostA -j binding show segment net2)"
check "encap show has who is where" json \
	"('$(v4 vm3)', '$(mac vm3)', '$(host_mac hostB)') in [(b['address'], b['mac'], b['host']) for e in d if e['segment'] == 'net2' for b in e['bindings']]" \
	<<<"$(ctl hostA -j encap show)"

# What is made up is not IP, and says nothing here.
check "policy verify does not blame a segment that carries IP alone" json \
	"d and all((e['passes'], e['tested'], 'reason' in e) == (True, False, False) for e in d if e['from'].startswith('vm') and e['from_segment'] == e['to_segment'])" \
	<<<"$(ctl hostA -j policy verify)"

# ---- a host that does not run this software ----

check "a plain host reaches a guest" reaches plain "$(v4 vm1)"
check "in IPv6, too" reaches plain "$(v6 vm3)"
check "a guest reaches the plain host" reaches vm3 10.1.2.200
check "a guest that it has not heard of does" reaches vm5 10.1.2.200
check "in IPv6, too" reaches vm5 fd01:2::200
check "the guest sees the plain host's MAC" equal "$(neighbour vm5 10.1.2.200)" "$(host_mac plain)"
check "the plain host sees the MAC of the guest's host" equal "$(neighbour plain "$(v4 vm1)")" "$(host_mac hostA)"
check "also in IPv6" equal "$(neighbour plain "$(v6 vm3)")" "$(host_mac hostB)"
on plain ip route replace 10.1.3.0/24 dev eth0
check "it does not reach another subnet" unreachable plain "$(v4 vm2)"

# ---- the host's own traffic ----

check "the host goes on using the interface" on hostA ping -q -n -c 1 -w 5 192.0.2.2
check "in IPv6, too" on hostA ping -q -n -c 1 -w 5 2001:db8::2
check "it has heard of nobody in a farm" equal "$(on hostA ip neigh show | grep -c -e '^10\.' -e '^fd01' || :)" 0

# ---- no guest's MAC in a header ----

capture_end "$wire"
check "no guest's MAC is in an Ethernet header" equal \
	"$(fields "$LAB/wire.pcap" 'eth.src[0:3] == 52:54:00 || eth.dst[0:3] == 52:54:00' frame.number | wc -l)" 0
check "sources are hosts alone" equal "$(fields "$LAB/wire.pcap" 'ip.addr == 10.0.0.0/8 || arp.src.proto_ipv4 == 10.0.0.0/8' eth.src | sort -u | wc -l)" 3
check "questions go to the subnet's group" [ "$(fields "$LAB/wire.pcap" "arp && eth.dst == 03:54:00:01:00:02" frame.number | wc -l)" -gt 0 ]
check "and carry the guest's MAC inside" [ "$(fields "$LAB/wire.pcap" "arp && frame contains $(mac vm1) && eth.dst == 03:54:00:01:00:02" frame.number | wc -l)" -gt 0 ]
check "no host sent a redirect, or an answer of its own" equal "$(fields "$LAB/wire.pcap" 'icmp.type == 5 || icmp.type == 3' frame.number | wc -l)" 0

# ---- what is refused ----

before=$(port_drops hostA vm1 not_ip)
on vm1 "$PYTHON" "$tool" ethertype eth0 88b5 5
check "what is not IP is refused" equal "$(($(port_drops hostA vm1 not_ip) - before))" 5
refused() { # PORT REASON SOURCE-IP: a packet from there is dropped
	local before
	before=$(port_drops hostA "$1" "$2")
	on "$1" "$PYTHON" "$tool" spoof eth0 "$3" "$(v4 vm3)" "$(mac vm3)"
	wait_until 5 [ "$(port_drops hostA "$1" "$2")" -gt "$before" ]
}
check "a source of another subnet" refused vm1 guard_ip 10.1.3.77
check "of no subnet" refused vm1 guard_ip 192.0.2.77
check "the gateway's" refused vm1 guard_ip 10.1.2.254
check "of another guest, where addresses are given" refused vm5 guard_ip "$(v4 vm1)"
before=$(port_drops hostA vm5 guard_arp)
on vm5 "$PYTHON" "$tool" claim eth0 "$(v4 vm1)"
check "and that it claims by ARP" [ "$(port_drops hostA vm5 guard_arp)" -gt "$before" ]
check "vm3 is not misled" reaches vm3 "$(v4 vm1)"
check "trace says why" equal "$(ctl hostA -j trace port vm1 "ffffffffffff$(mac vm1 | tr -d :)88b5" | json "d['reason']")" not_ip

# ---- groups, and how far they go ----

heard() { # GUEST GROUP TTL WHO...
	local from=$1 group=$2 ttl=$3 guest expected got='' own
	shift 3
	expected=$*
	for guest in vm2 vm3 vm4 vm5 plain; do
		[ "$guest" = plain ] && own=10.1.2.200 || own=$(v4 "$guest")
		background "$guest" "$PYTHON" "$tool" listen "$group" 5002 "$own" >"$LAB/heard-$guest"
		wait_until 10 grep -q ready "$LAB/heard-$guest"
	done
	on "$from" "$PYTHON" "$tool" send "$group" 5002 "$ttl" "$(v4 "$from")"
	sleep 0.3
	for guest in vm2 vm3 vm4 vm5 plain; do
		grep -q heard "$LAB/heard-$guest" && got="$got $guest"
	done
	equal "${got# }" "$expected"
}
# A veth takes up every group; one that filters, as most interfaces do, none of a farm's.
on plain tc qdisc add dev eth0 clsact
on plain tc filter add dev eth0 ingress protocol all bpf da bytecode '4,40 0 0 0,21 0 1 852,6 0 0 2,6 0 0 4294967295'
capture wire wire "$LAB/groups.pcap" "udp port 5002"
check "a group with a TTL of 1 stays in the subnet" heard vm1 239.1.2.3 1 vm3 vm5 plain
check "one with more reaches no subnet that is closed" heard vm1 239.1.2.3 8 vm3 vm5 plain
check "a broadcast stays in the subnet" heard vm1 255.255.255.255 64 vm3 vm5 plain
check "another subnet's reach no plain host of this one" heard vm2 239.1.2.3 1 vm2 vm4
capture_end "$LAB_LAST"
check "plain hosts get a copy of their own" equal "$(fields "$LAB/groups.pcap" "udp" eth.dst | sort -u | tr '\n' ' ')" \
	"$(printf '%s\n' "$(host_mac plain)" 03:54:00:01:00:00 03:54:00:01:00:02 03:54:00:01:00:03 | sort | tr '\n' ' ')"

# ---- the end ----

# shellcheck source=SCRIPTDIR/takeovers.sh
. "$(dirname "$0")/takeovers.sh"
bound() { # ADDRESS...: hostA knows whose each is
	local addresses
	addresses=$(printf "'%s', " "$@")
	json "{$addresses} <= {b['address'] for b in d if b['mac']}" <<<"$(ctl hostA -j binding show)"
}
check "vm2 reaches vm4" reaches vm2 "$(v4 vm4)"
check "of some it is known where they are" bound "$(v4 vm1)" "$(v4 vm3)" "$(v6 vm3)" "$(v4 vm4)"
takes_over hostA "a successor takes over"
check "it knows that, too" bound "$(v4 vm1)" "$(v4 vm3)" "$(v6 vm3)" "$(v4 vm4)"
check "the host goes on to hear of no farm" grep -q bpf <<<"$(on hostA tc filter show dev eth0 ingress)"
check "its guests are reached" reaches vm3 "$(v4 vm1)"
lab_stop hostA
check "at the end the interface is what it was" equal "$(on hostA tc qdisc show dev eth0)" "$tc_before"
lab_start hostA
lab_address vm1 "$(v4 vm1)/24"
check "after a restart vm1 is found" reaches vm3 "$(v4 vm1)"
kill -KILL "${LAB_PID[hostA]}"
wait_until 10 lab_gone "${LAB_PID[hostA]}"
unset "LAB_PID[hostA]"
check "a kill leaves the filter" grep -q clsact <<<"$(on hostA tc qdisc show dev eth0)"
{
	uplink 192.0.2.1
	list segments '{ name = "other"; }'
} | lab_config hostA
lab_start hostA
check "the next start takes it away" equal "$(on hostA tc qdisc show dev eth0)" "$tc_before"
lab_end
