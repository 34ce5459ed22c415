#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Two relays on one LAN: one stands by, and nobody gets anything twice. The active one
# is killed, comes back, loses its WAN; both get one number; one is configured the
# wrong way round.
#
#	vm1--r1 (relay 1)-+          +--r2 (relay)--vm3
#	vm2--h1-----------+--router--+--h2----------vm4
#	vm7--r4 (relay 2)-+
#
# r1 and r4 reach the router through a second interface each.

# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=SCRIPTDIR/relays.sh
. "$(dirname "$0")/relays.sh"
lab_begin "$@"

router
site 1 r1 h1 r4
site 2 r2 h2
wan 1 r1
wan 4 r4
lab_guest vm1 vm2 vm3 vm4 vm7

relay() { # HOST NUMBER GUEST [ENCAPS]
	local encaps
	encaps=${4:-$(lan_encap 239.192.0.1), $(wan_encap wan 10.9.2.1)}
	{
		wan_uplink
		list segments "$(segment alpha 1 "relay_id = $2; encap = ( $encaps ); ")"
		list ports "$(tap "$3" alpha)"
	} | lab_config "$1"
}
relay r1 1 vm1
relay r4 2 vm7
{
	uplink ''
	list segments "$(segment alpha 1 "encap = ( $(lan_encap 239.192.0.1), $(wan_encap lan 10.8.1.1 10.8.4.1) ); ")"
	list ports "$(tap vm3 alpha)"
} | lab_config r2
for pair in h1:vm2 h2:vm4; do
	{
		uplink ''
		list segments "$(segment alpha 1 "$(etherip 239.192.0.1)")"
		list ports "$(tap "${pair#*:}" alpha)"
	} | lab_config "${pair%:*}"
done
for host in r1 h1 r4 r2 h2; do
	lab_start "$host"
done
background r4 "$TVD_BIN/switchctl" -s "$LAB/r4.sock" monitor >"$LAB/r4.events"
monitor=$LAB_LAST
address vm1 vm2 vm3 vm4 vm7
all="vm1 vm2 vm3 vm4 vm7"

# ---- one is active ----

check "of two relays on a LAN the one with the lower number is active" becomes 10 r1 active
check "the other stands by" becomes 5 r4 standby
check "and says for whom" json "(d[0]['why'], [h['id'] for h in d[0]['heard'] if h['side'] == 'lan' and h['state'] == 'active']) == ('another relay is on its LAN', [1])" \
	<<<"$(ctl r4 -j relay show)"
check "in its log" grep -q 'relay 2 stands by for relay 1 on its LAN' "$LAB/r4.log"
check "there is one of another LAN too" becomes 5 r2 active
check "a guest of the one that stands by reaches the other LAN through the active one" reaches vm7 "$(v4 vm4)"
check "and is at its own host for the LAN, not at a relay" json "[e['dst'] for e in d if e['mac'] == '$(mac vm7)'] == ['10.9.1.3']" \
	<<<"$(ctl h1 -j fdb show)"
# shellcheck disable=SC2086 # words
check "each guest gets one copy of 2000 broadcasts of each other one" exactly_once 2000 0.004 $all
quiet() {
	local host
	for host in r1 h1 r4 r2 h2; do
		ctl "$host" -j segment show | json "d[0]['fdb']['moved'] == 0" || {
			echo "stations have moved on $host"
			return 1
		}
		equal "$(all_drops "$host" loop)" 0
	done
}
check "and nobody's place flaps" quiet
check "what the standing by one hears from the WAN is dropped and counted" [ "$(encap_drops r4 alpha standby)" -ge 2000 ]
check "trace says why a guest's frame does not go to its WAN" grep -q 'the relay is standby' \
	<<<"$(ctl r4 trace port vm7 "ffffffffffff$(mac vm7 | tr -d :)88b5")"

# ---- the active one dies ----

flows=()
watch_start vm4 vm2
flows+=("$LAB_LAST")
watch_start vm2 vm4
flows+=("$LAB_LAST")
for pair in vm2:vm4 vm4:vm2; do
	# Unicast of a station to one that does not answer.
	background "${pair%:*}" "$PYTHON" "$relay_py" send eth0 "$(mac "${pair%:*}")" 3000 0.02 "$(mac "${pair#*:}")"
	flows+=("$LAB_LAST")
done
wait_until 10 grep -qx 0.00 "$LAB/vm4.watch"
wait_until 10 grep -qx 0.00 "$LAB/vm2.watch"
relay_kill r1
check "the active one is killed, and the other takes over" becomes 8 r4 active
resumed() { # GUEST
	[ "$(wc -l <"$LAB/$1.watch")" -ge 3 ]
}
wait_until 5 resumed vm4 || :
wait_until 5 resumed vm2 || :
check "unicast to the other LAN goes on after $(longest_pause vm4) s" below "$(longest_pause vm4)" 5.5
check "and from there, after $(longest_pause vm2) s" below "$(longest_pause vm2)" 5.5
for flow in "${flows[@]}"; do
	finish "$flow" KILL 2>/dev/null
done
finish "$monitor"
check "it was announced" json "any(e['event'] == 'relay' and e['state'] == 'active' and e['relay_id'] == 2 for e in d)" \
	<<<"[$(paste -sd, "$LAB/r4.events")]"
check "guests reach each other again" reaches vm2 "$(v4 vm3)"
check "that of the new one too" reaches vm7 "$(v4 vm4)"

# ---- it comes back ----

counters_start vm2 vm3 vm4 vm7
lab_start r1
broadcasts 1300 0.005 vm2 vm4 &
sender=$!
check "it takes over again" becomes 8 r1 active
check "and the other makes way" becomes 2 r4 standby
wait "$sender"
counters_end vm2 vm3 vm4 vm7
check "nobody got anything twice meanwhile" no_copies vm2 vm3 vm4 vm7
lost=$(awk -v m="$(mac vm2)" '$1 == m { print 1300 - $2 }' "$LAB/vm4.counts")
check "and of 6.5 s less than 1.5 were lost ($lost frames of 1300)" [ "${lost:-1300}" -lt 300 ]
address vm1
# shellcheck disable=SC2086 # words
check "then it is one copy for each again" exactly_once 300 0.004 $all

# ---- it loses its WAN ----

lab_expect 'uplink wan'
on r1 ip link set wan0 down
check "a relay without its WAN stands by" becomes 4 r1 standby
check "and the other takes over at once" becomes 3 r4 active
check "its guest goes through the other" reaches vm1 "$(v4 vm4)"
on r1 ip link set wan0 up
on r1 ip route replace default via 10.8.1.254
check "with its WAN it is back" becomes 8 r1 active
check "and all is as it was" reaches vm1 "$(v4 vm3)"

# ---- mistakes ----

lab_expect 'another relay has number 1 too' 'is heard on two sides' 'behind this relay is a group'
relay r4 1 vm7
check "both get one number" ctl r4 reload
one_active() {
	case "$(relay_state r1) $(relay_state r4)" in
	'active standby' | 'standby active') return 0 ;;
	*) return 1 ;;
	esac
}
wait_until 10 one_active || :
check "one of them is active" one_active
check "with a warning" grep -q 'another relay has number 1 too' "$LAB/r1.log" "$LAB/r4.log"
relay r4 2 vm7 "$(lan_encap 239.192.0.1 | sed 's/group/relay = true; group/'), $(wan_encap wan 10.9.2.1 10.8.1.1 | sed 's/relay = true; //')"
relay r1 1 vm1 "$(lan_encap 239.192.0.1), $(wan_encap wan 10.9.2.1 10.8.4.1)"
check "one takes its LAN for the WAN" ctl r4 reload
check "and is the other's peer" ctl r1 reload
check "the right one is active" becomes 8 r1 active
check "the wrong one stands by" becomes 8 r4 standby
check "with a warning" grep -q 'relay 1 is heard on two sides' "$LAB/r4.log"
# shellcheck disable=SC2086 # words
check "one copy for each of the others" exactly_once 300 0.004 vm1 vm2 vm3 vm4
lab_end
