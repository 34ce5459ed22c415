#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# A gateway between the segments of one host: what it routes, what it says about what it
# does not, and what guests cannot make it do.
#
#	hostA   [ alpha ]--vm1 vm2   [ beta ]--vm3 vm5 (MTU 1300)   [ gamma ]--vm4
#		    \_____________ gw _____/____________________________/
#			  open both ways          closed

# shellcheck source=SCRIPTDIR/gateway.sh
. "$(dirname "$0")/gateway.sh"
lab_begin "$@"
transfer=$LAB_TOP/test/net/transfer.py

IN=([vm1]=alpha [vm2]=alpha [vm3]=beta [vm4]=gamma [vm5]=beta)
lab_host hostA
lab_guest vm1 vm2 vm3 vm4 vm5
{
	list segments "$(segment alpha 1)" "$(segment beta 2)" "$(segment gamma 3)"
	list ports "$(tap vm1 alpha)" "$(tap vm2 alpha)" "$(tap vm3 beta)" "$(tap vm4 gamma)" \
		"$(tap vm5 beta 'mtu = 1300; ')"
	list policy "$(flow alpha beta)" "$(flow beta alpha)"
	list junctions "$(junction '' alpha beta gamma)"
} | lab_config hostA
lab_start hostA
address vm1 vm2 vm3 vm4 vm5

# ---- what it routes ----

check "IPv4 crosses" reaches vm1 "$(v4 vm3)"
check "IPv6 crosses" reaches vm1 "$(v6 vm3)"
check "and back" reaches vm3 "$(v4 vm2)"
check "guests see the gateway at its virtual MAC" knows vm1 "$(gw4 alpha)" "$(gw_mac alpha)"
check "in each segment another one" knows vm3 "$(gw6 beta)" "$(gw_mac beta)"
check_not "and do not see each other" on vm1 sh -c "ip neigh show | grep -q $(mac vm3)"
ttl() { # GUEST ADDRESS
	on "$1" ping -n -c 1 -W 2 "$2" | sed -n 's/.*ttl=\([0-9]*\).*/\1/p'
}
check "it is one hop in IPv4" equal "$(ttl vm1 "$(v4 vm3)")" 63
check "and in IPv6" equal "$(ttl vm1 "$(v6 vm3)")" 63
check "traceroute shows it" equal "$(hop vm1 "$(v4 vm3)" 1)" "$(gw4 alpha)"
check "in IPv6, too" equal "$(hop vm3 "$(v6 vm1)" 1)" "$(gw6 beta)"
check "it answers echo requests" reaches vm1 "$(gw4 alpha)"
check "of IPv6" reaches vm1 "$(gw6 alpha)"
check "also to its other addresses" reaches vm1 "$(gw4 beta)"

background vm3 "$PYTHON" "$transfer" serve >"$LAB/serve3"
background vm5 "$PYTHON" "$transfer" serve >"$LAB/serve5"
wait_until 10 grep -q ready "$LAB/serve3"
wait_until 10 grep -q ready "$LAB/serve5"
check "TCP and UDP cross" on vm1 "$PYTHON" "$transfer" check "$(v4 vm3)" "$(v6 vm3)"
whole() { # PORT
	ctl hostA -j port show "$1" | json "d[0]['stats']['tx_segments'] > d[0]['stats']['tx_frames'] + 20"
}
check "in superframes" whole vm3

# ---- what it says ----

says() { # PATTERN GUEST PING-ARGS...
	local pattern=$1 guest=$2 out
	shift 2
	out=$(on "$guest" ping -n -c 1 -W 9 -w 9 "$@" 2>&1) || :
	grep -E "$pattern" <<<"$out" || { echo "$out"; return 1; }
}
check "what is too big is told so" says "From $(gw4 alpha) .*mtu = 1300" vm1 -M "do" -s 1400 "$(v4 vm5)"
check "in IPv6, too" says "From $(gw6 alpha) .*mtu=1300" vm1 -M "do" -s 1400 "$(v6 vm5)"
check "with that TCP finds its way" on vm1 "$PYTHON" "$transfer" check "$(v4 vm5)"
capture vm5 eth0 "$LAB/pieces.pcap" "icmp or ip[6:2] & 0x3fff != 0"
check "IPv4 that may be fragmented is" on vm1 ping -q -n -c 1 -w 5 -M dont -s 3000 "$(v4 vm5)"
capture_end "$LAB_LAST"
longest() {
	fields "$LAB/pieces.pcap" "ip.dst == $(v4 vm5)" ip.len | sort -n | tail -n 1
}
check "to what its receiver takes" test "$(longest)" -le 1300
nobody() { # that takes three questions, of either version at once
	says "From $(gw6 alpha) .*Address unreachable" vm1 fd00:2::99 >"$LAB/nobody6" &
	says "From $(gw4 alpha) .*Host Unreachable" vm1 10.2.0.99 && wait "$!"
}
check "nobody has the address" nobody
check "no subnet has the address" says "From $(gw4 alpha) .*Net Unreachable" vm1 192.0.2.1
check "nor this one of IPv6" says "From $(gw6 alpha) .*No route" vm1 2001:db8::1
check "a closed domain" says "From $(gw4 alpha) .*Packet filtered" vm1 "$(v4 vm4)"
check "in either direction, in IPv6" says "From $(gw6 gamma) .*prohibited" vm4 "$(v6 vm1)"
for reason in ttl no_neighbour policy_closed oversize; do
	check "drops are counted: $reason" test "$(port_drops hostA vm1 "$reason")" -gt 0
done

# ---- what is counted, and forgotten ----

metric() { # NAME SEGMENT
	ctl hostA metrics | awk -v name="tvdswitch_$1{segment=\"$2\"" 'index($0, name) == 1 { n += $NF } END { printf "%d\n", n }'
}
for name in routed_frames_total routed_bytes_total neighbours answered_total echoed_total icmp_errors_total; do
	check "metrics count it: gateway_$name" test "$(metric "gateway_$name" alpha)" -gt 0
done
check "and who did not answer" test "$(metric gateway_neighbours_failed_total beta)" -ge 2
neighbours() { # EXPRESSION
	ctl hostA -j neighbour show | json "$1"
}
check "it knows its neighbours" neighbours "{'$(v4 vm3)', '$(v6 vm3)'} <= {n['address'] for n in d if n['segment'] == 'beta'}"
check "one can be forgotten" json "d['flushed'] == 1" <<<"$(ctl hostA -j neighbour flush segment beta address "$(v4 vm3)")"
check "not in another segment" json "d['flushed'] == 0" <<<"$(ctl hostA -j neighbour flush segment alpha address "$(v6 vm3)")"
check "and is asked for anew" reaches vm1 "$(v4 vm3)"
check "all can" ctl hostA neighbour flush
check_not "an address is one" ctl hostA neighbour flush address nobody
check "which loses nobody" reaches vm1 "$(v6 vm3)"

# ---- what guests cannot do ----

scapy='import sys; from scapy.all import *; conf.verb = 0
for packet in sys.argv[1:]: sendp(eval(packet), iface="eth0")'
gateway="Ether(src='$(mac vm2)', dst='$(gw_mac alpha)')"
bad=(
	# another subnet's source, the gateway's own, and another one's inside the segment
	"$gateway/IP(src='$(v4 vm3)', dst='$(v4 vm3)')/ICMP()"
	"$gateway/IP(src='$(gw4 alpha)', dst='$(v4 vm3)')/ICMP()"
	"Ether(src='$(mac vm2)', dst='$(mac vm1)')/IPv6(src='$(v6 vm3)', dst='$(v6 vm1)')/ICMPv6EchoRequest()"
	# the gateway's MAC, and a router's
	"Ether(src='$(gw_mac alpha)', dst='$(mac vm1)')/IP(src='$(v4 vm2)', dst='$(v4 vm1)')/ICMP()"
	"Ether(src='72:54:00:00:00:01', dst='$(mac vm1)')/IP(src='$(v4 vm2)', dst='$(v4 vm1)')/ICMP()"
	# the gateway's address, by ARP and by neighbour discovery
	"Ether(src='$(mac vm2)', dst='ff:ff:ff:ff:ff:ff')/ARP(op=2, hwsrc='$(mac vm2)', psrc='$(gw4 alpha)', pdst='$(v4 vm1)')"
	"Ether(src='$(mac vm2)', dst='33:33:00:00:00:01')/IPv6(src='$(v6 vm2)', dst='ff02::1', hlim=255)/ICMPv6ND_NA(tgt='$(gw6 alpha)', R=1, O=1)/ICMPv6NDOptDstLLAddr(lladdr='$(mac vm2)')"
	# a source route, a subnet's broadcast
	"$gateway/IP(src='$(v4 vm2)', dst='$(v4 vm3)', options=[IPOption_LSRR(routers=['$(v4 vm4)'])])/ICMP()"
	"$gateway/IP(src='$(v4 vm2)', dst='10.2.0.255')/ICMP()"
	# what is no IP
	"$gateway/LLC()/('x' * 50)"
	# to a group, through the gateway and in the segment
	"$gateway/IP(src='$(v4 vm2)', dst='239.1.1.1', ttl=9)/UDP()/'x'"
	"Ether(src='$(mac vm2)', dst='01:00:5e:01:01:01')/IP(src='$(v4 vm2)', dst='239.1.1.1', ttl=9)/UDP()/'x'"
)
capture vm3 eth0 "$LAB/groups.pcap" "multicast and not arp and not icmp6"
on vm2 "$PYTHON" -c "$scapy" "${bad[@]}" >/dev/null 2>&1
dropped() { # REASON COUNT
	wait_until 5 test "$(port_drops hostA vm2 "$1")" -ge "$2"
}
check "sources that are not the port's are dropped" dropped guard_ip 4
check "nor are a subnet's broadcasts routed" dropped policy_closed 2
check "reserved MACs are" dropped guard_mac 2
check "who says to be the gateway is" dropped guard_arp 2
check "what is no IP is not routed" dropped not_ip 1
check "the gateway is still where it was" knows vm1 "$(gw4 alpha)" "$(gw_mac alpha)"

check "meanwhile others cross" reaches vm1 "$(v4 vm3)"
capture_end "$LAB_LAST"
check "groups do not" equal "$(fields "$LAB/groups.pcap" udp ip.dst)" ''

# ---- a trace, a reload ----

steps() { # PACKET EXPRESSION-OVER-THE-TRACE
	local hex
	hex=$("$PYTHON" -c 'import sys; from scapy.all import *; print(raw(eval(sys.argv[1])).hex())' "$1")
	ctl hostA -j trace port vm1 "$hex" | json "$2"
}
own="Ether(src='$(mac vm1)', dst='$(gw_mac alpha)')/IP(src='$(v4 vm1)', dst"
check "a trace tells the way" steps "$own='$(v4 vm3)')/ICMP()" \
	"d['verdict'] == 'forward' and d['to'] == [{'port': 'vm3'}] and any(s['stage'] == 'gateway' for s in d['steps'])"
check "and why not" steps "$own='$(v4 vm4)')/ICMP()" "d['reason'] == 'policy_closed'"

# ---- policy verify ----

state() { # what must not change
	ctl hostA -j neighbour show | json "sorted((n['address'], n['mac'] or '') for n in d)"
	ctl hostA -j policy show | json "[(e['from'], e['to'], e['frames'], e['refused']) for e in d]"
	ctl hostA -j junction show | json "[(r['segment'], r['frames']) for g in d[0]['counters'] for r in g['routes']]"
}
tried() { # EXPRESSION over entries e
	ctl hostA -j policy verify | json "sorted((e['from'], e['to']) for e in d if e.get('gateway') and ($1)).__str__()"
}
on vm3 ip neigh flush all
ctl hostA neighbour flush >/dev/null
before=$(state)
check "policy verify: the pipeline agrees" ctl hostA policy verify
check "it tries a packet between any two" equal "$(tried "not e['tested']")" '[]'
check "of which those of alpha and beta pass" equal "$(tried "e['passes'] != ('gamma' not in (e['from_segment'], e['to_segment']))")" '[]'
check "and nothing has changed by it" equal "$(state)" "$before"
check "neighbours are asked for again" reaches vm1 "$(v4 vm3)"
check "those of IPv6, too" reaches vm1 "$(v6 vm3)"

# shellcheck source=SCRIPTDIR/takeovers.sh
. "$(dirname "$0")/takeovers.sh"
takes_over hostA "a successor takes over"
check "it knows its neighbours" neighbours "{'$(v4 vm3)', '$(v6 vm3)'} <= {n['address'] for n in d if n['mac']}"
check "a reload changes nothing" ctl hostA reload
check "for those who know each other" reaches vm1 "$(v4 vm3)"
sed -i 's/from = "beta"; to = "alpha"; flow = "open"/from = "beta"; to = "alpha"; flow = "closed"/' "$LAB/hostA.conf"
lab_expect 'nothing lets answers back' 'their domains are closed to each other'
check "a reload closes a flow" ctl hostA reload
check "which it then is" says "Packet filtered" vm3 "$(v4 vm1)"
lab_end
