#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# A member of a LAN forges beacons, 20,000 and more a second. It can keep the relay
# from relaying, as switchd-forwarding(7) says; it cannot make it send, log or forget
# more for that, nor keep others in the segment from talking.
#
#	vm1--r1 (relay)---+          +--r2 (relay)--vm3
#	vm2--h1-----------+--router--+
#	evil--------------+

# shellcheck disable=SC2016 # what eval is given stands in single quotes
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=SCRIPTDIR/relays.sh
. "$(dirname "$0")/relays.sh"
lab_begin "$@"
lab_expect 'its own beacon has come back' 'similar messages' 'has number [0-9]+ too' 'is heard on two sides' 'come and go too often'

router
site 1 r1 h1 evil
site 2 r2
lab_guest vm1 vm2 vm3
for site in 1:vm1:10.9.2.1 2:vm3:10.9.1.1; do
	IFS=: read -r n guest peer <<<"$site"
	{
		uplink ''
		list segments "$(segment alpha 1 "relay_id = 10$n; encap = ( $(lan_encap 239.192.0.1), $(wan_encap lan "$peer") ); ")"
		list ports "$(tap "$guest" alpha)"
	} | lab_config "r$n"
done
{
	uplink ''
	list segments "$(segment alpha 1 "$(etherip 239.192.0.1)")"
	list ports "$(tap vm2 alpha)"
} | lab_config h1
for host in r1 r2 h1; do
	lab_start "$host"
done
address vm1 vm2 vm3
check "the relays are active" becomes 10 r1 active
check "both" becomes 10 r2 active
check "guests of both LANs reach each other" reaches vm2 "$(v4 vm3)"

# What r1 has sent by itself: beacons and announcements, on the LAN or through it.
own() {
	fields "$LAB/wire.pcap" "ip.src == 10.9.1.1 and (eth.dst == 03:52:45:4c:41:59 or arp)" frame.number | wc -l
}
flood() { # TEXT MOST-FRAMES STATES NUMBERS
	local text=$1 most=$2 lines sent answer seconds=2
	shift 2
	lines=$(wc -l <"$LAB/r1.log")
	capture evil eth0 "$LAB/wire.pcap" "ip proto 97 and src host 10.9.1.1"
	local wire=$LAB_LAST
	on evil "$PYTHON" "$relay_py" flood eth0 10.9.1.3 10.9.1.1 "$seconds" "$@" >"$LAB/flood" &
	local flooder=$!
	answer=$("$PYTHON" "$LAB_TOP/test/net/attack.py" ask "$LAB/r1.sock" "$seconds") || :
	wait "$flooder" || flunk "$text: the flood ran"
	capture_end "$wire"
	sent=$(own)
	lines=$(($(wc -l <"$LAB/r1.log") - lines))
	check "$text: $(cat "$LAB/flood") forged beacons, and the control socket answers (within ${answer:-?} ms)" [ "${answer:-9999}" -lt 2000 ]
	check "$text: it sends no more than $most frames for them ($sent)" [ "$sent" -le "$most" ]
	check "$text: and logs no more than 40 lines ($lines)" [ "$lines" -le 40 ]
	check "$text: guests of the LAN still reach each other" reaches vm1 "$(v4 vm2)"
	check "$text: afterwards the relay is active again" becomes 15 r1 active
	check "$text: and relays" reaches vm2 "$(v4 vm3)"
}
flood "one that prevails and makes way in turns" 60 3,4 1
flood "one that does not prevail, active in turns" 60 3,4 4000000000
flood "thousands of relays" 60 1,2,3,4 1-100000
flood "one with the same number" 60 3,4 101
flood "its own beacon" 60 own,own 101
lab_end
