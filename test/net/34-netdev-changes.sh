#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Interfaces that change under the switch's hands while traffic flows: renamed,
# removed, moved, replaced, enslaved, hundreds at once. Others lose nothing.
#
#	vm1--veth1--+
#	vm2--veth2--+ [ alpha ]--vm3 (TAP)      [ beta ]--vm4, vm5 (TAPs: the others)
#	w*: interfaces of a wildcard, in gamma

# shellcheck disable=SC2016 # what eval is given stands in single quotes
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
lab_begin "$@"

lab_host hostA
lab_guest vm1 vm2 vm3 vm4 vm5 elsewhere
plug() { # GUEST INTERFACE-OF-HOST
	on hostA ip link add "$2" type veth peer name eth0 netns "$1"
	on "$1" ip link set eth0 address "$(mac "$1")" up
	on "$1" ip addr replace "$(v4 "$1")/24" dev eth0
}
plug vm1 veth1
plug vm2 veth2
{
	list segments "$(segment alpha 1)" "$(segment beta 2)" "$(segment gamma 3)"
	list ports '{ name = "vm1"; type = "netdev"; segment = "alpha"; interface = "veth1"; }' \
		'{ name = "vm2"; type = "netdev"; segment = "alpha"; interface = "veth2"; }' \
		"$(tap vm3 alpha)" "$(tap vm4 beta)" "$(tap vm5 beta)" \
		'{ name = "all"; type = "netdev"; segment = "gamma"; interface = "w*"; state = "open"; }'
} | lab_config hostA
is() { # PORT STATE
	[ "$(ctl hostA -j port show "$1" 2>/dev/null | json "d[0]['state']")" = "$2" ]
}
shielded() { # INTERFACE
	on hostA tc filter show dev "$1" ingress | finds bytecode
}
lab_start hostA
address vm3 vm4 vm5
check "the port is up" wait_until 5 is vm2 up
check "guests reach each other" reaches vm1 "$(v4 vm2)"

# All the time: between others, and into what changes.
background vm4 ping -q -n -i 0.01 "$(v4 vm5)" >"$LAB/others"
others=$LAB_LAST
background vm1 ping -n -i 0.002 -s 1400 "$(v4 vm2)" >"$LAB/into" 2>&1
into=$LAB_LAST
background vm3 ping -n -i 0.002 "$(v4 vm2)" >>"$LAB/into" 2>&1
more=$LAB_LAST

# ---- one interface ----

works() { # TEXT
	check "$1" wait_until 5 is vm2 up
	check "and works" reaches vm3 "$(v4 vm2)"
}
on hostA ip link set veth2 down
check "set down it is seen down" wait_until 5 is vm2 down
on hostA ip link set veth2 up
works "set up it is up"
on hostA ip link set veth2 address 02:00:00:00:99:99
on hostA ip link set veth2 mtu 1400
check "its MTU is followed" wait_until 5 eval '[ "$(ctl hostA -j port show vm2 | json "d[0][\"mtu\"]")" = 1400 ]'
works "with another MAC and MTU it goes on"
on hostA ip link set veth2 mtu 1500
if on hostA ip link set veth2 name other2 2>/dev/null; then
	check "renamed while it is up it is another" wait_until 5 is vm2 down
	check "and the host's again" wait_until 5 eval '! shielded other2'
	on hostA ip link set other2 name veth2
	works "under its name it is taken again"
fi
for _ in 1 2 3 4 5 6 7 8 9 10; do
	on hostA ip -batch - <<-X
		link set veth2 down
		link set veth2 name other2
		link set other2 name veth2
		link set veth2 up
	X
done
works "ten times renamed there and back"
for _ in 1 2 3 4 5; do
	on hostA ip link set veth2 netns elsewhere
	on elsewhere ip link set veth2 netns hostA
done
works "five times moved to another namespace and back"
on hostA ip link set veth2 netns elsewhere
check "in another namespace it is gone" wait_until 5 is vm2 down
check "and out of our hands: nothing is left there that was not ours to take along" \
	wait_until 5 on elsewhere ip link show veth2
on elsewhere ip link del veth2
plug vm2 veth2
works "made anew"
for _ in 1 2 3 4 5 6 7 8 9 10; do
	on hostA ip link del veth2
	plug vm2 veth2
done
works "ten times replaced by another of the same name"
check "with the shield up" shielded veth2
on hostA ip link add br0 type bridge
on hostA ip link set br0 up
heard() {
	on hostA ip -j -s link show br0 | json "d[0]['stats64']['rx']['packets']"
}
before=$(heard)
on hostA ip link set veth2 master br0
check "put into a bridge, the guest still reaches its segment" reaches vm3 "$(v4 vm2)"
check "and the bridge hears nothing" equal "$(heard)" "$before"
on hostA ip link set veth2 nomaster
on hostA ip link del br0
works "and out again"
finish "$into" INT
finish "$more" INT

# ---- a thousand of them ----

batch() { # add|del FIRST LAST
	local n
	for n in $(seq "$2" "$3"); do
		if [ "$1" = add ]; then echo "link add wa$n type veth peer name wb$n"; else echo "link del wa$n"; fi
	done | on hostA ip -batch -
}
children() {
	ctl hostA -j port show | json "sum(p['name'].startswith('all/') for p in d)"
}
has() { # NUMBER OF CHILDREN
	[ "$(children)" = "$1" ]
}
memory() { # kB that are its own
	awk '/^RssAnon/ { print $2 }' "/proc/${LAB_PID[hostA]}/status"
}
batch add 1 50
check "a hundred interfaces have their ports" wait_until 20 has 100
batch del 1 50
check "and have none when they are gone" wait_until 20 has 0
fds=$(descriptors hostA)
kilobytes=$(memory)
for round in 1 2 3 4 5 6 7 8 9; do
	batch add 1 50
	wait_until 20 has 100 || flunk "round $round: ports come" "$(children)"
	batch del 1 50
	wait_until 20 has 0 || flunk "round $round: ports go" "$(children)"
done
check "after 900 more no descriptor is left" keeps_descriptors hostA "$fds"
# A sanitizer keeps for a while what was freed.
grep -aq AddressSanitizer "$TVD_BIN/switchd" ||
	check "nor memory ($kilobytes kB before, $(memory) after)" [ "$(memory)" -le $((kilobytes + 2048)) ]

check "the others still talk" reaches vm4 "$(v4 vm5)"
finish "$others" INT
# By what went into one interface and came out of the other. Ping misses answers when it
# gets no time, and kernels when many come at once.
packets() { # GUEST rx|tx
	on "$1" ip -j -s link show eth0 | json "d[0]['stats64']['$2']['packets']"
}
check "none of their $(packets vm4 tx) frames was lost, all the time" \
	eval 'equal "$(packets vm4 tx)" "$(packets vm5 rx)" && equal "$(packets vm5 tx)" "$(packets vm4 rx)"'
check "and there were enough of them" [ "$(packets vm4 tx)" -gt 500 ]

# More news than the socket has room for, while nobody reads it.
kill -STOP "${LAB_PID[hostA]}"
batch add 1 150
batch del 101 150
on hostA ip link set veth2 down
kill -CONT "${LAB_PID[hostA]}"
check "news that were lost are asked for" wait_until 20 has 200
check "also of what was there before" wait_until 5 is vm2 down
check "every one has its shield" eval 'shielded wa1 && shielded wb100'
on hostA ip link set veth2 up
works "and is up again"

# ---- given back ----

finish "${LAB_PID[hostA]}" KILL
unset "LAB_PID[hostA]"
check "after a kill the shields stay" eval 'shielded veth1 && shielded wa7'
lab_start hostA
check "a new start takes them all over" wait_until 20 has 200
lab_stop hostA
check "and its end gives all of them back" \
	eval '! on hostA tc qdisc show | finds clsact'
lab_end
