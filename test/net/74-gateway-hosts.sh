#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# A gateway on three hosts: each routes what its own guests send, and decides once more
# about what the others have routed to them. On the wire, by EtherIP, there are router MACs
# in place of the virtual one, and one hop between any two guests.
#
#	hostA--vm1 (alpha) vm2 (beta)
#	  |
#	hostB--vm3 (alpha) vm4 (beta) vm7 (gamma)
#	  |
#	hostC--vm5 (beta)  vm6 (gamma)		gamma lets alpha in, by TCP to port 5000

# shellcheck source=SCRIPTDIR/gateway.sh
. "$(dirname "$0")/gateway.sh"
lab_begin "$@"
transfer=$LAB_TOP/test/net/transfer.py

IN=([vm1]=alpha [vm2]=beta [vm3]=alpha [vm4]=beta [vm5]=beta [vm6]=gamma [vm7]=gamma)
lab_host hostA 192.0.2.1/24
lab_host hostB 192.0.2.2/24
lab_host hostC 192.0.2.3/24
lab_wire hostA hostB hostC
lab_guest vm1 vm2 vm3 vm4 vm5 vm6 vm7
config() { # HOST ADDRESS GUEST...
	local host=$1 address=$2 guest entries=()
	shift 2
	for guest; do
		entries+=("$(tap "$guest" "${IN[$guest]}")")
	done
	{
		uplink "$address"
		list segments "$(segment alpha 1 "$(etherip 239.192.0.1)")" \
			"$(segment beta 2 "$(etherip 239.192.0.2)")" \
			"$(segment gamma 3 "$(etherip 239.192.0.3)")"
		list ports "${entries[@]}"
		list policy "$(flow alpha beta)" "$(flow beta alpha)" "$(flow alpha gamma \
			'flow = "controlled"; allow = ( { filter = "tcp dst port 5000"; stateful = true; } );')"
		list junctions "$(junction '' alpha beta gamma)"
	} | lab_config "$host"
	lab_start "$host"
}
lab_expect "their domains are closed to each other" # gamma to beta
config hostA 192.0.2.1 vm1 vm2
config hostB 192.0.2.2 vm3 vm4 vm7
config hostC 192.0.2.3 vm5 vm6
capture wire wire "$LAB/wire.pcap" "proto 97"
wire=$LAB_LAST
address vm1 vm2 vm3 vm4 vm5 vm6 vm7

# ---- who reaches whom ----

everybody() { # VERSION: each of alpha each of beta, and back
	local a b
	for a in vm1 vm3; do
		for b in vm2 vm4 vm5; do
			reaches "$a" "$("v$1" "$b")" || { echo "$a does not reach $b"; return 1; }
			reaches "$b" "$("v$1" "$a")" || { echo "$b does not reach $a"; return 1; }
		done
	done
}
check "all of alpha and beta meet in IPv4" everybody 4
check "and in IPv6" everybody 6
ttl() { # GUEST ADDRESS
	on "$1" ping -n -c 1 -W 5 "$2" | sed -n 's/.*ttl=\([0-9]*\).*/\1/p'
}
check "it is one hop to another host" equal "$(ttl vm1 "$(v4 vm5)")" 63
check "traceroute shows the own gateway" equal "$(hop vm1 "$(v6 vm5)" 1)" "$(gw6 alpha)"
check "guests see its virtual MAC on every host" knows vm3 "$(gw4 alpha)" "$(gw_mac alpha)"
check "gamma is closed" unreachable vm1 "$(v4 vm6)"
check "in both directions" unreachable vm6 "$(v6 vm1)"
check "but to itself" reaches vm6 "$(v4 vm7)"

background vm5 "$PYTHON" "$transfer" serve >"$LAB/serve"
wait_until 10 grep -q ready "$LAB/serve"
check "TCP and UDP cross" on vm1 "$PYTHON" "$transfer" check "$(v4 vm5)" "$(v6 vm5)"

verified() {
	local host
	for host in hostA hostB hostC; do ctl "$host" policy verify || return; done
}
check "policy verify: the pipeline agrees on all hosts" verified
pairs=$(ctl hostB -j policy verify)
check "packets were tried, from ports and as other hosts have routed them" json "any(e['tested'] and e['passes'] and e['to'] == 'vm3' and e['from'] == 'vm4' for e in d) and any(e['tested'] and e['passes'] and e['to'] == 'vm3' and e['from'] == '192.0.2.1' and e['from_segment'] == 'beta' for e in d) and any(e['tested'] and e['passes'] and e['from'] == 'vm4' and e['to'] == '192.0.2.1' and e['to_segment'] == 'alpha' for e in d)" <<<"$pairs"
check "those that rules do not let through do not pass" json "all(not e['passes'] for e in d if e['tested'] and e['to_segment'] == 'gamma' and e['from_segment'] != 'gamma')" <<<"$pairs"

# ---- a controlled flow ----

background vm7 "$PYTHON" "$transfer" serve >"$LAB/serve7"
wait_until 10 grep -q ready "$LAB/serve7"
echoes() { # GUEST ADDRESS
	on "$1" "$PYTHON" -c 'import socket, sys
with socket.create_connection((sys.argv[1], 5000), timeout=8) as s:
    s.sendall(b"x" * 100000)
    s.shutdown(socket.SHUT_WR)
    n = 0
    while data := s.recv(65536):
        n += len(data)
sys.exit(n != 100000)' "$2"
}
check "what a rule lets in crosses to another host" echoes vm1 "$(v4 vm7)"
check "in IPv6, too" echoes vm1 "$(v6 vm7)"
check_not "the other way it does not" echoes vm7 "$(v4 vm1)"
check "nor does anything else" unreachable vm1 "$(v4 vm7)"
for host in hostA hostB; do
	check "$host knows the connections" json \
		"sum(c['proto'] == 'tcp' and c['dst'] in ('$(v4 vm7)', '$(v6 vm7)') for c in d) >= 2" \
		<<<"$(ctl "$host" -j connection show)"
done

# ---- a host that routes what policy refuses is not believed ----

# hostC lets gamma and beta meet, hostB does not.
sed -i 's/^policy = (/policy = ( { from = "gamma"; to = "beta"; flow = "open"; indirect = true; },\n { from = "beta"; to = "gamma"; flow = "open"; indirect = true; },/' "$LAB/hostC.conf"
check "hostC opens gamma to beta" ctl hostC reload
check "where both are its own they meet" reaches vm6 "$(v4 vm5)"
before=$(encap_drops hostB beta policy_closed)
check "what it routes to hostB" unreachable vm6 "$(v4 vm4)"
check "is refused there" test "$(encap_drops hostB beta policy_closed)" -gt "$before"

# ---- guests move ----

# vm5 goes from hostC to hostA, and takes its address along.
check "vm5 leaves" ctl hostC port del vm5
check "and arrives" ctl hostA port add vm5 type tap segment beta ifname eth0 netns vm5 mac "$(mac vm5)"
address vm5
check "it is reached from hostB" reaches vm3 "$(v4 vm5)"
check "and from where it is now" reaches vm1 "$(v4 vm5)"
check "it has kept the MAC of its gateway" knows vm5 "$(gw4 beta)" "$(gw_mac beta)"

# ---- the wire ----

capture_end "$wire"
check "no virtual MAC was ever on the wire" equal \
	"$(fields "$LAB/wire.pcap" 'eth.addr[0:2] == 72:56 || arp.src.hw_mac[0:2] == 72:56' frame.number)" ''
routers() {
	fields "$LAB/wire.pcap" 'eth.src[0:2] == 72:54' eth.src | sed 's/.*,//' | sort -u | wc -l
}
check "each host has a router MAC" equal "$(routers)" 3
check "nobody asked for the gateway there" equal \
	"$(fields "$LAB/wire.pcap" "arp.dst.proto_ipv4 == $(gw4 alpha) || icmpv6.nd.ns.target_address == $(gw6 alpha)" frame.number)" ''
probes() {
	fields "$LAB/wire.pcap" 'eth.src[0:2] == 72:54 && arp.opcode == 1' arp.src.proto_ipv4 | sort -u
}
check "questions from routers tell no address" equal "$(probes)" 0.0.0.0
lab_end
