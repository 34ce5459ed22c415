#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# A domain that asks for integrity: of rogue DHCP, ARP and ND spoofing, router
# advertisements, BPDUs and stolen addresses nothing arrives, on its host or another.
# Beside it the same without.
#
#	hostA: vm1 (victim), vm3 (attacker), vm5 (DHCP server) --eth0--wire--eth0-- hostB: vm2

# shellcheck disable=SC2016 # what eval is given stands in single quotes
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
# Debian's python3, for scapy.
/usr/bin/python3 -c 'import scapy.all' 2>/dev/null || lab_skip "there is no scapy (package python3-scapy)"
lab_begin "$@"
spoof=$LAB_TOP/test/net/spoof.py

lab_guest vm1 vm2 vm3 vm5
lab_host hostA 192.0.2.1/24
lab_host hostB 192.0.2.2/24
lab_wire hostA hostB
honest() { # GUEST [MORE-KEYS]
	tap "$1" alpha "addresses = [ \"$(v4 "$1")\", \"$(v6 "$1")\" ]; ${2:-}"
}
configure() { # INTEGRITY
	{
		list uplinks '{ name = "lan"; interface = "eth0"; }'
		list domains "{ name = \"alpha\"; integrity = $1; }"
		list segments "$(segment alpha 1 "storm = 0; $(etherip 239.192.0.1)")"
		# Where a port names addresses they hold, integrity or not: vm3 names them only with it.
		if [ "$1" = true ]; then three=$(honest vm3); else three=$(tap vm3 alpha); fi
		list ports "$(honest vm1)" "$three" "$(honest vm5 'guard = { dhcp = false; };')"
	} | lab_config hostA
	{
		list uplinks '{ name = "lan"; interface = "eth0"; }'
		list domains "{ name = \"alpha\"; integrity = $1; }"
		list segments "$(segment alpha 1 "storm = 0; $(etherip 239.192.0.1)")"
		list ports "$(honest vm2)"
	} | lab_config hostB
}
guards() { # PORT
	ctl hostA -j port show "$1" | json "' '.join(d[0].get('guard', {}))"
}
attack() {
	local guest watch=()
	for guest in vm1 vm2; do
		capture "$guest" eth0 "$LAB/$guest.pcap" "ether src $(mac vm3) or ether src $(mac vm1)"
		watch+=("$LAB_LAST")
	done
	SENT=$(on vm3 /usr/bin/python3 "$spoof" "$(mac vm3)" "$(v4 vm3)" "$(mac vm1)" "$(v4 vm1)")
	for guest in "${watch[@]}"; do
		capture_end "$guest"
	done
}

configure true
lab_start hostA
lab_start hostB
address vm1 vm2 vm3 vm5
check "the guards of vm3 are on" equal "$(guards vm3)" 'arp dhcp ra mac ip'
check "those of the DHCP server but for one" equal "$(guards vm5)" 'arp ra mac ip'
check "honest guests reach each other: vm3 vm1" reaches vm3 "$(v4 vm1)"
check "vm3 vm2, by IPv6" reaches vm3 "$(v6 vm2)"
attack
check "vm1 reaches vm2 still" reaches vm1 "$(v4 vm2)"
for guest in vm1 vm2; do
	check "of ${SENT:-0} lies $guest hears none" equal "$(fields "$LAB/$guest.pcap" 'frame contains "spoofspoof"' frame.number | wc -l)" 0
done
for reason in guard_mac guard_ip guard_arp guard_dhcp guard_ra reserved tagged; do
	check "some were $reason" [ "$(port_drops hostA vm3 "$reason")" -gt 0 ]
done
check "vm1 is where it was" equal "$(ctl hostA -j fdb show | json "[e['port'] for e in d if e['mac'] == '$(mac vm1)']")" "['vm1']"

# ---- the same without ----

configure false
check "integrity is taken back" ctl hostA reload
check "with the guards" equal "$(guards vm3)" ''
check "vm3 has them no more" reaches vm3 "$(v4 vm1)"
attack
check "then vm1 hears lies" [ "$(fields "$LAB/vm1.pcap" 'frame contains "spoofspoof"' frame.number | wc -l)" -gt 50 ]

# ---- what a port has to say ----

configure true
sed -i 's/addresses = \[ "10.0.0.3", "fd00::3" \]; //' "$LAB/hostA.conf"
check_not "a port without addresses is refused" ctl hostA reload
check "with the reason" grep -q 'vm3.: domain .alpha. asks for integrity, so the port needs addresses' \
	<<<"$(ctl hostA reload 2>&1)"
lab_expect 'reload refused'
lab_end
