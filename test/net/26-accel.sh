#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# The accelerator of an uplink (fast = "bpf"): who reaches whom, and how; what is on the
# wire; what somebody on the wire could try; and what makes it fall back and come again.
#
#	hostA--vm1
#	  |
#	 wire (a bridge)---hostC--vm3 (without an accelerator at first)
#	  |
#	hostB--vm2

# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=SCRIPTDIR/takeovers.sh
. "$(dirname "$0")/takeovers.sh"
lab_begin "$@"
for program in ethtool tc nstat tshark dumpcap; do
	command -v "$program" >/dev/null || lab_skip "there is no $program"
done

lab_host hostA 192.0.2.1/24
lab_host hostB 192.0.2.2/24
lab_host hostC 192.0.2.3/24
lab_guest vm1 vm2 vm3
lab_wire hostA hostB hostC
for host in hostA hostB hostC; do
	on "$host" ethtool -K eth0 tx off gro on >"$LAB/ethtool" 2>&1 || :
done
config() { # HOST GUEST FAST
	{
		list uplinks "{ name = \"lan\"; interface = \"eth0\"; fast = \"$3\"; }"
		list segments "$(segment alpha 1 "$(etherip 239.192.0.1)")"
		list ports "$(tap "$2" alpha 'mtu = 1400; ')"
	} | lab_config "$1"
}
config hostA vm1 bpf
config hostB vm2 bpf
config hostC vm3 auto
for host in hostA hostB hostC; do
	lab_start "$host"
done
address vm1 vm2 vm3

accelerator() { # HOST EXPRESSION, of a
	ctl "$1" -j uplink show | json "(lambda a: $2)(d[0]['accelerator'])"
}
works() { # HOST
	accelerator "$1" "a['sends'] and a['receives']"
}
why() { # HOST
	accelerator "$1" "a['why']"
}
because() { # HOST PATTERN
	why "$1" | finds -e "$2"
}
accelerated() { # HOST WAY
	ctl "$1" -j encap show | json "sum(e['accelerated']['$2'] for e in d if e['segment'])"
}
stripped() { # HOST
	accelerator "$1" "a['stripped']"
}
if ! works hostA; then
	case $(why hostA) in
	*CAP_BPF* | *"knows no XDP"* | *"not implemented"*) lab_skip "no accelerator here: $(why hostA)" ;;
	esac
fi
check "the accelerator works at once" works hostA
check "on both hosts" works hostB

# ---- who reaches whom, and how ----

transfer=$LAB_TOP/test/net/transfer.py
serve() { # GUEST
	background "$1" "$PYTHON" "$transfer" serve >"$LAB/$1.serve"
	wait_until 10 grep -q ready "$LAB/$1.serve" || lab_die "no server in $1"
}
serve vm2
serve vm3
capture wire to-hostA "$LAB/wire.pcap" not arp and not icmp6
wire=$LAB_LAST
check "ping" reaches vm1 "$(v4 vm2)"
data() { # FROM TO
	on "$1" "$PYTHON" "$transfer" check "$(v4 "$2")" "$(v6 "$2")"
}
check "TCP and UDP over IPv4 and IPv6, with an accelerator there too" data vm1 vm2
check "and without" data vm1 vm3
capture_end "$wire"
check "much was sent by it" [ "$(accelerated hostA tx)" -gt 500 ]
check "and received" [ "$(accelerated hostB rx)" -gt 250 ]
check "all that was taken from the wire has arrived" equal "$(accelerated hostA rx)" "$(stripped hostA)"
merged() {
	ctl hostB -j encap show | json "d[0]['stats']['rx_merged']"
}
check "the kernel merges" [ "$(merged)" -gt 100 ]
for host in hostA hostB hostC; do
	check "$host has dropped nothing" equal "$(ctl "$host" -j encap show | json "[dict(e['stats']['rx_drops'], **e['stats']['tx_drops']) for e in d if e['segment']]")" "[{}]"
done

# ---- the bytes ----

ours='ip.src == 192.0.2.1 && ip.proto == 97'
check "nothing of a guest is on the wire without outer headers" equal \
	"$(fields "$LAB/wire.pcap" "!etherip && eth.src[0:4] == 52:54:00:00" frame.number | wc -l)" 0
check "outer addresses are the hosts'" equal \
	"$(fields "$LAB/wire.pcap" "$ours && ip.dst == 192.0.2.2" eth.src eth.dst | sed 's/,[^\t]*//g' | sort -u | xargs)" \
	"$(lab_mac hostA) $(lab_mac hostB)"
check "no packet is longer than the wire's MTU" equal "$(fields "$LAB/wire.pcap" 'frame.len > 1514' frame.number | wc -l)" 0
check "outer packets are as long as they say" equal \
	"$(fields "$LAB/wire.pcap" "$ours" ip.len frame.len | awk -F '[,\t]' '$1 + 14 != $NF' | wc -l)" 0
check "all checksums are right, outside and inside" equal "$(tshark -n -r "$LAB/wire.pcap" \
	-o ip.check_checksum:TRUE -o tcp.check_checksum:TRUE -o udp.check_checksum:TRUE \
	-Y 'ip.checksum.status == 0 || tcp.checksum.status == 0 || udp.checksum.status == 0' 2>/dev/null | wc -l)" 0

# ---- what somebody on the wire tries ----

crafted=$LAB_TOP/test/net/accel.py
attack() { # WHAT...
	on wire "$PYTHON" "$crafted" send to-hostB "$(lab_mac hostB)" "$(mac vm2)" "$@"
}
counted() { # COUNTER of the guest's kernel
	on vm2 nstat -asz "$1" | awk -v name="$1" '$1 == name { print $2 }'
}
more() { # COUNTER BEFORE DIFFERENCE
	[ "$(counted "$1")" -ge $(($2 + $3)) ]
}
before=$(stripped hostB) rst=$(counted TcpOutRsts)
attack good
check "what is right arrives, and is answered" wait_until 5 more TcpOutRsts "$rst" 1
check "and were stripped" equal "$(stripped hostB)" $((before + 3))
wrong=$(counted TcpInCsumErrors) rst=$(counted TcpOutRsts)
attack corrupt
check "a segment that was damaged is found by the guest" wait_until 5 more TcpInCsumErrors "$wrong" 1
check "alone" equal "$(counted TcpInCsumErrors)" $((wrong + 1))
check "the others are answered" wait_until 5 more TcpOutRsts "$rst" 1
segs=$(counted TcpInSegs) pings=$(counted IcmpInEchos) before=$(stripped hostB)
attack plain
check "what has no outer headers" attack good
wait_until 5 more TcpInSegs "$segs" 1 || :
sleep 0.2
check "does not arrive" equal "$(stripped hostB) $(counted IcmpInEchos)" "$((before + 3)) $pings"
check "not even in part" [ "$(counted TcpInSegs)" -le $((segs + 3)) ]
before=$(stripped hostB)
declare -A drops
for reason in foreign_source unknown_id bad_version; do
	drops[$reason]=$(all_drops hostB "$reason")
done
dropped() { # REASON BEFORE
	[ "$(all_drops hostB "$1")" -gt "$2" ]
}
check "what is not to be taken is not" attack foreign unknown version \
	elsewhere tagged options fragments padded cut badsum udp inner-tag short
for reason in "${!drops[@]}"; do
	check "but counted where it comes: $reason" wait_until 5 dropped "$reason" "${drops[$reason]}"
done
check "none of it was taken" equal "$(stripped hostB)" "$before"
kill -STOP "${LAB_PID[hostB]}"
attack flood
kill -CONT "${LAB_PID[hostB]}"
check "what finds no room while the switch does not read" wait_until 5 accelerator hostB "a['overruns'] > 0"
check "is counted among what was lost" equal \
	"$(ctl hostB -j status | json "d['stray_drops']['overrun']")" "$(accelerator hostB "a['overruns']")"
check "and in the sum of all uplinks" equal "$(ctl hostB -j status | json "d['traffic']['overruns']")" "$(accelerator hostB "a['overruns']")"
check "and in metrics" equal "$(ctl hostB metrics | awk '/^tvdswitch_uplink_accelerator_overruns_total/ { print $2 }')" \
	"$(accelerator hostB "a['overruns']")"
check "and guests reach each other" data vm1 vm2

# ---- what it does not do, and when ----

capture hostB eth0 "$LAB/b.pcap" ip proto 97
tap=$LAB_LAST
check "while somebody captures it waits" wait_until 5 because hostB 'somebody captures'
check "and what is captured is what is on the wire" data vm1 vm2
capture_end "$tap"
check "in both directions" [ "$(fields "$LAB/b.pcap" 'etherip && tcp && ip.dst == 192.0.2.2' frame.number | wc -l)" -gt 50 ]
check "then it goes on" wait_until 5 works hostB
on hostB ip xfrm policy add src 203.0.113.1/32 dst 192.0.2.2/32 dir in tmpl proto esp mode transport 2>"$LAB/why" && {
	check "with an IPsec policy it waits" wait_until 5 because hostB IPsec
	check "guests reach each other then, too" data vm1 vm2
	on hostB ip xfrm policy deleteall
	check "and goes on without" wait_until 5 works hostB
}
on hostB ethtool -K eth0 tx on >/dev/null 2>&1
check "with checksums of hardware it only receives" wait_until 5 accelerator hostB "a['receives'] and not a['sends']"
check "and says what to do" because hostB 'ethtool -K eth0 tx off'
check "guests reach each other even so" data vm1 vm2
on hostB ethtool -K eth0 tx off gro off >/dev/null 2>&1
check "without merging it only sends" wait_until 5 accelerator hostB "a['sends'] and not a['receives']"
on hostB ethtool -K eth0 gro on >/dev/null 2>&1
check "with both set as it wants, both" wait_until 5 works hostB
on hostB ip link set eth0 down
on hostB ip link set eth0 up
check "after the interface was down" wait_until 10 data vm1 vm2
lab_expect "guests. frames now fit"
on hostB ip link set eth0 mtu 1450
check "a smaller MTU" data vm1 vm2
on hostB ip link set eth0 mtu 1500
on hostB ip link set eth0 address 02:00:00:00:77:02
on hostB ping -q -c 1 -W 1 192.0.2.1 >/dev/null 2>&1 || :
check "another Ethernet address of the host" wait_until 10 data vm1 vm2

# ---- others, and what is left ----

traces() { # HOST: what is there of it
	local host=$1
	on "$host" ip -d link show eth0 | grep -o 'prog/xdp' || :
	on "$host" ip -o link | grep -o 'tvdfast[0-9]*' || :
	# The qdisc is a ring's, too: see 26-ring.
	on "$host" tc filter show dev eth0 ingress 2>/dev/null | grep -o 'tvdswitch:74766461' || :
}
count_traces() {
	traces "$1" | sort | uniq -c | xargs
}
check "a program, a TAP, and a filter" equal "$(count_traces hostB)" "1 prog/xdp 1 tvdfast0 1 tvdswitch:74766461"
on hostB tc qdisc del dev eth0 clsact
check "who removes its filter makes it come again" wait_until 10 because hostB removed
check "as it was" wait_until 10 works hostB
check "and all works" data vm1 vm2
helper() {
	on hostB ip -o link | grep -o 'tvdfast[0-9]*'
}
meddle() { # WHY TEXT COMMAND...
	on hostB "${@:3}"
	check "who $2 makes it come again, too" wait_until 10 because hostB "$1"
	check "as it was" wait_until 10 works hostB
	check "and all works" data vm1 vm2
}
meddle TAP "sets the helper TAP down" ip link set "$(helper)" down
meddle TAP "deletes it" ip link del "$(helper)"
meddle TAP "moves it away" ip link set "$(helper)" netns hostC
meddle removed "removes the filter there" tc qdisc del dev "$(helper)" clsact
meddle detached "detaches the XDP program" "$PYTHON" "$crafted" detach \
	"$(on hostB ip -d link show eth0 | sed -n 's/.*prog\/xdp id \([0-9]*\).*/\1/p')"
check "and nothing is there twice" equal "$(count_traces hostB | sed 's/tvdfast[0-9]/tvdfast/')" \
	"1 prog/xdp 1 tvdfast 1 tvdswitch:74766461"
sed -i 's/fast = "bpf"/fast = "auto"/' "$LAB/hostB.conf"
check "another way is a reload" ctl hostB reload
check "and leaves nothing" equal "$(count_traces hostB)" ""
check "guests reach each other" data vm1 vm2
sed -i 's/fast = "auto"/fast = "bpf"/' "$LAB/hostB.conf"
check "and back" ctl hostB reload
check "it works again" wait_until 5 works hostB

takes_over hostB "a successor takes over"
check "and has it in a moment" wait_until 10 works hostB
check "once" equal "$(count_traces hostB | sed 's/tvdfast[0-9]/tvdfast/')" "1 prog/xdp 1 tvdfast 1 tvdswitch:74766461"

# Killed, it leaves a filter alone, and the next start finds it, whatever that wants.
killed() { # HOST
	kill -KILL "${LAB_PID[$1]}"
	wait "${LAB_PID[$1]}" 2>/dev/null || :
	unset "LAB_PID[$1]"
}
killed hostB
wait_until 5 equal "$(count_traces hostB)" "1 tvdswitch:74766461" >/dev/null || :
check "after SIGKILL only the filter is left" equal "$(count_traces hostB)" "1 tvdswitch:74766461"
sed -i 's/fast = "bpf"/fast = "auto"/' "$LAB/hostB.conf"
lab_start hostB
check "which the next start removes" equal "$(count_traces hostB)" ""
lab_stop hostB
sed -i 's/fast = "auto"/fast = "bpf"/' "$LAB/hostB.conf"
lab_start hostB
killed hostB
lab_start hostB
address vm2
check "or has again" works hostB
check "once" equal "$(count_traces hostB)" "1 prog/xdp 1 tvdfast0 1 tvdswitch:74766461"
lab_stop hostB
check "whose end takes along what the one that was killed had brought" \
	equal "$(on hostB tc qdisc show dev eth0 | grep -c clsact)" 0
lab_start hostB
address vm2
check "and it works again" works hostB
# Somebody else's filter stays, and so the qdisc.
on hostB tc filter add dev eth0 egress protocol all prio 7 matchall action pass 2>"$LAB/why" ||
	on hostB tc filter add dev eth0 egress protocol ip prio 7 bpf bytecode '1,6 0 0 4294967295,' 2>"$LAB/why" || :
others=$(on hostB tc filter show dev eth0 egress | wc -l)
lab_stop hostB
check "at its end all goes, but what others have there" equal \
	"$(count_traces hostB)$(on hostB tc qdisc show dev eth0 | grep -o clsact) $(on hostB tc filter show dev eth0 egress 2>/dev/null | wc -l)" \
	"$([ "$others" = 0 ] || echo clsact) $others"

# Another user of XDP, then another switchd, was first.
background hostC "$PYTHON" "$crafted" xdp eth0 >"$LAB/xdp"
other=$LAB_LAST
wait_until 10 grep -q attached "$LAB/xdp" || lab_die "no XDP program of our own"
sed -i 's/fast = "auto"/fast = "bpf"/' "$LAB/hostC.conf"
check "a reload, with an XDP program of somebody else" ctl hostC reload
check "is said to need a new start" because hostC 'CAP_BPF is missing'
lab_stop hostC
lab_start hostC
address vm3
check "the program of somebody else stays" because hostC 'another XDP program'
check "and guests reach each other" data vm1 vm3
check "a fallback is counted" [ "$(ctl hostC metrics | awk '/^tvdswitch_uplink_accelerator_fallbacks_total/ { print $2 }')" -gt 0 ]
finish "$other"
check "when it has gone, the accelerator comes" wait_until 20 works hostC
check "and works" data vm1 vm3
lab_end
