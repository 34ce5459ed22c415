#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# A guest that routes between segments, on a trunk port: who reaches whom through it
# and nobody past it, superframes under tags, changes that touch one VLAN only, bad
# tags, and trunk ports of other types than TAPs.
#
#	hostA--vm1 (alpha)--+                        hostB--vm4 (alpha)
#	  |   \vm2 (beta)---+-- router: 101, 102,      |
#	  |    \vm3 (admin)-+   and admin untagged     |
#	  |     (gamma: 103 later)                     |
#	  +------------------- wire -------------------+

# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
lab_begin "$@"
here=$LAB_TOP/test/net
transfer=$here/transfer.py

lab_host hostA 192.0.2.1/24
lab_host hostB 192.0.2.2/24
lab_wire hostA hostB
lab_guest router vm1 vm2 vm3 vm4 vm5 vm6 vm7

place() { # NAME ID [KEYS]: a segment
	printf '{ name = "%s"; id = %s; domain = "lab"; %s}' "$1" "$2" "${3:-}"
}
trunk() { # NAME TYPE-AND-KEYS LIST [MORE-KEYS]
	printf '{ name = "%s"; type = %s; trunk = ( %s ); %s}' "$1" "$2" "$3" "${4:-}"
}
vlan() { # VID SEGMENT
	printf '{ vid = %s; segment = "%s"; }' "$@"
}
router_mac=52:54:00:00:00:fe
as_tap="\"tap\"; ifname = \"eth0\"; netns = \"router\"; mac = \"$router_mac\""
both="$(vlan 101 alpha), $(vlan 102 beta)"
configure() { # ROUTER-PORT [PORT...]
	{
		uplink 192.0.2.1
		list segments "$(place alpha 1 "$(etherip 239.192.0.1)")" "$(place beta 2)" \
			"$(place admin 3)" "$(place gamma 4)"
		# The router tells nobody of MTUs: vm2 has that of alpha.
		list ports "$@" "$(tap vm1 alpha)" "$(tap vm2 beta 'mtu = 1464; ')" "$(tap vm3 admin)" "$(tap vm5 gamma)"
	} | lab_config hostA
}
configure "$(trunk router "$as_tap" "$both" 'native = "admin"; ')"
{
	uplink 192.0.2.2
	list segments "$(place alpha 1 "$(etherip 239.192.0.1)")"
	list ports "$(tap vm4 alpha)"
} | lab_config hostB
lab_start hostA
lab_start hostB

guest() { # NAME NET HOST-NUMBER
	lab_address "$1" "10.$2.0.$3/24"
	on "$1" ip route add default via "10.$2.0.254"
}
guest vm1 1 1
guest vm2 2 1
guest vm3 3 1
guest vm4 1 4
guest vm5 4 1
wait_until 10 lab_raised router || lab_die "the router has no interface"

# ---- without it, the segments are apart ----

check "alpha is one segment on both hosts" reaches vm1 10.1.0.4
check "alpha does not reach beta" unreachable vm1 10.2.0.1

background router "$PYTHON" "$here/router.py" eth0 "$router_mac" 101:10.1.0.254 102:10.2.0.254 \
	103:10.4.0.254 0:10.3.0.254 >"$LAB/router.out"
router=$LAB_LAST
wait_until 20 grep -q ready "$LAB/router.out" || lab_die "the router does not start"

# ---- through it ----

for gateway in vm1:10.1.0.254 vm2:10.2.0.254 vm3:10.3.0.254 vm4:10.1.0.254; do
	check "${gateway%:*} reaches the router" reaches "${gateway%:*}" "${gateway#*:}"
done
check "alpha reaches beta" reaches vm1 10.2.0.1
check "beta reaches admin, which is native" reaches vm2 10.3.0.1
check "alpha on the other host reaches beta" reaches vm4 10.2.0.1
check "gamma reaches no router: its VLAN is not listed" unreachable vm5 10.4.0.254

shown=$(ctl hostA -j port show router)
check "port show has VLANs and native segment" json \
	"(d[0]['trunk'], d[0]['native'], d[0]['segment'], d[0]['state']) == ([{'vid': 101, 'segment': 'alpha'}, {'vid': 102, 'segment': 'beta'}], 'admin', 'admin', 'up')" <<<"$shown"
check "and so in words" grep -q 'trunk 101=alpha,102=beta native admin' <<<"$(ctl hostA port show router)"
check "the MTU is the smallest: alpha's" json "d[0]['mtu'] == 1464" <<<"$shown"
check "segment show counts the router" equal "$(ctl hostA -j segment show | json "[s['ports'] for s in d]")" "[2, 2, 2, 1]"
check "its address is known in each of its segments" equal \
	"$(ctl hostA -j fdb show | json "sorted(e['segment'] + ' ' + e['port'] for e in d if e['mac'] == '$router_mac')")" \
	"['admin router', 'alpha router', 'beta router']"

# ---- superframes ----

background vm2 "$PYTHON" "$transfer" serve >"$LAB/serve2"
background vm4 "$PYTHON" "$transfer" serve >"$LAB/serve4"
for n in 2 4; do
	wait_until 10 grep -q ready "$LAB/serve$n" || lab_die "no server in vm$n"
done
ip_of() { # GUEST: as transfer.py wants it
	case $1 in vm2) echo 10.2.0.1 ;; *) echo 10.1.0.4 ;; esac
}
check "TCP and UDP from alpha to beta" on vm1 "$PYTHON" "$transfer" check "$(ip_of vm2)"
check "and from beta to alpha on the other host" on vm2 "$PYTHON" "$transfer" check "$(ip_of vm4)"
check "superframes came to the router whole, in both VLANs" equal \
	"$(grep segments "$LAB/router.out" | cut -d ' ' -f 1 | sort | tr '\n' ' ')" "101 102 "
check "and from it, under their tags" json "d[0]['stats']['rx_segments'] > d[0]['stats']['rx_frames']" \
	<<<"$(ctl hostA -j port show router)"
check "nothing was dropped on the way" equal "$(port_drops hostA router bad_offload) $(port_drops hostA router bad_offload tx)" "0 0"

# ---- what is shown ----

frame() { # TAG-IN-HEX: a broadcast of the router
	printf 'ffffffffffff%s%s88b5%0100d' "${router_mac//:/}" "$1" 0
}
trace() { # FRAME
	ctl hostA -j trace port router "$1" | json "d['verdict'] + ' ' + ' '.join(sorted(t.get('port', t.get('encap')) for t in d['to'])) + str(d['reason'] or '')"
}
check "trace: VLAN 101 is alpha" equal "$(trace "$(frame 81000065)")" "flood etherip vm1"
check "trace: VLAN 102 is beta" equal "$(trace "$(frame 81000066)")" "flood vm2"
check "trace: without a tag, admin" equal "$(trace "$(frame '')")" "flood vm3"
check "trace: VLAN 103 is dropped" equal "$(trace "$(frame 81000067)")" "drop tagged"
check "trace: to the router with its tag" json "[t['vid'] for t in d['to'] if t.get('port') == 'router'] == [101]" \
	<<<"$(ctl hostA -j trace port vm1 "ffffffffffff525400000001 88b5 $(printf '%0100d' 0)")"
"$TVD_BIN/switchctl" -s "$LAB/hostA.sock" pcap port router icmp or vlan >"$LAB/port.pcap" &
LAB_CHILDREN+=($!)
of_port=$!
"$TVD_BIN/switchctl" -s "$LAB/hostA.sock" pcap segment beta icmp or vlan >"$LAB/segment.pcap" &
LAB_CHILDREN+=($!)
of_segment=$!
wait_until 5 test -s "$LAB/port.pcap"
wait_until 5 test -s "$LAB/segment.pcap"
on vm1 ping -q -n -c 3 -i 0.05 10.2.0.1 >/dev/null
sleep 0.5
finish "$of_port" INT
finish "$of_segment" INT
check "a capture of the port has the tags" equal "$(fields "$LAB/port.pcap" icmp vlan.id | sort | uniq -c | tr -s ' \n' ' ')" " 6 101 6 102 "
check "one of a segment has none" equal "$(fields "$LAB/segment.pcap" icmp vlan.id | sort | uniq -c | tr -s ' \n' ' ')" " 6 "

# ---- the forwarding database ----

check "a static entry at the router, in a segment of its" ctl hostA fdb add 52:54:00:00:aa:01 segment beta port router
check_not "but not in another" ctl hostA fdb add 52:54:00:00:aa:01 segment gamma port router
check "deleted" ctl hostA fdb del 52:54:00:00:aa:01 segment beta
check "a flush of the port is of all its segments" equal "$(ctl hostA -j fdb flush port router | json "d['flushed'] >= 3")" ''
check_not "and of none other" ctl hostA fdb flush segment gamma port router

# ---- changes under traffic ----

background vm1 ping -n -i 0.01 10.1.0.254 >"$LAB/ping.log"
pinger=$LAB_LAST
wait_until 10 grep -q 'bytes from' "$LAB/ping.log" || lab_die "vm1 lost the router"
check "port set adds a VLAN" ctl hostA port set router trunk 101=alpha,102=beta,103=gamma
check "gamma reaches the router" reaches vm5 10.4.0.254
check "and beta behind it" reaches vm5 10.2.0.1
check_not "a VLAN twice is refused" ctl hostA port set router trunk 101=alpha,101=beta
check_not "4095 is refused" ctl hostA port set router trunk 101=alpha,4095=beta
check_not "a segment that is not there is refused" ctl hostA port set router trunk 101=nowhere
check_not "a list that is none is refused" ctl hostA port set router trunk alpha
check "the three are still there" equal "$(ctl hostA -j port show router | json "[v['vid'] for v in d[0]['trunk']]")" "[101, 102, 103]"
check "another native segment" ctl hostA port set router trunk 101=alpha,102=beta native gamma
check "admin is cut" unreachable vm3 10.3.0.254
check "a reload has the file's again" ctl hostA reload
check "admin is back" reaches vm3 10.3.0.254
check "gamma is cut" unreachable vm5 10.4.0.254
# A segment goes, and another comes, in one reload.
sed -i 's/"beta"; id = 2/"delta"; id = 2/; s/vid = 102; segment = "beta"/vid = 102; segment = "delta"/; s/type = "tap"; segment = "beta"/type = "tap"; segment = "delta"/' "$LAB/hostA.conf"
check "beta becomes delta, by a reload" ctl hostA reload
check "its guest kept its interface and its address" reaches vm2 10.2.0.254
check "alpha reaches it" reaches vm1 10.2.0.1
finish "$pinger" INT
lost=$(tail -n 3 "$LAB/ping.log" | sed -n 's/.* \([0-9.]*\)% packet loss.*/\1/p')
check "meanwhile VLAN 101 lost nothing ($(tail -n 3 "$LAB/ping.log" | grep -o '[0-9]* packets transmitted'))" equal "$lost" 0

# ---- bad tags ----

tagged() { # PORT GUEST TAGS...: how many of them the port dropped as tagged
	local port=$1 guest=$2 before
	shift 2
	before=$(port_drops hostA "$port" tagged)
	on "$guest" "$PYTHON" "$here/vlan.py" send eth0 52:54:00:00:00:77 "$@"
	wait_until 5 dropped_since "$port" "$before" "$#"
	echo $(($(port_drops hostA "$port" tagged) - before))
}
dropped_since() { # PORT BEFORE COUNT
	[ $(($(port_drops hostA "$1" tagged) - $2)) -ge "$3" ]
}
eight=8100:101/8100:102/88a8:1/8100:4095/8100:1/8100:1/8100:1/8100:1
check "on the trunk: VIDs not listed, 4095, 802.1ad, stacks" equal "$(tagged router router 8100:103 8100:4095 \
	88a8:101 88a8:101/8100:101 8100:101/8100:102 8100:0/8100:101 "$eight" 8100:103/8100:101)" 8
check "at an access port: each tag but that of VLAN 0" equal \
	"$(tagged vm1 vm1 8100:101 8100:4095 88a8:1 8100:0/8100:101 "$eight")" 5
before=$(port_drops hostA router tagged)
capture vm1 eth0 "$LAB/vm1.pcap"
at=$LAB_LAST
on router "$PYTHON" "$here/vlan.py" send eth0 52:54:00:00:00:77 8100:101 8100:0xe065 8100:101/8100:0
capture_end "$at"
check "with priority, or a priority tag inside: untagged in alpha" equal \
	"$("$PYTHON" "$here/vlan.py" heads "$LAB/vm1.pcap" 52:54:00:00:00:77)" 88b5
check "none of them dropped" equal "$(port_drops hostA router tagged)" "$before"

# ---- other types ----

on hostA ip link add veth6 type veth peer name eth0 netns vm6
on vm6 ip link set eth0 address "$(mac vm6)" up
finish "$router"
sed -i '/name = "router"/d' "$LAB/hostA.conf"
check "a reload without the router" ctl hostA reload
check "a trunk port on an interface" ctl hostA port add vm6 type netdev interface veth6 trunk 7=alpha,8=gamma
check "a trunk port on a stream" ctl hostA port add vm7 type stream path "$LAB/vm7.sock" trunk 7=gamma native alpha
background hostA "$PYTHON" "$here/sockguest.py" guest vm7 "$(mac vm7)" stream-connect "$LAB/vm7.sock" >"$LAB/vm7.out" 2>"$LAB/vm7.err"
wait_until 10 lab_raised vm7 || lab_die "vm7: $(cat "$LAB/vm7.err")"
station() { # GUEST MAC ADDRESS VID
	background "$1" "$PYTHON" "$here/vlan.py" member eth0 "$2" "$3" "$4" >"$LAB/station-$3"
	wait_until 10 grep -q ready "$LAB/station-$3" || lab_die "no station in $1"
}
station vm6 02:00:00:00:06:07 10.1.0.67 7
station vm6 02:00:00:00:06:08 10.4.0.68 8
station vm7 02:00:00:00:07:07 10.4.0.77 7
check "interface: VLAN 7 is alpha" reaches vm1 10.1.0.67
check "also from the other host" reaches vm4 10.1.0.67
check "VLAN 8 is gamma" reaches vm5 10.4.0.68
check "stream: VLAN 7 is gamma" reaches vm5 10.4.0.77
lab_address vm7 10.1.0.7/24
check "and alpha has no tag" reaches vm1 10.1.0.7
check "from stream to interface" reaches vm7 10.1.0.67
check "VLAN 7 of the one is not VLAN 7 of the other" unreachable vm1 10.4.0.77

# ---- a wildcard's ports ----

check "a wildcard of trunk ports" ctl hostA port add wild type netdev interface 'wild*' trunk 9=alpha state open
check_not "it is in no segment itself" ctl hostA trace port wild "$(frame '')"
on hostA ip link add wild1 type veth peer name eth1 netns vm6
on vm6 ip link set eth1 up
wait_until 10 ctl hostA -j port show wild/wild1 >/dev/null 2>&1 || :
check "the one for an interface is" json "(d[0]['trunk'], d[0]['native']) == ([{'vid': 9, 'segment': 'alpha'}], None)" \
	<<<"$(ctl hostA -j port show wild/wild1)"
sed -i 's/"alpha"; id = 1/"alpha"; id = 5/' "$LAB/hostA.conf"
check "a reload makes alpha anew" ctl hostA reload
check "with all its members" equal "$(ctl hostA -j segment show alpha | json "d[0]['ports']")" 4
sed -i 's/"alpha"; id = 5/"alpha"; id = 1/' "$LAB/hostA.conf"
check "and as it was" ctl hostA reload
check "the interface's station is reached" reaches vm1 10.1.0.67
check "the stream's guest, too" reaches vm1 10.1.0.7

# ---- domains ----

check "a segment of another domain" ctl hostA segment add foreign domain other
check_not "a port that joins it with lab's is refused" ctl hostA port set vm7 trunk 7=gamma,8=foreign
check "with the path" grep -q 'from "lab" to "other" is closed, but there is a way: "lab" -> "other" (port "vm7")' \
	<<<"$(ctl hostA port set vm7 trunk 7=gamma,8=foreign 2>&1)"
check "unless that is meant" ctl hostA port set vm7 trunk 7=gamma,8=foreign indirect true
check "which is shown" json "d[0]['indirect'] is True" <<<"$(ctl hostA -j port show vm7)"
check "so is a second port of a guest" ctl hostA port add vm7b type tap segment gamma netns vm7 ifname eth7
check_not "another domain's is refused" ctl hostA port set vm7b segment foreign guest vm1
check_not "a mirror from another domain, too" ctl hostA mirror add m port vm7 port vm1
check "but not to a port where that is meant" ctl hostA mirror add m port vm1 port vm7
lab_end
