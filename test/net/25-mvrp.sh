#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Declaring VLANs to switches by MVRP and GVRP: nothing unless asked for; what is said
# at the start, when segments come, change and go, after LeaveAll, when the uplink comes
# back, when a successor takes over and at the end; what a neighbour may send; and that
# no guest sees any of it. tshark reads the bytes.
#
#	hostA--vm1 (alpha, VLAN 102)
#	  |   \vm2 (beta, 103)
#	  |    \vm3 (gamma, 7 inside S-tag 200)
#	 veth
#	 peer (the switch: bytes by hand)

# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
lab_begin "$@"
vlan=$LAB_TOP/test/net/vlan.py
lab_expect 'malformed PDU'

dot1q() { # NAME VID [ENCAP-KEYS]
	printf '{ name = "%s"; encap = ( { type = "dot1q"; uplink = "lan"; vid = %s; %s} ); }' "$1" "$2" "${3:-}"
}
config() { # ALPHA-KEYS BETA-KEYS GAMMA-KEYS
	{
		uplink ''
		list segments "$(dot1q alpha 102 "$1")" "$(dot1q beta 103 "$2")" "$(dot1q gamma 7 "outer_vid = 200; $3")"
		list ports "$(tap vm1 alpha)" "$(tap vm2 beta)" "$(tap vm3 gamma)"
	} | lab_config hostA
}
customer=01:80:c2:00:00:21
provider=01:80:c2:00:00:0d
neighbour=02:00:00:00:00:77

# All that hostA has said until now, one line a VID and event: "MVRP 102 1".
n=0
listen() {
	n=$((n + 1))
	capture peer eth0 "$LAB/wire$n.pcap" 'ether dst 01:80:c2:00:00:21 or ether dst 01:80:c2:00:00:0d'
	wire=$LAB_LAST
}
# Reads a capture that may still grow.
said() { # CAPTURE
	tshark -n -r "$LAB/wire$1.pcap" -Y "eth.src == $own && (mrp-mvrp || gvrp)" -T fields -e eth.dst -e mrp-mvrp.vid \
		-e mrp-mvrp.number_of_values -e mrp-mvrp.three_packed_event -e gvrp.attribute_value \
		-e gvrp.attribute_event 2>/dev/null | awk -F'\t' '{
			split($2, vid, ","); split($3, count, ","); split($4, event, ","); e = 0
			for (i = 1; i in vid; i++) for (k = 0; k < count[i]; k++)
				print ($1 == "01:80:c2:00:00:0d" ? "provider" : "mvrp"), vid[i] + k, event[++e]
			split($5, vid, ","); split($6, event, ",")
			for (i = 1; i in vid; i++) { sub("0x", "", event[i]); print "gvrp", vid[i], event[i] + 0 }
		}'
}
has_said() { # CAPTURE LINE...
	local line all
	all=$(said "$1")
	shift
	for line; do
		grep -qx "$line" <<<"$all" || return 1
	done
}
says() { # TEXT LINE...
	local text=$1
	shift
	if wait_until 10 has_said "$n" "$@"; then
		pass "$text"
	else
		flunk "$text: $*" "$(said "$n")"
	fi
}
distinct() { # CAPTURE: everything said, once
	said "$1" | sort -u | paste -sd,
}
state() { # SEGMENT PROTOCOL KEY
	ctl hostA -j encap show | json "next((e.get('$2', {}).get('$3', 'none') for e in d if e['segment'] == '$1'), 'none')"
}
is_declared() { # SEGMENT PROTOCOL
	[ "$(state "$1" "$2" state)" = declared ]
}
JOIN=1 LEAVE=5           # of MVRP, JoinIn and Lv
GVRP_JOIN=2 GVRP_LEAVE=3 # of GVRP, JoinIn and LeaveEmpty

lab_host hostA 192.0.2.1/24
lab_host peer 192.0.2.9/24
lab_guest vm1 vm2 vm3
lab_wire hostA peer
own=$(lab_mac hostA)

# ---- off, and on ----

listen
capture vm1 any "$LAB/early.pcap" 'ether proto 0x88f5'
early=$LAB_LAST
config '' '' ''
lab_start hostA
address vm1 vm2 vm3
on peer "$PYTHON" "$vlan" raw eth0 1 "0180c2000021 020000000077 88f5 00 01 02 2000 0000 0000 0000"
sleep 1.5 # silence can only be waited for
capture_end "$wire"
capture_end "$early"
check "by default nothing is declared" equal "$(tshark -n -r "$LAB/wire1.pcap" -Y "eth.src == $own" 2>/dev/null)" ""
check "nor shown" equal "$(state alpha mvrp state)" none
check "what switches say is not even received" equal \
	"$(ctl hostA -j status | json "sum(d['stray_drops'].values())")" 0

listen
# From here on: what guests see, and what is on the wire, from first to last.
declare -A guest=()
for vm in vm1 vm2 vm3; do
	capture "$vm" eth0 "$LAB/$vm.pcap" 'ether proto 0x88f5 or ether[0:4] == 0x0180c200'
	guest[$vm]=$LAB_LAST
done
config 'mvrp = true;' 'mvrp = true; gvrp = true;' 'mvrp = true;'
check "a reload turns it on" ctl hostA reload
says "VLANs are declared: JoinIn by MVRP, also on the provider's address, and by GVRP" \
	"mvrp 102 $JOIN" "mvrp 103 $JOIN" "provider 200 $JOIN" "gvrp 103 $GVRP_JOIN"
check "encap show: alpha is declared" wait_until 5 is_declared alpha mvrp
check "gamma, too" wait_until 5 is_declared gamma mvrp
check "beta in both" wait_until 5 is_declared beta gvrp
check "alpha is not in GVRP" equal "$(state alpha gvrp state)" none
said_times() { # LINE TIMES
	[ "$(said "$n" | grep -cx "$1")" -ge "$2" ]
}
check "MVRP says so each second" wait_until 10 said_times "mvrp 102 $JOIN" 5
capture_end "$wire"
check "and nothing else was said" equal "$(distinct "$n")" \
	"gvrp 103 $GVRP_JOIN,mvrp 102 $JOIN,mvrp 103 $JOIN,provider 200 $JOIN"
check "with the interface's own address, padded to 60 bytes" equal \
	"$(tshark -n -r "$LAB/wire$n.pcap" -Y "eth.src == $own" -T fields -e frame.len 2>/dev/null | sort -u)" 60
check "both VIDs are in one vector of one PDU" equal \
	"$(tshark -n -r "$LAB/wire$n.pcap" -Y "eth.src == $own && mrp-mvrp.vid == 102" -T fields -e mrp-mvrp.number_of_values 2>/dev/null | sort -u)" 2

# ---- segments come, change and go ----

listen
check "a segment is added" ctl hostA segment add delta encap dot1q uplink lan vid 104 mvrp on
says "its VLAN is declared" "mvrp 104 $JOIN"
check "it goes" ctl hostA segment del delta
says "its VLAN is withdrawn" "mvrp 104 $LEAVE"
check "another one comes, with tags inside VLAN 200" ctl hostA segment add epsilon encap dot1q uplink lan vid 8 outer_vid 200 mvrp on
check "and goes" ctl hostA segment del epsilon
config 'mvrp = true;' '' 'mvrp = true;'
check "beta is no longer to be declared" ctl hostA reload
says "so its VLAN is withdrawn in both" "mvrp 103 $LEAVE" "gvrp 103 $GVRP_LEAVE"
check "beta still works" json "d[0]['encap'][0]['state'] == 'up'" <<<"$(ctl hostA -j segment show beta)"
config 'mvrp = true;' 'mvrp = true; gvrp = true;' 'mvrp = true;'
check "and is declared again" ctl hostA reload
says "in both" "mvrp 103 $JOIN" "gvrp 103 $GVRP_JOIN"
capture_end "$wire"
check "VLAN 200, which gamma still needs, was not withdrawn" equal "$(said "$n" | grep -c "provider 200 $LEAVE")" 0

# ---- what a switch says ----

settle() { # all is said and quiet
	wait_until 5 is_declared alpha mvrp && wait_until 5 is_declared beta gvrp && wait_until 5 is_declared gamma mvrp
}
peer_says() { # COUNT FRAMES...
	on peer "$PYTHON" "$vlan" raw eth0 "$@"
}
leave_all() { # FRAME GROUP; says in `took` how long it took
	settle
	listen
	peer_says 1 "$1"
	is_answered() {
		took=$("$PYTHON" "$vlan" answered "$LAB/wire$n.pcap" "$2" "$neighbour" "$own" 2>/dev/null) && [ -n "$took" ]
	}
	wait_until 5 is_answered "$@" || took=
	settle
	capture_end "$wire"
}
received=$(state beta gvrp received)
leave_all "0180c2000021 020000000077 000b 424203 0001 01 02 00 00 00" "$customer"
check "GVRP: LeaveAll is answered within the leave time (${took:-never} ms)" [ "${took:-9999}" -lt 600 ]
check "with VLAN 103" has_said "$n" "gvrp 103 $GVRP_JOIN"
check "and counted" [ "$(state beta gvrp received)" -gt "$received" ]
leave_all "0180c2000021 020000000077 88f5 00 01 02 2000 0001 0000 0000" "$customer"
check "MVRP: LeaveAll is answered within the leave time (${took:-never} ms)" [ "${took:-9999}" -lt 600 ]
check "with all VLANs" equal "$(distinct "$n" | grep -o 'mvrp 10[0-9] .' | paste -sd,)" "mvrp 102 $JOIN,mvrp 103 $JOIN"
leave_all "0180c200000d 020000000077 88f5 00 01 02 2000 0001 0000 0000" "$provider"
check "a provider's, too (${took:-never} ms)" [ "${took:-9999}" -lt 600 ]

# ---- what a neighbour may send ----

bad=$(state alpha mvrp bad)
received=$(state alpha mvrp received)
peer_says 1 "0180c2000021 020000000077 88f5 00 01 02 1fff 0001 24 0000 0000" \
	"0180c2000021 020000000077 88f5 00 01 02 0001 0fff 24 0000 0000" \
	"0180c2000021 020000000077 88f5 00 01 02 0001 0066 ff 0000 0000" \
	"0180c2000021 020000000077 88f5 00 01 05 0001 0066 24 0000 0000" \
	"0180c2000021 020000000077 00ff 424203 0001 01 04 02 0066 00 00"
is_bad() {
	[ "$(state alpha mvrp bad)" = $((bad + 4)) ] && [ "$(state beta gvrp bad)" = 1 ]
}
check "malformed PDUs are counted" wait_until 5 is_bad
check "as drops, too" equal "$(ctl hostA -j status | json "d['stray_drops']['bad_header']")" 5
check "and are nothing else" equal "$(state alpha mvrp received)" "$received"
peer_says 1 "0180c2000020 020000000077 88f6 00 01 02 0001 0066 24 0000 0000" \
	"0180c2000021 020000000077 0800 4500 0001 0001" \
	"0180c2000000 020000000077 0026 424203 0000 00 00 00"
settle
listen
peer_says 1500 "0180c2000021 020000000077 88f5 00 01 02 2000 0001 0000 0000"
ignored() {
	[ "$(state alpha mvrp ignored)" -gt 0 ]
}
check "what is too much is not read" wait_until 5 ignored
check "and counted, storm" [ "$(ctl hostA -j status | json "d['stray_drops']['storm']")" -gt 0 ]
settle
capture_end "$wire"
check "1500 LeaveAll get few answers ($(said "$n" | grep -c 'mvrp 102'))" [ "$(said "$n" | grep -c 'mvrp 102')" -le 25 ]
check "other frames to such addresses are not ours" equal "$(ctl hostA -j status | json "sorted(d['stray_drops'])" | tr -d " []'")" bad_header,storm

# ---- metrics ----

metrics=$(ctl hostA metrics)
check "metrics have PDUs" grep -q '^tvdswitch_control_pdus_total{uplink="lan",protocol="mvrp",result="sent"} [1-9]' <<<"$metrics"
check "of GVRP, too" grep -q '^tvdswitch_control_pdus_total{uplink="lan",protocol="gvrp",result="bad"} 1$' <<<"$metrics"
check "encap show says it in words" grep -Eq 'alpha: dot1q.* mvrp ' <<<"$(ctl hostA encap show)"

# ---- the interface ----

lab_expect 'uplink lan'
on hostA ip link set eth0 down
waiting() {
	[ "$(state alpha mvrp state)" = waiting ]
}
check "while the uplink is down it waits" wait_until 5 waiting
lab_raise hostA
wait_until 5 lab_raised peer
listen
on hostA ip link set eth0 down
wait_until 5 waiting
lab_raise hostA
says "up again, all is declared again" "mvrp 102 $JOIN" "mvrp 103 $JOIN" "gvrp 103 $GVRP_JOIN" "provider 200 $JOIN"
settle
capture_end "$wire"
check "nothing was withdrawn" equal "$(said "$n" | grep -Ec "mvrp.* $LEAVE\$|gvrp.* $GVRP_LEAVE\$")" 0

on hostA ip link del eth0
wait_until 5 waiting
ip link add eth0 netns hostA type veth peer name eth0 netns peer
lab_raise peer
listen
lab_raise hostA
own=$(lab_mac hostA)
says "and on another interface of that name, with its address" "mvrp 102 $JOIN" "mvrp 103 $JOIN" "gvrp 103 $GVRP_JOIN" "provider 200 $JOIN"
capture_end "$wire"

# ---- a successor, and the end ----

listen
nsenter --net=/run/netns/hostA -- setpriv --pdeathsig KILL "$TVD_BIN/switchd" -c "$LAB/hostA.conf" --takeover \
	</dev/null >>"$LAB/hostA.log" 2>&1 &
successor=$!
check "a successor takes over" wait_until 15 lab_gone "${LAB_PID[hostA]}"
wait "${LAB_PID[hostA]}" || flunk "the predecessor ends well"
LAB_PID[hostA]=$successor
wait_until 15 lab_answers hostA
says "it declares the same" "mvrp 102 $JOIN" "mvrp 103 $JOIN" "gvrp 103 $GVRP_JOIN" "provider 200 $JOIN"
capture_end "$wire"
check "and the predecessor has withdrawn nothing" equal "$(said "$n" | grep -Ec "mvrp.* $LEAVE\$|gvrp.* $GVRP_LEAVE\$")" 0
settle
listen
lab_stop hostA
says "at the end all is withdrawn" "mvrp 102 $LEAVE" "mvrp 103 $LEAVE" "provider 200 $LEAVE" "gvrp 103 $GVRP_LEAVE"
capture_end "$wire"
last=$(said "$n" | awk '{ last[$1 " " $2] = $3 } END { for (key in last) print key, last[key] }' | sort | paste -sd,)
check "and it is the last word" equal "$last" "gvrp 103 $GVRP_LEAVE,mvrp 102 $LEAVE,mvrp 103 $LEAVE,provider 200 $LEAVE"

# ---- as many as there are ----

{
	uplink ''
	echo 'segments = ('
	for ((vid = 1; vid <= 4094; vid++)); do
		[ "$vid" = 1 ] || echo ,
		dot1q "s$vid" "$vid" 'mvrp = true; gvrp = true;'
	done
	echo ');'
} | lab_config hostA
listen
lab_start hostA
all_said() { # PROTOCOL EVENT
	[ "$(said "$n" | grep -c "^$1 [0-9]* $2\$")" -ge 4094 ] && [ "$(distinct "$n" | tr , '\n' | grep -c "^$1 [0-9]* $2\$")" = 4094 ]
}
check "4094 VLANs are declared by MVRP" wait_until 20 all_said mvrp "$JOIN"
check "and by GVRP" wait_until 20 all_said gvrp "$GVRP_JOIN"
check "in one PDU of MVRP" equal \
	"$(tshark -n -r "$LAB/wire$n.pcap" -Y "eth.src == $own && mrp-mvrp" -T fields -e mrp-mvrp.number_of_values 2>/dev/null | sort -u)" 4094
lab_stop hostA
check "and withdrawn" wait_until 20 all_said mvrp "$LEAVE"
check "by GVRP, too" wait_until 20 all_said gvrp "$GVRP_LEAVE"
capture_end "$wire"

# ---- all of it ----

for file in "$LAB"/wire*.pcap; do
	odd=$(tshark -n -r "$file" -Y "eth.src != $neighbour && (_ws.malformed || _ws.expert.severity >= 6291456)" 2>/dev/null)
	[ -z "$odd" ] || flunk "tshark finds nothing malformed in $(basename "$file")" "$odd"
done
pass "tshark finds nothing malformed in what hostA sent"
for vm in vm1 vm2 vm3; do
	finish "${guest[$vm]}" INT
	check "$vm has seen none of it" equal "$(tshark -n -r "$LAB/$vm.pcap" 2>/dev/null)" ""
done
lab_end
