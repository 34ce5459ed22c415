#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Multicast snooping with the kernel's IGMP and MLD: who wants a group gets it, on either
# host, and nobody else does. hostA asks (`querier`), hostB only listens (`snooping`).
#
#	hostA: vm1, vm3 --eth0--wire--eth0-- hostB: vm2, vm4

# shellcheck disable=SC2016 # what eval is given stands in single quotes
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
lab_begin "$@"
groups=$LAB_TOP/test/net/groups.py

lab_guest vm1 vm2 vm3 vm4
lab_host hostA 192.0.2.1/24
lab_host hostB 192.0.2.2/24
lab_wire hostA hostB
configure() { # HOST KEYS GUEST...
	local host=$1 keys=$2 guest entries=()
	shift 2
	for guest; do
		entries+=("$(tap "$guest" alpha)")
	done
	{
		list uplinks '{ name = "lan"; interface = "eth0"; }'
		list segments "$(segment alpha 1 "$keys$(etherip 239.192.0.1)")"
		list ports "${entries[@]}"
	} | lab_config "$host"
}
configure hostA 'querier = true; ' vm1 vm3
configure hostB 'snooping = true; ' vm2 vm4
lab_start hostB
lab_start hostA
address vm1 vm2 vm3 vm4

snooping() { # HOST KEY
	ctl "$1" -j segment show alpha | json "str(d[0]['snooping']['$2'])"
}
wants() { # HOST GROUP PORT-OR-ENCAP
	ctl "$1" -j multicast show segment alpha | json "any(e['group'] == '$2' and '$3' in (e.get('port'), e.get('encap')) for e in d)"
}
unwanted() { # HOST GROUP
	ctl "$1" -j multicast show | json "all(e['group'] != '$2' for e in d)"
}

# ---- the querier is heard, and all have answered ----

check "hostA asks by itself" equal "$(snooping hostA querier)" "{'ipv4': 'self', 'ipv6': 'self'}"
for host in hostA hostB; do
	check "$host holds groups back, once all had time to answer" \
		wait_until 30 eval "[ \"\$(snooping $host active_ipv4)\" = True ] && [ \"\$(snooping $host active_ipv6)\" = True ]"
done
check "hostB has heard a query" eval '[ "$(snooping hostB queries)" -ge 2 ]'

# ---- members here and there ----

for group in 239.1.2.3 ff05::123; do
	case $group in *:*) other=ff05::321 ;; *) other=239.3.2.1 ;; esac
	declare -A MEMBER=()
	for guest in vm2 vm3; do
		background "$guest" "$PYTHON" "$groups" member "$group" 6 >"$LAB/$guest.got"
		MEMBER[$guest]=$LAB_LAST
	done
	check "$group: hostA knows both members" wait_until 5 eval "wants hostA $group vm3 && wants hostA $group etherip"
	check "hostB knows its own, and that hostA has one" wait_until 5 eval "wants hostB $group vm2 && wants hostB $group etherip"
	vm4=$(ctl hostB -j port show vm4 | json "d[0]['stats']['tx_frames']")
	background vm1 "$PYTHON" "$groups" send "$other" 100
	others=$LAB_LAST
	on vm1 "$PYTHON" "$groups" send "$group" 100
	wait "$others"
	for guest in vm2 vm3; do
		wait "${MEMBER[$guest]}" || :
		check "$guest gets what it wants" grep -qx 'packets 100' "$LAB/$guest.got"
	done
	vm4=$(($(ctl hostB -j port show vm4 | json "d[0]['stats']['tx_frames']") - vm4))
	check "vm4, which wants nothing, gets neither ($vm4 frames of 200)" [ "$vm4" -lt 50 ]
	check "when both have left, the group is over" wait_until 15 eval "unwanted hostA $group && unwanted hostB $group"
done
check "what nobody wanted was dropped where it came in" eval '[ "$(port_drops hostA vm1 no_receiver)" -ge 100 ]'

# ---- without a querier everything is flooded, as it was ----

sed -i 's/querier = true; //' "$LAB/hostA.conf"
check "snooping is switched off at hostA" ctl hostA reload
check "nothing is listed there" equal "$(ctl hostA -j multicast show)" '[]'
background vm3 "$PYTHON" "$groups" member 239.9.9.9 3 >"$LAB/vm3.got"
member=$LAB_LAST
wait_until 5 grep -q ready "$LAB/vm3.got" || lab_die "no member"
on vm1 "$PYTHON" "$groups" send 239.9.9.9 50
wait "$member" || :
check "a member still gets its group" grep -qx 'packets 50' "$LAB/vm3.got"
lab_end
