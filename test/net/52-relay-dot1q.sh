#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# A VLAN on the LAN and EtherIP across a router: what offloads, sizes and physical
# switches make of it, a plain station of the VLAN, and a relay that is killed while
# nobody but the switches could tell where a silent station has gone.
#
#	vm1--r1 (relay 1)--+          +--r2 (relay)--vm3
#	vm2--h1 (VLAN 102)-+--router--+--h2----------vm4 (VLAN 7)
#	vm7--r4 (relay 2)--+
#	  peer (no switchd)
#
# The LANs are bridges that learn like switches. r1 has both sides on one interface.

# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=SCRIPTDIR/relays.sh
. "$(dirname "$0")/relays.sh"
lab_begin "$@"
transfer=$LAB_TOP/test/net/transfer.py

router
site 1 r1 h1 r4 peer
site 2 r2 h2
wan 4 r4
lab_guest vm1 vm2 vm3 vm4 vm7

vlan() { # VID
	printf '{ type = "dot1q"; uplink = "lan"; vid = %s; }' "$1"
}
relay() { # HOST GUEST UPLINKS SEGMENT-KEYS VID WAN-UPLINK PEER...
	local host=$1 guest=$2 uplinks=$3 keys=$4 vid=$5
	shift 5
	{
		$uplinks ''
		list segments "$(segment alpha 1 "$keys encap = ( $(wan_encap "$@"), $(vlan "$vid") ); ")"
		list ports "$(tap "$guest" alpha)"
	} | lab_config "$host"
}
relay r1 vm1 uplink 'relay_id = 1;' 102 lan 10.9.2.1
relay r2 vm3 uplink '' 7 lan 10.9.1.1 10.8.4.1
relay r4 vm7 wan_uplink 'relay_id = 2;' 102 wan 10.9.2.1
for pair in h1:vm2:102 h2:vm4:7; do
	IFS=: read -r host guest vid <<<"$pair"
	{
		uplink ''
		list segments "{ name = \"alpha\"; encap = ( $(vlan "$vid") ); }"
		list ports "$(tap "$guest" alpha)"
	} | lab_config "$host"
done
for host in r1 h1 r2 h2 r4; do
	lab_start "$host"
done
address vm1 vm2 vm3 vm4 vm7
check "relays of a VLAN become active" becomes 8 r1 active
check "of both LANs" becomes 8 r2 active
check "the second one of a VLAN stands by" becomes 4 r4 standby

# ---- who reaches whom, and what it is on the wire ----

capture lan1 to-r1 "$LAB/lan1.pcap"
wire=$LAB_LAST
for pair in vm1:vm3 vm2:vm4 vm1:vm4 vm2:vm3 vm7:vm4; do
	check "$pair in IPv4" reaches "${pair%:*}" "$(v4 "${pair#*:}")"
	check "$pair in IPv6, the other way" reaches "${pair#*:}" "$(v6 "${pair%:*}")"
done
background peer "$PYTHON" "$LAB_TOP/test/net/vlan.py" member eth0 02:00:00:00:00:99 10.0.0.99 102 >"$LAB/member"
wait_until 10 grep -q ready "$LAB/member"
check "a plain station of the VLAN answers a guest of the other LAN" reaches vm4 10.0.0.99
sleep 1.5 # for a beacon
capture_end "$wire"
check "a guest of the other LAN comes in EtherIP" \
	[ "$(fields "$LAB/lan1.pcap" "ip.proto == 97 && eth.src == $(mac vm4)" frame.number | wc -l)" -ge 1 ]
check "and goes into the VLAN, with its tag" equal \
	"$(fields "$LAB/lan1.pcap" "!(ip.proto == 97) && eth.src == $(mac vm4) && icmp" vlan.id | sort -u)" 102
check "beacons are in the VLAN too" equal \
	"$(fields "$LAB/lan1.pcap" 'eth.dst == 03:52:45:4c:41:59 && vlan' vlan.id | sort -u)" 102
check "broadcasts: one copy for each" exactly_once 800 0.004 vm1 vm2 vm3 vm4 vm7
quiet() {
	local host
	for host in r1 h1 r2 h2 r4; do
		ctl "$host" -j segment show | json "d[0]['fdb']['moved'] == 0" || {
			echo "stations have moved on $host"
			return 1
		}
	done
}
check "and nobody's place flaps" quiet

# ---- sizes and offloads ----

mtu() { # GUEST
	on "$1" ip -o link show dev eth0 | sed 's/.* mtu \([0-9]*\) .*/\1/'
}
check "guests of a relay get what fits the WAN, others what fits their VLAN" equal "$(mtu vm1),$(mtu vm2)" 1464,1500
for server in vm2 vm3 vm4; do
	background "$server" "$PYTHON" "$transfer" serve >"$LAB/$server.serve"
	wait_until 10 grep -q ready "$LAB/$server.serve" || lab_die "no server in $server"
done
check "TCP and UDP, from VLAN to VLAN across the WAN" on vm2 "$PYTHON" "$transfer" check "$(v4 vm4)" "$(v6 vm4)"
check "the other way" on vm4 "$PYTHON" "$transfer" check "$(v4 vm2)" "$(v6 vm2)"
check "between guests of relays" on vm1 "$PYTHON" "$transfer" check "$(v4 vm3)" "$(v6 vm3)"
check "from a guest of a VLAN to one of a relay" on vm2 "$PYTHON" "$transfer" check "$(v4 vm3)"
capture router lan2 "$LAB/sizes.pcap"
wire=$LAB_LAST
capture lan1 to-r1 "$LAB/clamp.pcap"
clamp=$LAB_LAST
bulk() { # FROM TO
	on "$1" "$PYTHON" - "$(v4 "$2")" <<'END'
import socket, sys, threading
with socket.create_connection((sys.argv[1], 5000), timeout=20) as conn:
    left = 4_000_000
    # Beside the reading: an echo that nobody reads fills all buffers, and then nobody goes on.
    def send():
        conn.sendall(bytes(4_000_000))
        conn.shutdown(socket.SHUT_WR)
    sender = threading.Thread(target=send)
    sender.start()
    while left and (data := conn.recv(1 << 20)):
        left -= len(data)
    sender.join()
sys.exit(left != 0)
END
}
# Both directions are one connection's: the echo comes back.
check "4 MB each way, of superframes" bulk vm2 vm4
capture_end "$wire"
finish "$clamp" INT
check "every outer packet fits: no fragments" equal \
	"$(fields "$LAB/sizes.pcap" 'ip.proto == 97 && (ip.flags.mf == 1 || ip.frag_offset > 0)' frame.number | wc -l)" 0
check "none is longer than the MTU" equal \
	"$(fields "$LAB/sizes.pcap" 'ip.proto == 97' frame.len | sort -n | tail -n 1)" 1514
check "the relay has told TCP what fits" equal \
	"$(fields "$LAB/clamp.pcap" '!(ip.proto == 97) && vlan.id == 102 && tcp.flags.syn == 1 && tcp.flags.ack == 1' tcp.options.mss_val | sort -u)" 1424
check "a ping that does not fit is fragmented outside" on vm2 ping -q -n -c 2 -i 0.2 -w 5 -M "do" -s 1472 "$(v4 vm4)"

# ---- silence ----

# vm4 is silent, and its place in the VLAN is known to the bridge alone: at r1.
watch_start vm4 vm2
watcher=$LAB_LAST
background vm2 "$PYTHON" "$relay_py" send eth0 "$(mac vm2)" 3000 0.02 "$(mac vm4)"
flow=$LAB_LAST
wait_until 10 grep -qx 0.00 "$LAB/vm4.watch"
at() { # the bridge's port for vm4
	on lan1 bridge fdb show br lan | awk -v m="$(mac vm4)" '$1 == m { print $3 }'
}
check "the bridge has vm4 at the active relay" equal "$(at)" to-r1
relay_kill r1
check "the active relay is killed, and the other takes over" becomes 8 r4 active
resumed() {
	[ "$(wc -l <"$LAB/vm4.watch")" -ge 3 ]
}
wait_until 5 resumed || :
check "what goes to the silent station arrives again after $(longest_pause vm4) s" below "$(longest_pause vm4)" 5.5
check "since the bridge was told" equal "$(at)" to-r4
finish "$flow" KILL 2>/dev/null
finish "$watcher" KILL 2>/dev/null
check "vm2 reaches the other LAN" reaches vm2 "$(v4 vm3)"

# ---- a loop in the VLAN ----

lab_expect 'its own beacon has come back'
on lan1 bridge link set dev to-r4 hairpin on
check "a relay that hears itself stands by" becomes 4 r4 standby
check "and says why" grep -q 'its own beacon has come back' "$LAB/r4.log"
on lan1 bridge link set dev to-r4 hairpin off
check "when it no longer does, it goes on" becomes 10 r4 active
check "and all is well" reaches vm2 "$(v4 vm4)"
lab_end
