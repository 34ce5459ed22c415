#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# EtherIP received past the kernel's network stack: what a ring takes and what it leaves,
# packets that are wrong, fragments, and what opens and closes it.
#
#	hostA--vm1 (alpha: group), vm3 (six)
#	  |
#	 wire---probe, which sends packets by hand in host B's name
#	  |
#	hostB--vm2 (alpha), vm4 (six)

# shellcheck disable=SC2016 # what eval is given stands in single quotes
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=SCRIPTDIR/relays.sh
. "$(dirname "$0")/relays.sh"
lab_begin "$@"
lab_expect 'guests. frames now fit' 'uplink lan: (down|up)' 'segment (alpha|six): sending' 'cannot (send|join)'

lab_host hostA 192.0.2.1/24 2001:db8::1/64
lab_host hostB 192.0.2.2/24 2001:db8::2/64
lab_host probe 192.0.2.99/24 2001:db8::99/64
lab_guest vm1 vm2 vm3 vm4
lab_wire hostA hostB probe
# A bridge may look at IP headers, too.
for call in iptables ip6tables; do
	on wire sh -c "echo 0 >/proc/sys/net/bridge/bridge-nf-call-$call" 2>/dev/null || :
done
config() { # HOST GUEST-OF-ALPHA GUEST-OF-SIX [KEYS-OF-UPLINK]
	{
		list uplinks "{ name = \"lan\"; interface = \"eth0\"; ${4:-} }"
		list segments "$(segment alpha 1 "$(etherip 239.192.0.1)")" "$(segment six 3 "$(etherip ff18::5456:3)")"
		list ports "$(tap "$2" alpha)" "$(tap "$3" six)"
	} | lab_config "$1"
}
config hostA vm1 vm3
config hostB vm2 vm4
lab_start hostA
lab_start hostB
address vm1 vm2 vm3 vm4

ring() { # HOST IP KEY
	ctl "$1" -j uplink show | json "int(next((r['$3'] for r in d[0]['ring'] if r['ip'] == $2), 0))"
}
open() { # HOST
	[ "$(ring "$1" 4 open)$(ring "$1" 6 open)" = 11 ]
}
shut() { # HOST
	[ "$(ring "$1" 4 open)$(ring "$1" 6 open)" = 00 ]
}
filters() { # HOST: at the ingress of its uplink
	on "$1" tc filter show dev eth0 ingress 2>/dev/null | grep -c bytecode
}
qdiscs() {
	on "$1" tc qdisc show dev eth0 clsact | wc -l
}
wait_until 3 open hostA || lab_skip "no receive ring here: $(grep -o 'no packet ring.*' "$LAB/hostA.log")"

delivered() { # SEGMENT: so many packets of the probe's
	encap_drops hostA "$1" bad_source
}
send() { # DESTINATION [MORE]: to alpha, or six
	local from=192.0.2.2 id=1
	case $1 in *:*) from=2001:db8::2 id=3 ;; esac
	on probe "$PYTHON" "$LAB_TOP/test/net/outer.py" eth0 "$(lab_mac hostA)" "$from" "$1" "$id" "${@:2}"
}
arrives() { # SEGMENT COUNT ARGUMENTS-OF-SEND...
	local before
	before=$(delivered "$1")
	send "${@:3}"
	wait_until 5 eval '[ "$(delivered '"$1"')" = $(('"$before + $2"')) ]'
}
# What must not arrive, and behind it what does.
is_lost() { # SEGMENT ARGUMENTS-OF-SEND...
	local before good=192.0.2.1
	[ "$1" = alpha ] || good=2001:db8::1
	before=$(delivered "$1")
	send "${@:2}"
	send "$good"
	wait_until 5 eval '[ "$(delivered '"$1"')" -gt '"$before"' ]' && equal "$(($(delivered "$1") - before))" 1
}
by_ring() { # IP COMMAND...: whether the ring takes something meanwhile
	local before
	before=$(ring hostA "$1" packets)
	"${@:2}" && [ "$(ring hostA "$1" packets)" -gt "$before" ]
}
by_socket() { # IP COMMAND...: 50 packets; guests may say something meanwhile
	local before
	before=$(ring hostA "$1" packets)
	"${@:2}" && [ $(($(ring hostA "$1" packets) - before)) -lt 50 ]
}

# ---- what it takes ----

check "both hosts have rings of both versions" wait_until 5 open hostB
check "and a filter for each that keeps the stack out of it" equal "$(filters hostA)" 2
check "guests reach each other" reaches vm1 "$(v4 vm2)"
check "over IPv6, too" reaches vm3 "$(v4 vm4)"
check "through the ring" by_ring 4 reaches vm2 "$(v4 vm1)"
check "of IPv6, too" by_ring 6 reaches vm4 "$(v4 vm3)"
check "a packet to the address" by_ring 4 arrives alpha 1 192.0.2.1
check "to the group" by_ring 4 arrives alpha 1 239.192.0.1
check "behind which there is padding" arrives alpha 1 192.0.2.1 pad=20
check "with a priority, but of no VLAN" by_ring 4 arrives alpha 1 192.0.2.1 vlan=0
check "as long as the MTU" by_ring 4 arrives alpha 1 192.0.2.1 size=1478
check "IPv6, to the address" by_ring 6 arrives six 1 2001:db8::1
check "and to the group" by_ring 6 arrives six 1 ff18::5456:3
check "500 at once, each once" arrives alpha 500 192.0.2.1 count=500
capture hostA eth0 "$LAB/a.pcap" ip proto 97
at_a=$LAB_LAST
check "with a capture on the interface it goes on" by_ring 4 reaches vm2 "$(v4 vm1)"
seen() {
	[ "$(fields "$LAB/a.pcap" 'ip.src == 192.0.2.2 && ip.dst == 192.0.2.1 && icmp' ip.src | wc -l)" -gt 0 ]
}
check "which sees what comes" wait_until 5 seen
capture_end "$at_a"

# ---- what it leaves ----

check "IP options are for the socket" by_socket 4 arrives alpha 50 192.0.2.1 options=8 count=50
check "so is what is fragmented" arrives alpha 1 192.0.2.1 size=2000 cut=1000
check "and of IPv6" arrives six 1 2001:db8::1 size=2000 cut=1000
check "the ring has seen the parts" eval '[ "$(ring hostA 4 fragments)" -ge 2 ] && [ "$(ring hostA 6 fragments)" -ge 2 ]'
on vm1 ip link set eth0 mtu 1500
on vm2 ip link set eth0 mtu 1500
check "pings as long as the wire is wide" wait_until 10 on vm1 ping -q -c 2 -W 2 -s 1472 "$(v4 vm2)"
check "and the ring is open still" open hostA

# ---- what is wrong ----

bad=$(all_drops hostA bad_header)
check "a wrong checksum" is_lost alpha 192.0.2.1 sum=1
check "is counted" equal "$(all_drops hostA bad_header)" "$((bad + 1))"
check "a length beyond the packet" is_lost alpha 192.0.2.1 total=40
check "IPv6: the same" is_lost six 2001:db8::1 total=40
check "a length within the header" is_lost alpha 192.0.2.1 total=-70
check "another protocol" is_lost alpha 192.0.2.1 protocol=47
check "another host's address" is_lost alpha 192.0.2.77
check "another group" is_lost alpha 239.192.0.9
check "IPv6: another host's" is_lost six 2001:db8::77
check "a VLAN" is_lost alpha 192.0.2.1 vlan=5
# shellcheck disable=SC2034
foreign=$(encap_drops hostA alpha foreign_source)
on probe "$PYTHON" "$LAB_TOP/test/net/outer.py" eth0 "$(lab_mac hostA)" 203.0.113.9 192.0.2.1 1
check "a source that is nobody's is counted" wait_until 5 eval '[ "$(encap_drops hostA alpha foreign_source)" = $((foreign + 1)) ]'
# shellcheck disable=SC2034
unknown=$(all_drops hostA unknown_id)
on probe "$PYTHON" "$LAB_TOP/test/net/outer.py" eth0 "$(lab_mac hostA)" 192.0.2.2 192.0.2.1 9
check "so is an unknown identifier" wait_until 5 eval '[ "$(all_drops hostA unknown_id)" = $((unknown + 1)) ]'
on hostA ip link set eth0 promisc on
strange() {
	local before
	before=$(delivered alpha)
	on probe "$PYTHON" "$LAB_TOP/test/net/outer.py" eth0 02:00:00:00:00:78 192.0.2.2 192.0.2.1 1
	arrives alpha 1 192.0.2.1 && equal "$(($(delivered alpha) - before))" 1
}
check "to another Ethernet address, while the interface hears all" strange
on hostA ip link set eth0 promisc off

# ---- overrun ----

kill -STOP "${LAB_PID[hostA]}"
send 192.0.2.1 count=3000
kill -CONT "${LAB_PID[hostA]}"
check "more than it holds, at once: counted" wait_until 10 eval '[ "$(ring hostA 4 overruns)" -gt 100 ]'
check "and guests go on" reaches vm2 "$(v4 vm1)"
check "through the ring" by_ring 4 arrives alpha 1 192.0.2.1

# ---- what opens and closes it ----

on hostA ip link set eth0 down
check "the interface goes down: no ring" wait_until 5 shut hostA
check "and no filter" equal "$(filters hostA)$(qdiscs hostA)" 00
lab_raise hostA
check "and up again" wait_until 10 open hostA
check "guests go on" wait_until 10 reaches vm1 "$(v4 vm2)"
# The second address becomes the first.
on hostA ip addr add 192.0.2.51/24 dev eth0
on hostA sh -c 'echo 1 >/proc/sys/net/ipv4/conf/eth0/promote_secondaries'
on hostA ip addr del 192.0.2.1/24 dev eth0
check "another address" wait_until 10 by_ring 4 arrives alpha 1 192.0.2.51
on hostA ip addr del 192.0.2.51/24 dev eth0
on hostA ip addr add 192.0.2.1/24 dev eth0
check "and the former again" wait_until 10 by_ring 4 arrives alpha 1 192.0.2.1

on hostA ip xfrm policy add src 203.0.113.1/32 dst 192.0.2.1/32 dir in tmpl proto esp mode transport 2>"$LAB/why" && {
	check "with an IPsec policy for what arrives there is no ring" wait_until 5 shut hostA
	check "packets come without" wait_until 5 by_socket 4 arrives alpha 50 192.0.2.1 count=50
	on hostA ip xfrm policy deleteall
	check "and without a policy there is" wait_until 10 open hostA
}

config hostA vm1 vm3 'fast = "off";'
check "fast = off is a reload" ctl hostA reload
check "after which there is no ring, and no filter" eval 'shut hostA && [ "$(filters hostA)$(qdiscs hostA)" = 00 ]'
check "packets come through the socket" arrives alpha 1 192.0.2.1
config hostA vm1 vm3
check "and the other way round" ctl hostA reload
check "it is there again" wait_until 10 by_ring 4 arrives alpha 1 192.0.2.1

on hostA tc qdisc del dev eth0 clsact
check "who removes its filters loses nothing" by_ring 4 arrives alpha 1 192.0.2.1
check "and has them again in a while" wait_until 20 eval '[ "$(filters hostA)" = 2 ]'

# Somebody else's filter stays.
on hostA tc filter add dev eth0 ingress protocol ip pref 5 bpf da bytecode '1,6 0 0 4294967295'
lab_stop hostA
check "at the end its filters go, and no others" equal "$(filters hostA)$(qdiscs hostA)" 11
on hostA tc qdisc del dev eth0 clsact
lab_start hostA
address vm1 vm3
check "another start" wait_until 10 by_ring 4 arrives alpha 1 192.0.2.1

relay_kill hostA
check "a kill leaves filters behind" equal "$(filters hostA)" 2
lab_start hostA
address vm1 vm3
check "which the next start goes on with" wait_until 10 by_ring 4 arrives alpha 1 192.0.2.1
check "instead of adding more" equal "$(filters hostA)" 2
relay_kill hostA
config hostA vm1 vm3 'fast = "off";'
lab_start hostA
address vm1 vm3
check "or lifts, if it needs none" equal "$(filters hostA)$(qdiscs hostA)" 00
check "so that the socket hears" arrives alpha 1 192.0.2.1
config hostA vm1 vm3
ctl hostA reload
check "rings again" wait_until 10 open hostA

# Nobody hears of the first, since it is short when it is whole.
is_lost alpha 192.0.2.1 size=1000 cut=504 || :
check "fragments of a short packet: the socket takes all" wait_until 5 eval '[ "$(ring hostA 4 open)" = 0 ]'
check "it is a fallback" eval '[ "$(ring hostA 4 fallbacks)" -ge 1 ]'
check "the next arrives" arrives alpha 1 192.0.2.1 size=1000 cut=504
check "and so do others" by_socket 4 arrives alpha 50 192.0.2.1 count=50
check "in metrics, too" grep -Eq '^tvdswitch_ring_fallbacks_total[{]uplink="lan",ip="4"[}] [1-9]' <<<"$(ctl hostA metrics)"
lab_end
