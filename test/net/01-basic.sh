#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# One host, no wire: two segments, learning, and changes at run time.
#
#	hostA   [ alpha ]--vm1  vm2  vm3     [ beta ]--vm4

# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
lab_begin "$@"

lab_host hostA
lab_guest vm1 vm2 vm3 vm4 vm5
{
	list segments "$(segment alpha 1)" "$(segment beta 2)"
	list ports "$(tap vm1 alpha)" "$(tap vm2 alpha)" "$(tap vm3 alpha 'mtu = 1300; ')" "$(tap vm4 beta)"
} | lab_config hostA
check "the configuration is accepted by -t" "$TVD_BIN/switchd" -c "$LAB/hostA.conf" -t
lab_start hostA
address vm1 vm2 vm3 vm4

# ---- who reaches whom ----

check "vm1 reaches vm2, IPv4" reaches vm1 "$(v4 vm2)"
check "vm2 reaches vm1, IPv6" reaches vm2 "$(v6 vm1)"
check "vm3 reaches vm1" reaches vm3 "$(v4 vm1)"
check "vm1 does not reach vm4 in the other segment" unreachable vm1 "$(v4 vm4)"
check "vm4 does not reach vm2 in the other segment, IPv6" unreachable vm4 "$(v6 vm2)"

# ---- interfaces ----

check "vm1's interface has the configured MAC address" equal "$(lab_mac vm1)" "$(mac vm1)"
check "vm3's interface has the configured MTU" \
	equal "$(on vm3 ip -o link show eth0 | sed 's/.* mtu \([0-9]*\) .*/\1/')" 1300
check "vm1's interface has an MTU of 1500 where nothing limits it" \
	equal "$(on vm1 ip -o link show eth0 | sed 's/.* mtu \([0-9]*\) .*/\1/')" 1500
check "no guest's interface is left in the host" equal "$(on hostA ip -o link show | grep -c -v ' lo:')" 0

# ---- known unicast goes to one port ----

reaches vm1 "$(v4 vm2)"
capture vm3 eth0 "$LAB/vm3.pcap"
third=$LAB_LAST
capture vm4 eth0 "$LAB/vm4.pcap"
other=$LAB_LAST
on vm1 ping -q -n -c 50 -i 0.01 "$(v4 vm2)" >/dev/null
on vm1 ping -q -n -c 3 -i 0.1 -b 10.0.0.255 >/dev/null 2>&1 || :
capture_end "$third"
capture_end "$other"
check "50 pings to a known address: none copied to a third guest" \
	equal "$(fields "$LAB/vm3.pcap" "icmp && ip.dst == $(v4 vm2)" frame.number | wc -l)" 0
check "broadcasts reach the third guest" \
	equal "$(fields "$LAB/vm3.pcap" 'icmp.type == 8 && eth.dst == ff:ff:ff:ff:ff:ff' frame.number | wc -l)" 3
check "nothing of alpha reaches beta" \
	equal "$(fields "$LAB/vm4.pcap" "eth.src != $(mac vm4)" frame.number | wc -l)" 0

# ---- what the switch says ----

fdb=$(ctl hostA -j fdb show)
for guest in vm1 vm2 vm3; do
	check "the FDB has $guest at its port" json \
		"[e['port'] for e in d if e['mac'] == '$(mac $guest)' and e['segment'] == 'alpha'] == ['$guest']" <<<"$fdb"
done
check "fdb show segment beta shows beta only" json "all(e['segment'] == 'beta' for e in d)" <<<"$(ctl hostA -j fdb show segment beta)"
check "FDB entries have state and age" json "all(e['state'] == 'learned' and 0 <= e['age'] < 120 for e in d) and len(d) > 0" <<<"$fdb"
shown=$(ctl hostA -j port show)
check "four ports, all up" json "len(d) == 4 and all(p['state'] == 'up' and p['type'] == 'tap' for p in d)" <<<"$shown"
check "ports count frames and bytes" json \
	"all(p['stats'][k] > 0 for p in d if p['name'] in ('vm1', 'vm2') for k in ('rx_frames', 'rx_bytes', 'tx_frames', 'tx_bytes'))" <<<"$shown"
check "port show NAME shows one" json "[p['name'] for p in d] == ['vm2']" <<<"$(ctl hostA -j port show vm2)"
check "segment show has the FDB's counters" json \
	"[s['fdb']['entries'] for s in d if s['name'] == 'alpha'] == [3]" <<<"$(ctl hostA -j segment show)"
check "status names the host" json "d['host'] == 'hostA' and d['segments'] == 2 and d['ports'] == 4" <<<"$(ctl hostA -j status)"
check "encap show is an empty array" equal "$(ctl hostA -j encap show | tr -d '[:space:]')" "[]"
check "metrics are there" grep -q '^[a-z_]*{.*} [0-9]' <<<"$(ctl hostA metrics)"

# ---- changes at run time ----

check "a port is added" ctl hostA port add vm5 type tap segment alpha ifname eth0 netns vm5 mac "$(mac vm5)"
address vm5
check "its guest reaches another" reaches vm5 "$(v4 vm1)"
check_not "a second port of that name is refused" ctl hostA port add vm5 type tap segment alpha
check_not "a port of an unknown segment is refused" ctl hostA port add vm6 type tap segment gamma
check "the port is deleted" ctl hostA port del vm5
check "its interface is gone" equal "$(on vm5 ip -o link show | grep -c eth0)" 0
check "its FDB entries are gone" json "not [e for e in d if e['mac'] == '$(mac vm5)']" <<<"$(ctl hostA -j fdb show)"
check_not "deleting it again is refused" ctl hostA port del vm5

check "a static entry is added" ctl hostA fdb add 52:54:00:00:00:77 segment alpha port vm2
check "it is shown as static" json "[e['state'] for e in d if e['mac'] == '52:54:00:00:00:77'] == ['static']" <<<"$(ctl hostA -j fdb show)"
check "it is deleted" ctl hostA fdb del 52:54:00:00:00:77 segment alpha
check "flush removes what was learned" ctl hostA fdb flush segment alpha
check "the FDB is empty" json "not d" <<<"$(ctl hostA -j fdb show segment alpha)"
check "and traffic goes on" reaches vm1 "$(v4 vm2)"

# ---- a guest's namespace that is deleted and made anew ----

lab_expect 'port vm2'
ip netns del vm2
wait_until 10 eval 'ctl hostA -j port show vm2 | json "d[0][\"state\"] == \"down\""' || :
check "a port whose namespace is gone is down" json "d[0]['state'] == 'down'" <<<"$(ctl hostA -j port show vm2)"
check "others are not disturbed" reaches vm1 "$(v4 vm3)"
lab_guest vm2
address vm2
check "the port comes back with the namespace" reaches vm2 "$(v4 vm1)"

# ---- the command line ----

status() {
	local status=0
	"$@" >/dev/null 2>&1 || status=$?
	echo $status
}
check "refused requests end with status 1" equal "$(status ctl hostA port del nobody)" 1
check "an unknown object ends with status 2" equal "$(status ctl hostA nonsense)" 2
check "abbreviations work" equal "$(ctl hostA -j por sh | json 'len(d)')" 4
check_not "no switchd at that socket: an error" "$TVD_BIN/switchctl" -s "$LAB/nothing.sock" status
check_not "a second switchd on the same socket is refused" on hostA "$TVD_BIN/switchd" -c "$LAB/hostA.conf"
check "and the first goes on" reaches vm1 "$(v4 vm3)"
lab_end
