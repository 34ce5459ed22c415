#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# VLANs: who reaches whom, exact tags on the wire, priority, two tags, whose a frame
# is, double tagging, what does not fit, a station that runs no switchd, the host's
# own traffic, reloads, and an interface that goes and comes back.
#
#	hostA--vm1 (alpha, VLAN 102)          hostB--vm3 (alpha)
#	  |   \vm2 (beta, 103, priority 5)      |   \vm4 (beta)
#	  |    \vm5 (gamma, 7 inside S-tag 200) |    \vm6 (gamma)
#	  |     \vm7 (delta, 104, tags pass)    |     \vm8 (delta)
#	  +------------- wire (a bridge that knows no VLANs) ------ peer (no switchd)

# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
lab_begin "$@"
vlan=$LAB_TOP/test/net/vlan.py

dot1q() { # NAME VID [ENCAP-KEYS [SEGMENT-KEYS]]
	printf '{ name = "%s"; %s encap = ( { type = "dot1q"; uplink = "lan"; vid = %s; %s} ); }' \
		"$1" "${4:-}" "$2" "${3:-}"
}
config() { # HOST ADDRESS ALPHA-VID BETA-VID BETA-PRIORITY GUEST...
	{
		uplink ''
		list segments "$(dot1q alpha "$3")" "$(dot1q beta "$4" "priority = $5; ")" \
			"$(dot1q gamma 7 'outer_vid = 200; ')" "$(dot1q delta 104 '' 'tags = "pass"; ')"
		list ports "$(tap "$6" alpha)" "$(tap "$7" beta)" "$(tap "$8" gamma)" "$(tap "$9" delta)"
	} | lab_config "$1"
}
lab_host hostA 192.0.2.1/24
lab_host hostB 192.0.2.2/24
lab_host peer 192.0.2.9/24
lab_guest vm1 vm2 vm3 vm4 vm5 vm6 vm7 vm8
lab_wire hostA hostB peer
config hostA 192.0.2.1 102 103 5 vm1 vm2 vm5 vm7
config hostB 192.0.2.2 102 103 5 vm3 vm4 vm6 vm8
lab_start hostA
lab_start hostB
address vm1 vm2 vm3 vm4 vm5 vm6 vm7 vm8

# ---- who reaches whom, and what is on the wire ----

capture wire to-hostA "$LAB/wire.pcap"
wire=$LAB_LAST
for pair in vm1:vm3 vm2:vm4 vm5:vm6 vm7:vm8; do
	check "$pair in IPv4" reaches "${pair%:*}" "$(v4 "${pair#*:}")"
	check "$pair in IPv6" reaches "${pair%:*}" "$(v6 "${pair#*:}")"
done
check "VLAN 102 does not reach 103" unreachable vm1 "$(v4 vm4)"
check "nor 103 102" unreachable vm4 "$(v4 vm1)"
check "nor 102 one with two tags" unreachable vm1 "$(v4 vm6)"
capture_end "$wire"
heads() { # FILE GUEST: tags and types that it sent
	"$PYTHON" "$vlan" heads "$LAB/$1.pcap" "$(mac "$2")"
}
of() { # TAGS: with the types of ARP, IPv4 and IPv6, one a line
	printf '%s\n' "$1 0800" "$1 0806" "$1 86dd"
}
check "alpha has tag 8100 0066" equal "$(heads wire vm1)" "$(of 8100:0066)"
check "beta has priority 5: tag 8100 a067" equal "$(heads wire vm2)" "$(of 8100:a067)"
check "gamma has tags 88a8 00c8, 8100 0007" equal "$(heads wire vm5)" "$(of '88a8:00c8 8100:0007')"
check "delta has tag 8100 0068" equal "$(heads wire vm8)" "$(of 8100:0068)"
check "tshark reads the same" equal \
	"$(fields "$LAB/wire.pcap" "icmp && eth.src == $(mac vm2)" vlan.id vlan.priority | sort -u)" $'103\t5'
padded=$("$PYTHON" "$vlan" padding "$LAB/wire.pcap")
check "short frames are 60 bytes long and end in zeros (${padded% *})" [ "${padded#* }" = 0 ]
check "there were some" [ "${padded% *}" -gt 8 ]

check "where they are is a VLAN, not a host" json "[(e['dst'], e['encap']) for e in d if e['mac'] == '$(mac vm3)'] == [(None, 'dot1q')]" \
	<<<"$(ctl hostA -j fdb show)"
shown=$(ctl hostA -j encap show)
check "encap show has VLAN and priority" json "[(e['vid'], e['priority'], e['kernel_filter']) for e in d if e['segment'] == 'beta'] == [(103, 5, True)]" <<<"$shown"
check "and the outer tag" json "[(e['vid'], e['outer_vid'], e['outer_tpid']) for e in d if e['segment'] == 'gamma'] == [(7, 200, '0x88a8')]" <<<"$shown"
check "nothing was dropped" json "not any(e['stats']['tx_drops'] for e in d)" <<<"$shown"

# ---- the host's own traffic ----

check "the host goes on using the interface" on hostA ping -q -n -c 1 -w 5 192.0.2.2
before=$(ctl hostA -j status | json "d['wakeups']")
on hostA ping -q -n -f -c 2000 192.0.2.2 >/dev/null 2>&1 || on hostA ping -q -n -i 0.002 -c 500 192.0.2.2 >/dev/null
woken=$(($(ctl hostA -j status | json "d['wakeups']") - before))
check "which does not wake switchd (2000 packets, $woken turns of the loop)" [ "$woken" -lt 100 ]
check_not "no VLAN device was made" grep -q '@' <<<"$(on hostA ip -o link show type vlan 2>/dev/null)"

# ---- a station without switchd ----

background peer "$PYTHON" "$vlan" member eth0 02:00:00:00:00:99 10.0.0.99 102 >"$LAB/member"
member=$LAB_LAST
wait_until 10 grep -q ready "$LAB/member"
check "a plain station of VLAN 102 answers vm1" reaches vm1 10.0.0.99
check "and vm3" reaches vm3 10.0.0.99
check "not vm2 of VLAN 103" unreachable vm2 10.0.0.99
finish "$member"

# ---- whose a frame is ----

# Sends one frame for each list of tags from the peer, and says which of them the
# guest got, with what tags.
arrive() { # GUEST TAGS...
	local guest=$1 at
	shift
	capture "$guest" eth0 "$LAB/arrive.pcap"
	at=$LAB_LAST
	on peer "$PYTHON" "$vlan" send eth0 02:00:00:00:00:88 "$@"
	capture_end "$at"
	"$PYTHON" - "$LAB/arrive.pcap" "$vlan" <<'END'
import importlib.util, sys
spec = importlib.util.spec_from_file_location("vlan", sys.argv[2])
vlan = importlib.util.module_from_spec(spec)
spec.loader.exec_module(vlan)
out = []
for data in vlan.captured(sys.argv[1]):
    words, at = vlan.head(data)
    if words.endswith("88b5"):
        out.append(str(data[at]) + (" " + words[:-5] if len(words) > 4 else "") + ("" if data[at + 1:at + 50] == b"\xa5" * 49 else " changed"))
print(*out, sep=", ")
END
}
ours="8100:102 8100:0xe066 8100:0xf066"
others="- 8100:0 8100:0xa000 8100:4095 8100:101 8100:4094 88a8:102 9100:102 9200:102 8100:0/8100:102"
before=$(ctl hostA -j status | json "sum(d['stray_drops'].values())")
# shellcheck disable=SC2086 # words
check "only tags of VLAN 102 are alpha's, with any priority" equal "$(arrive vm1 $others $ours)" "10, 11, 12"
check "frames of nobody are no drops" equal "$(ctl hostA -j status | json "sum(d['stray_drops'].values())")" "$before"
two="88a8:200 88a8:200/8100:8 88a8:201/8100:7 8100:200/8100:7 9100:200/8100:7 88a8:200/88a8:7 8100:7 88a8:200/8100:7"
# shellcheck disable=SC2086 # words
check "only both tags are gamma's" equal "$(arrive vm5 $two)" 7
before=$(encap_drops hostA alpha tagged)
check "another tag inside: alpha drops it" equal \
	"$(arrive vm1 8100:102/8100:103 8100:102/8100:102 8100:102/88a8:5 8100:102/8100:1/8100:2/8100:3/8100:4/8100:5/8100:6/8100:7)" ""
check "and counts it, tagged" equal "$(($(encap_drops hostA alpha tagged) - before))" 4
check "a priority tag inside is taken off" equal "$(arrive vm1 8100:102/8100:0xe000)" 0
check "delta passes what is tagged inside, but not VLAN 4095" equal \
	"$(arrive vm7 8100:104/8100:103 8100:104/8100:4095 8100:104/88a8:9/8100:8)" "0 8100:0067, 2 88a8:0009 8100:0008"
stack=8100:1/8100:2/8100:3/8100:4/8100:5/8100:6/8100:7
check "and stacks of eight and nine" equal "$(arrive vm7 "8100:104/$stack" "8100:104/$stack/8100:4095")" \
	"0 8100:0001 8100:0002 8100:0003 8100:0004 8100:0005 8100:0006 8100:0007, 1 8100:0001 8100:0002 8100:0003 8100:0004 8100:0005 8100:0006 8100:0007 8100:0fff"

# ---- guests that tag ----

capture wire to-hostA "$LAB/double.pcap"
wire=$LAB_LAST
declare -A at=()
for guest in vm4 vm8; do
	capture "$guest" eth0 "$LAB/double-$guest.pcap"
	at[$guest]=$LAB_LAST
done
before=$(port_drops hostA vm1 tagged)
on vm1 "$PYTHON" "$vlan" send eth0 "$(mac vm1)" 8100:103 8100:102 8100:102/8100:103 88a8:103 8100:4095
on vm7 "$PYTHON" "$vlan" send eth0 "$(mac vm7)" 8100:103 8100:4095
capture_end "$wire"
finish "${at[vm4]}" INT
finish "${at[vm8]}" INT
check "a guest of alpha that tags: dropped, counted" equal "$(($(port_drops hostA vm1 tagged) - before))" 5
check "and not on the wire" equal "$(heads double vm1)" ""
check "a guest of delta may; its tag is inside delta's" equal "$(heads double vm7)" "8100:0068 8100:0067 88b5"
check "it stays in delta" equal "$(heads double-vm8 vm7)" "8100:0067 88b5"
check "and gets to nobody in VLAN 103" equal "$(heads double-vm4 vm7)$(heads double-vm4 vm1)" ""

# ---- room ----

check "the MTU that fits: a tag comes on top, a second one does not" json \
	"{s['name']: s['mtu'] for s in d} == {'alpha': 1500, 'beta': 1500, 'gamma': 1492, 'delta': 1496}" <<<"$(ctl hostA -j segment show)"
full() { # FROM TO PAYLOAD
	on "$1" ping -q -n -c 1 -w 5 -M 'do' -s "$3" "$(v4 "$2")"
}
check "a full frame passes in alpha" full vm1 vm3 1472
check "in gamma" full vm5 vm6 1464
check "in delta" full vm7 vm8 1468
before=$(port_drops hostA vm1 oversize)
on vm1 ip link set eth0 mtu 2000
check_not "a longer one does not" full vm1 vm3 1473
check "and is counted where it came in" [ "$(port_drops hostA vm1 oversize)" -gt "$before" ]
on vm1 ip link set eth0 mtu 1500

# ---- reloads ----

lab_expect 'reload refused'

config hostA 192.0.2.1 103 102 2 vm1 vm2 vm5 vm7
check "a reload that exchanges two VLANs" ctl hostA reload
check "vm1 is now in 103" reaches vm1 "$(v4 vm4)"
check "vm2 in 102" reaches vm2 "$(v4 vm3)"
check "and out of 103" unreachable vm2 "$(v4 vm4)"
config hostA 192.0.2.1 102 103 3 vm1 vm2 vm5 vm7
check "and back, with another priority" ctl hostA reload
capture wire to-hostA "$LAB/priority.pcap"
wire=$LAB_LAST
check "vm2 is back" reaches vm2 "$(v4 vm4)"
capture_end "$wire"
check "with tag 8100 6067" grep -qx '8100:6067 0800' <<<"$(heads priority vm2)"
config hostA 192.0.2.1 103 103 3 vm1 vm2 vm5 vm7
check_not "two segments of one VLAN are refused" ctl hostA reload
config hostA 192.0.2.1 4095 103 3 vm1 vm2 vm5 vm7
check_not "VLAN 4095 is refused" ctl hostA reload
config hostA 192.0.2.1 0 103 3 vm1 vm2 vm5 vm7
check_not "VLAN 0 is refused" ctl hostA reload
check "and nothing changed" reaches vm1 "$(v4 vm3)"

# ---- the interface ----

lab_expect 'uplink lan'
on hostA ip addr flush dev eth0
check "an uplink needs no address" reaches vm1 "$(v4 vm3)"
on hostA ip link set eth0 down
check "with the interface down nothing crosses" unreachable vm1 "$(v4 vm3)"
check "what cannot leave is counted" [ "$(all_drops hostA link_down)" -gt 0 ]
lab_raise hostA
check "up again, it does" reaches vm1 "$(v4 vm3)"
on hostA ip link set eth0 down
on hostA ip link set eth0 name eth9
on hostA ip link set eth9 up
check "under another name it is none of ours" unreachable vm1 "$(v4 vm3)"
on hostA ip link set eth9 down
on hostA ip link set eth9 name eth0
lab_raise hostA
check "with its name it is" reaches vm1 "$(v4 vm3)"
on wire ip link del to-hostA
sleep 0.3
ip link add eth0 netns hostA type veth peer name to-hostA netns wire
on wire ip link set to-hostA master wire up
lab_raise hostA
check "another interface of the same name is found" reaches vm1 "$(v4 vm3)"
check "and both tags work on it" reaches vm5 "$(v4 vm6)"
check "each process has one packet socket for all its VLANs" equal "$(on hostA ss -H -0 -n -p 2>/dev/null | grep -c switchd || :)" 1
lab_end
