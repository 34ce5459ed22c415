#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Transparent junctions on three hosts that carry the segments of three domains: alpha
# and beta are open to each other, so are beta and gamma, alpha and gamma are closed.
#
#	hostA--vm1 (alpha), vm2 (beta)
#	  |
#	 wire---hostC--vm5 (gamma), vm6 (alpha)
#	  |
#	hostB--vm3 (alpha), vm4 (beta), vm7 (gamma)

# shellcheck disable=SC2016 # what eval is given stands in single quotes
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
lab_begin "$@"
count=$LAB_TOP/test/net/count.py

flow() { # FROM TO FLOW [MORE-KEYS]
	printf '{ from = "%s"; to = "%s"; flow = "%s"; %s}' "$1" "$2" "$3" "${4:-}"
}
meant=(
	"$(flow alpha gamma closed 'indirect = true; ')" "$(flow gamma alpha closed 'indirect = true; ')"
	"$(flow beta gamma open)" "$(flow gamma beta open)"
)
both=("$(flow alpha beta open)" "$(flow beta alpha open)" "${meant[@]}")
config() { # HOST NUMBER POLICY-ENTRY...
	local host=$1 entries=${PORTS[$1]} entry vms=()
	uplink "192.0.2.$2"
	shift 2
	list segments "$(segment alpha 1 "$(etherip 239.192.0.1)")" \
		"$(segment beta 2 "$(etherip 239.192.0.2)")" "$(segment gamma 3 "$(etherip 239.192.0.3)")"
	for entry in $entries; do
		vms+=("$(tap "${entry%:*}" "${entry#*:}")")
	done
	list ports "${vms[@]}"
	[ $# = 0 ] || list policy "$@"
}
declare -A PORTS=([hostA]='vm1:alpha vm2:beta' [hostB]='vm3:alpha vm4:beta vm7:gamma' [hostC]='vm5:gamma vm6:alpha')
guests=(vm1 vm2 vm3 vm4 vm5 vm6 vm7)
hosts=(hostA hostB hostC)
configure() { # POLICY-ENTRY...
	local n=0 host
	for host in "${hosts[@]}"; do
		n=$((n + 1))
		config "$host" "$n" "$@" | lab_config "$host"
	done
}
reload() {
	local host
	for host in "${hosts[@]}"; do ctl "$host" reload || return; done
}
# That state and pipeline say the same on all hosts.
verified() {
	local host
	for host in "${hosts[@]}"; do ctl "$host" policy verify || return; done
}
lab_host hostA 192.0.2.1/24
lab_host hostB 192.0.2.2/24
lab_host hostC 192.0.2.3/24
lab_guest "${guests[@]}"
lab_wire "${hosts[@]}"
configure "${both[@]}"
for host in "${hosts[@]}"; do lab_start "$host"; done
address "${guests[@]}"

# ---- what is refused ----

config hostA 1 "$(flow alpha beta open)" "$(flow beta gamma open)" >"$LAB/path.conf"
check_not "an indirect flow is an error" "$TVD_BIN/switchd" -t -c "$LAB/path.conf"
check "which names the path" grep -q 'from "alpha" to "gamma" is closed, but there is a way: "alpha" -> "beta" (policy "alpha:beta") -> "gamma" (policy "beta:gamma")' \
	<<<"$("$TVD_BIN/switchd" -t -c "$LAB/path.conf" 2>&1)"
config hostA 1 "$(flow alpha beta open)" >"$LAB/oneway.conf"
check "a flow that lets nothing back is told of" grep -q 'warning: policy "alpha:beta": the flow from "alpha" to "beta" is open, and nothing lets answers back' \
	<<<"$("$TVD_BIN/switchd" -t -c "$LAB/oneway.conf" 2>&1)"
{
	uplink 192.0.2.1
	list segments "$(segment alpha 1 "$(etherip 239.192.0.1)")"
	list domains '{ name = "beta"; }'
	list ports "$(tap vm1 alpha)"
	list policy "$(flow alpha beta open)"
} >"$LAB/missing.conf"
check_not "each host carries both segments" "$TVD_BIN/switchd" -t -c "$LAB/missing.conf"

# ---- who reaches whom ----

check "alpha and beta on one host" reaches vm1 "$(v4 vm2)"
check "across hosts" reaches vm1 "$(v4 vm4)"
check "and back, IPv6" reaches vm4 "$(v6 vm1)"
check "beta and gamma across hosts" reaches vm2 "$(v4 vm5)"
check "gamma and beta, IPv6" reaches vm7 "$(v6 vm2)"
check "alpha within itself" reaches vm6 "$(v4 vm3)"
for pair in vm1:vm5 vm5:vm3; do
	check "${pair%:*} does not reach ${pair#*:}" unreachable "${pair%:*}" "$(v4 "${pair#*:}")"
done
check "policy check says so" json "d['flow'] == 'open' and d['out'] == 'open' and d['in'] == 'open'" \
	<<<"$(ctl hostA -j policy check alpha beta)"
check "and why not" eval 'ctl hostA policy check alpha gamma | finds "closed by policy"'
check "the matrix is a table" eval 'ctl hostA policy matrix | finds -E "^alpha +- +open +closed"'
check "and a graph" eval 'ctl hostA policy matrix --dot | finds "\"alpha\" -> \"beta\""'
check "the junctions are implied" json "sorted(j['name'] for j in d if j['implied']) == ['alpha:beta', 'beta:gamma']" \
	<<<"$(ctl hostB -j junction show)"
check "what crossed is counted" json "[e['frames'] > 0 for e in d if e['from'] == 'alpha' and e['to'] == 'beta'] == [True]" \
	<<<"$(ctl hostB -j policy show)"

check "and in metrics" eval 'ctl hostB metrics | finds -E "^tvdswitch_flow_frames_total.from=\"alpha\",to=\"beta\". [1-9]"'
check "policy verify: the pipeline agrees" verified
pairs=$(ctl hostB -j policy verify vm4)
check "what it says of a pair on one host" json "[(e['flow'], e['passes'], e['entry'], e['decided_at'], e['tested']) for e in d if e['to'] == 'vm7'] == [('open', True, 'beta:gamma', 'hostB', True)]" <<<"$pairs"
check "and of another host" json "('alpha', True, 'beta:alpha', '192.0.2.1') in [(e['to_segment'], e['passes'], e['entry'], e['decided_at']) for e in d]" <<<"$pairs"

# ---- the wire ----

capture hostA eth0 "$LAB/a.pcap" 'ip proto 97'
wire=$LAB_LAST
check "pings go both ways" on vm1 ping -q -n -c 10 -i 0.02 "$(v4 vm4)"
capture_end "$wire"
outer() { # FILTER FIELD
	fields "$LAB/a.pcap" "$1" "$2" | cut -d, -f1 | sort -u | xargs
}
check "a request is in its sender's segment" equal "$(outer "icmp.type == 8 && eth.src == $(mac vm1)" etherip.reserved)" 0x0001
check "and goes to the receiver's host alone" equal "$(outer "icmp.type == 8 && eth.src == $(mac vm1)" ip.dst)" 192.0.2.2
check "the reply is in the other segment" equal "$(outer "icmp.type == 0 && eth.src == $(mac vm4)" etherip.reserved)" 0x0002
check "and comes the same way back" equal "$(outer "icmp.type == 0 && eth.src == $(mac vm4)" ip.dst)" 192.0.2.1

# ---- one copy of each broadcast ----

declare -A HEARS=()
listen() { # [tell]
	local guest
	for guest in "${guests[@]}"; do
		rm -f "$LAB/$guest.ready"
		background "$guest" "$PYTHON" "$count" "${1:-hear}" eth0 "$LAB/$guest.ready" >"$LAB/$guest.heard"
		HEARS[$guest]=$LAB_LAST
	done
	for guest in "${guests[@]}"; do
		wait_until 10 test -s "$LAB/$guest.ready" || lab_die "$guest does not listen"
	done
}
heard() { # GUEST -> NUMBERS MOST
	finish "${HEARS[$1]}"
	wait_until 10 test -s "$LAB/$1.heard" # this may be a subshell, which cannot wait
	cat "$LAB/$1.heard"
}
broadcast() { # FROM GUEST-THAT-HEARS...
	local from=$1 guest want
	shift
	listen
	on "$from" "$PYTHON" "$count" send eth0 ff:ff:ff:ff:ff:ff 50
	sleep 0.3
	for guest in "${guests[@]}"; do
		want='0 0'
		case " $* " in *" $guest "*) want='50 1' ;; esac
		check "broadcasts of $from at $guest: $want" equal "$(heard "$guest")" "$want"
	done
}
broadcast vm1 vm2 vm3 vm4 vm6
broadcast vm4 vm1 vm2 vm3 vm5 vm6 vm7

# All at once, for TVD_BROADCAST_SECONDS, while unicast goes both ways and a host reloads.
seconds=${TVD_BROADCAST_SECONDS:-1}
listen tell
senders=()
for guest in "${guests[@]}"; do
	background "$guest" "$PYTHON" "$count" send eth0 ff:ff:ff:ff:ff:ff $((100 * seconds))
	senders+=("$LAB_LAST")
done
background vm1 ping -q -n -i 0.05 "$(v4 vm4)" >"$LAB/meanwhile.ping"
pinger=$LAB_LAST
check "a reload meanwhile" ctl hostB reload
wait "${senders[@]}"
finish "$pinger" INT
sleep 0.3
once() { # GUEST SENDER...: has heard them and nobody else, most of what they sent, and nothing twice
	local guest=$1 from want=()
	shift
	for from; do want+=("$(mac "$from")"); done
	heard "$guest" >/dev/null
	equal "$(cut -d' ' -f1 "$LAB/$guest.heard" | sort | xargs)" "$(printf '%s\n' "${want[@]}" | sort | xargs)" || return
	awk -v all=$((100 * seconds)) '$3 != 1 || $2 > all || $2 < all / 2 { print; bad = 1 } END { exit bad }' "$LAB/$guest.heard"
}
for guest in vm1 vm2 vm3 vm4 vm5 vm6 vm7; do
	from=()
	for sender in vm1:a vm2:b vm3:a vm4:b vm5:g vm6:a vm7:g; do
		case $guest:${sender#*:} in
		"${sender%:*}":* | vm[136]:g | vm[57]:a) ;;
		*) from+=("${sender%:*}") ;;
		esac
	done
	check "$guest gets one copy of each broadcast, for ${seconds} s" once "$guest" "${from[@]}"
done

# ---- trace ----

frame=$(mac vm4 | tr -d :)$(mac vm1 | tr -d :)88b5$(printf '00%.0s' {1..46})
trace=$(ctl hostA -j trace port vm1 "$frame")
check "a trace shows the step" json "[s['what'] for s in d['steps'] if s['stage'] == 'junction'][0].startswith('alpha:beta, to segment beta')" <<<"$trace"
check "and where the frame goes" json "[t.get('dst') for t in d['to']] == ['192.0.2.2']" <<<"$trace"

# ---- one way, and none ----

lab_expect 'the flow from "alpha" to "beta" is open, and nothing lets answers back'
configure "$(flow alpha beta open)" "${meant[@]}"
check "one way remains" reload
check "beta does not reach alpha" unreachable vm2 "$(v4 vm1)"
listen
on vm1 "$PYTHON" "$count" send eth0 ff:ff:ff:ff:ff:ff 20
on vm2 "$PYTHON" "$count" send eth0 "$(mac vm1)" 20
sleep 0.3
check "alpha is heard in beta" equal "$(heard vm4)" '20 1'
check "beta is not heard in alpha" equal "$(heard vm1)" '0 0'
for guest in "${guests[@]}"; do heard "$guest" >/dev/null; done
check "that is a drop with its reason" eval '[ "$(port_drops hostA vm2 policy_closed)" -ge 20 ]'
check "policy verify agrees" verified

configure "${both[@]}"
check "open again" reload
check "both ways" reaches vm2 "$(v4 vm3)"
check_not "a mirror across closed domains is refused" ctl hostB mirror add m port vm3 port vm7
check "one across open domains is not" ctl hostB mirror add m port vm4 port vm7
lab_expect 'mirror m ends: the flow policy closes what it copies to port vm7'
configure
check "closed" reload
check "at once" unreachable vm2 "$(v4 vm3)"
check "each domain goes on" reaches vm1 "$(v4 vm3)"
check "the mirror has ended" equal "$(ctl hostB -j mirror show)" '[]'
check "there is no junction left" equal "$(ctl hostA -j junction show)" '[]'

# ---- controlled ----

# Each direction asks for addresses on its own.
neighbours='{ filter = "arp or (icmp6 and (ip6[40] = 135 or ip6[40] = 136))"; stateful = true; }'
rules="allow = ( { filter = \"icmp[0] = 8\"; stateful = true; }, $neighbours ); "
configure "$(flow alpha beta controlled "$rules")" "$(flow beta alpha controlled "allow = ( $neighbours ); ")" "${meant[@]}"
check "pings of alpha alone" reload
check "which beta answers, on the same host" reaches vm1 "$(v4 vm2)"
check "and on another" reaches vm3 "$(v4 vm2)"
check "and nothing else" unreachable vm2 "$(v4 vm3)"
check "that is a drop with its reason" eval '[ "$(port_drops hostA vm2 policy_out)" -ge 1 ]'
check "policy verify agrees" verified
check "the rule counts" json "[e['rules'][0]['frames'] > 0 and e['rules'][-1]['verdict'] == 'drop' for e in d if e['from'] == 'alpha' and e['to'] == 'beta'] == [True]" \
	<<<"$(ctl hostA -j policy show)"

# ---- half a policy ----

configure "$(flow alpha beta open)" "$(flow beta alpha open 'side = "out"; ')" "${meant[@]}"
lab_expect 'policy_in'
check "a half that nobody states is closed" reload
check "so that nothing comes back" unreachable vm1 "$(v4 vm2)"
check "for want of the receiver's word" eval '[ "$(port_drops hostA vm2 policy_in)" -ge 1 ]'
lab_end
