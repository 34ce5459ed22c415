#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Relays: three LANs with EtherIP groups, joined by a full mesh of relays across a
# router. Everybody reaches everybody, one copy of each broadcast, nobody's place
# flaps; what is on the wire of each LAN and in between; what does not fit.
#
#	vm1--r1 (relay)--+          +--r2 (relay)--vm3
#	vm2--h1----------+--router--+--h2----------vm4
#	                       |
#	vm5--r3 (relay; a second interface leads to the router)
#	vm6--h3--+ LAN of r3

# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=SCRIPTDIR/relays.sh
. "$(dirname "$0")/relays.sh"
lab_begin "$@"
transfer=$LAB_TOP/test/net/transfer.py
guests="vm1 vm2 vm3 vm4 vm5 vm6"

router
site 1 r1 h1
site 2 r2 h2
site 3 r3 h3
wan 3 r3
# shellcheck disable=SC2086 # words
lab_guest $guests

# The LAN groups of sites 1 and 2 are the same: nothing routes them. Relays r1 and r2 have
# both sides on one interface, r3 has two.
relay() { # HOST GUEST UPLINKS GROUP WAN-UPLINK PEER...
	local host=$1 guest=$2 uplinks=$3 group=$4
	shift 4
	{
		$uplinks ''
		list segments "$(segment alpha 1 "encap = ( $(lan_encap "$group"), $(wan_encap "$@") ); ")"
		list ports "$(tap "$guest" alpha)"
	} | lab_config "$host"
}
member() { # HOST GUEST GROUP
	{
		uplink ''
		list segments "$(segment alpha 1 "$(etherip "$3")")"
		list ports "$(tap "$2" alpha)"
	} | lab_config "$1"
}
relay r1 vm1 uplink 239.192.0.1 lan 10.9.2.1 10.8.3.1
relay r2 vm3 uplink 239.192.0.1 lan 10.9.1.1 10.8.3.1
relay r3 vm5 wan_uplink 239.192.0.1 wan 10.9.1.1 10.9.2.1
member h1 vm2 239.192.0.1
member h2 vm4 239.192.0.1
member h3 vm6 239.192.0.1
for host in r1 h1 r2 h2 r3 h3; do
	lab_start "$host"
	[ $host != r3 ] || check "a relay listens first" relay_is r3 listening
done
# shellcheck disable=SC2086 # words
address $guests
for host in r1 r2 r3; do
	check "the relay $host becomes active" becomes 8 "$host" active
done
check "a member is no relay, and knows of one" json \
	"[(r['state'], [(h['state'], h['side'], h['dst']) for h in r['heard']]) for r in d] == [(None, [('active', 'lan', '10.9.1.1')])]" \
	<<<"$(ctl h1 -j relay show)"
check "a relay has heard the others behind the router" json \
	"sorted((h['state'], h['side'], h['dst']) for h in d[0]['heard']) == [('active', 'wan', '10.8.3.1'), ('active', 'wan', '10.9.2.1')]" \
	<<<"$(ctl r1 -j relay show segment alpha)"

# ---- who reaches whom ----

capture lan2 router "$LAB/lan2.pcap"
wire=$LAB_LAST
all_pairs() {
	local a b
	for a in $guests; do
		for b in $guests; do
			[ "$a" = "$b" ] || reaches "$a" "$(v4 "$b")" || {
				echo "$a does not reach $b"
				return 1
			}
		done
	done
}
check "every guest reaches every other" all_pairs
for server in vm2 vm3 vm6; do
	background "$server" "$PYTHON" "$transfer" serve >"$LAB/$server.serve"
	wait_until 10 grep -q ready "$LAB/$server.serve" || lab_die "no server in $server"
done
check "TCP and UDP between members of two LANs" on vm4 "$PYTHON" "$transfer" check "$(v4 vm2)" "$(v6 vm2)"
check "between guests of two relays" on vm1 "$PYTHON" "$transfer" check "$(v4 vm3)" "$(v6 vm3)"
check "from a relay's guest to a member of another LAN" on vm1 "$PYTHON" "$transfer" check "$(v4 vm6)"
sleep 1.1 # in which each side gets a beacon
capture_end "$wire"
check "what crosses is the relay's own: other LANs' members are at r2 for h2" json \
	"{e['mac']: e['dst'] for e in d if e.get('dst')} == {'$(mac vm1)': '10.9.2.1', '$(mac vm2)': '10.9.2.1', '$(mac vm3)': '10.9.2.1', '$(mac vm5)': '10.9.2.1', '$(mac vm6)': '10.9.2.1'}" \
	<<<"$(ctl h2 -j fdb show)"
check "and for r2 at the relays, and its own LAN's at h2" json \
	"{e['mac']: e['dst'] for e in d if e.get('dst')} == {'$(mac vm1)': '10.9.1.1', '$(mac vm2)': '10.9.1.1', '$(mac vm4)': '10.9.2.2', '$(mac vm5)': '10.8.3.1', '$(mac vm6)': '10.8.3.1'}" \
	<<<"$(ctl r2 -j fdb show)"
check "across the router go only the relays' unicast packets" equal \
	"$(fields "$LAB/lan2.pcap" 'ip.proto == 97 && !(ip.dst == 239.192.0.1)' ip.src ip.dst | sed 's/,[^\t]*//g' | sort -u)" \
	"$(printf '%s\t%s\n' 10.8.3.1 10.9.2.1 10.9.1.1 10.9.2.1 10.9.2.1 10.8.3.1 10.9.2.1 10.9.1.1)"
check "a beacon says: TVDR, version 1, active, to the LAN or to a WAN" equal \
	"$(fields "$LAB/lan2.pcap" 'eth.dst == 03:52:45:4c:41:59 && eth.type == 0x88b6' ip.dst data.data |
		awk '{ print ($1 ~ /^239/), substr($2, 1, 14) }' | sort -u)" $'0 54564452010302\n1 54564452010301'

# ---- exactly one copy ----

# shellcheck disable=SC2086 # words
check "6 guests send 1000 broadcasts each: one copy for each other guest" exactly_once 1000 0.002 $guests
for host in r1 h1 r2 h2 r3 h3; do
	check "nobody's place has flapped on $host" json "d[0]['fdb']['moved'] == 0" <<<"$(ctl "$host" -j segment show)"
	check "nor was anything dropped as a loop" equal "$(all_drops "$host" loop)" 0
done
check "no relay has changed its mind" json "d[0]['changes'] == 2 and d[0]['limited'] == 0" <<<"$(ctl r1 -j relay show)"
hears_beacon() { # GUEST
	on "$1" timeout 2.2 "$PYTHON" -c 'import socket
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x88b6))
s.bind(("eth0", 0x88b6))
s.recv(100)'
}
listeners=()
for guest in $guests; do
	hears_beacon "$guest" &
	listeners+=($!)
done
heard=0
for pid in "${listeners[@]}"; do
	! wait "$pid" || heard=$((heard + 1))
done
check "no guest gets a beacon" equal "$heard" 0

# ---- a planned restart ----

counters_start vm2 vm4
broadcasts 600 0.005 vm2 vm4 &
sender=$!
old=${LAB_PID[r1]} status=0
nsenter --net=/run/netns/r1 -- setpriv --pdeathsig KILL "$TVD_BIN/switchd" -c "$LAB/r1.conf" --takeover \
	</dev/null >>"$LAB/r1.log" 2>&1 &
LAB_PID[r1]=$!
wait_until 15 lab_gone "$old" || :
wait "$old" || status=$?
check "a successor takes over from a relay (status $status)" wait_until 15 lab_answers r1
check "and is active at once" json "(d[0]['state'], d[0]['changes']) == ('active', 0)" <<<"$(ctl r1 -j relay show)"
wait "$sender"
counters_end vm2 vm4
lost=$(awk -v m="$(mac vm2)" '$1 == m { print 600 - $2 }' "$LAB/vm4.counts")
# One that listened first would lose all of it.
check "of 3 s of frames across less than 1.5 s are lost ($lost of 600)" [ "${lost:-600}" -lt 300 ]
check "and none came twice" no_copies vm2 vm4
check "nobody else noticed" json "sorted(h['state'] for h in d[0]['heard']) == ['active', 'active'] and d[0]['changes'] == 2" <<<"$(ctl r2 -j relay show)"

# ---- guests that forge beacons ----

before=$(ctl r1 -j relay show | json "d[0]['changes']")
for state in 2 3 4; do
	on vm1 "$PYTHON" "$relay_py" beacon eth0 "$(mac vm1)" "$state" 1
	on vm2 "$PYTHON" "$relay_py" beacon eth0 "$(mac vm2)" "$state" 1
done
on vm2 "$PYTHON" "$relay_py" beacon eth0 "$(mac vm2)" 3 1 0800
wait_until 3 [ "$(port_drops h1 vm2 beacon)" = 4 ] || :
check "a forged beacon of a member's guest is dropped and counted" equal "$(port_drops h1 vm2 beacon)" 4
check "so is one of a relay's guest" equal "$(port_drops r1 vm1 beacon)" 3
check "none has come to the relay" json "all(h['id'] != 1 for h in d[0]['heard']) and d[0]['changes'] == $before" <<<"$(ctl r1 -j relay show)"
lab_end
