#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# What goes past the kernel's network stack, while the ground moves: the uplink goes down,
# gets another MTU or name, is somewhere else for a while, is another one; neighbours and
# routes come and go; processes die and others begin.
#
#	vm1, vm3 (beta: peers)--hostA---hostB--vm2, vm4 (beta)

# shellcheck disable=SC2016 # what eval is given stands in single quotes
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=SCRIPTDIR/relays.sh
. "$(dirname "$0")/relays.sh"
lab_begin "$@"
lab_expect 'uplink lan' 'guests. frames now fit' 'cannot send' 'segment (alpha|beta): sending' 'cannot join' 'similar messages'

lab_host hostA 192.0.2.1/24
lab_host hostB 192.0.2.2/24
lab_guest vm1 vm2 vm3 vm4
lab_netns aside
LAB_BRIDGE=1 lab_wire hostA hostB
for host in 1:A:2:vm1:vm3 2:B:1:vm2:vm4; do
	IFS=: read -r n letter other group peer <<<"$host"
	{
		uplink "192.0.2.$n"
		list segments "$(segment alpha 1 "$(etherip 239.192.0.1)")" \
			"$(segment beta 2 "$(etherip '' "peers = [ \"192.0.2.$other\" ]; ")")"
		list ports "$(tap "$group" alpha)" "$(tap "$peer" beta)"
	} | lab_config "host$letter"
	lab_start "host$letter"
done
address vm1 vm2 vm3 vm4

bypassed() { # HOST SEGMENT
	ctl "$1" -j encap show | json "sum(e['bypassed'] for e in d if e['segment'] == '$2')"
}
goes_past() { # HOST SEGMENT FROM TO
	local before
	before=$(bypassed "$1" "$2")
	reaches "$3" "$4" && [ "$(bypassed "$1" "$2")" -gt "$before" ]
}
reaches vm1 "$(v4 vm2)" || :
[ "$(bypassed hostA alpha)" -gt 0 ] || lab_skip "no AF_XDP socket here: $(grep -o 'no AF_XDP socket.*' "$LAB/hostA.log")"
sockets() { # of hostA's namespace that send past the stack
	on hostA ss --xdp -a -H 2>/dev/null | wc -l
}
both() {
	wait_until 15 goes_past hostA alpha vm1 "$(v4 vm2)" && wait_until 15 goes_past hostA beta vm3 "$(v4 vm4)"
}
check "both segments go past the stack" both
# shellcheck disable=SC2034 # it is evaluated
fds=$(descriptors hostA)
# shellcheck disable=SC2034
xdp=$(sockets)

# Both directions, all the time.
flows=()
for pair in vm1:vm2 vm2:vm1 vm3:vm4 vm4:vm3; do
	background "${pair%:*}" "$PYTHON" "$LAB_TOP/test/net/relay.py" send eth0 "$(mac "${pair%:*}")" 1000000 0.0005 "$(mac "${pair#*:}")"
	flows+=("$LAB_LAST")
done
many() { # TIMES COMMAND...
	local i times=$1
	shift
	for ((i = 0; i < times; i++)); do
		"$@" || return 1
	done
}
again() { # TEXT COMMAND...
	check "$@"
	check "  and all is as before" both
	check "  with no descriptor more" keeps_descriptors hostA "$fds"
	check "  and no socket" wait_until 5 eval '[ "$(sockets)" = "$xdp" ]'
}
flap() {
	on hostA ip link set eth0 down
	lab_raise hostA
}
mtus() {
	local mtu
	for mtu in 1400 68 9000 1280 1500; do
		on hostA ip link set eth0 mtu "$mtu" || return 1
	done
}
renamed() {
	on hostA ip link set eth0 down
	on hostA ip link set eth0 name moved
	on hostA ip link set moved up
	on hostA ip link set moved down
	on hostA ip link set moved name eth0
	lab_raise hostA
}
moved() {
	on hostA ip link set eth0 netns aside
	on aside ip link set eth0 netns hostA
	lab_raise hostA
}
replaced() {
	on hostA ip link del eth0
	ip link add eth0 netns hostA type veth peer name to-hostA netns wire
	on wire ip link set to-hostA master wire up
	lab_raise hostA
}
neighbours() {
	on hostA ip neigh flush all
	on hostA ip neigh replace 192.0.2.2 lladdr 02:00:00:00:00:77 dev eth0 nud permanent
	on hostA ip neigh del 192.0.2.2 dev eth0
	on hostA ip neigh add 192.0.2.2 dev eth0 nud failed 2>/dev/null
	on hostA ip neigh flush all
	on hostA ip route add blackhole 192.0.2.2/32
	on hostA ip route del blackhole 192.0.2.2/32
	on hostA ip route add 192.0.2.2/32 via 192.0.2.99 dev eth0
	on hostA ip route del 192.0.2.2/32
}
reloaded() {
	sed -i 's/interface = "eth0";/interface = "eth0"; fast = "off";/' "$LAB/hostA.conf"
	ctl hostA reload || return 1
	sed -i 's/ fast = "off";//' "$LAB/hostA.conf"
	ctl hostA reload
}
again "neighbours and routes that come and go" many 20 neighbours
again "the uplink goes down and up" many 10 flap
again "and gets other MTUs" many 5 mtus
again "and other names" many 10 renamed
again "and is in another namespace" many 5 moved
again "and is another one" many 5 replaced
again "fast is off and on" many 10 reloaded
for flow in "${flows[@]}"; do
	finish "$flow" KILL 2>/dev/null
done
for i in 1 2 3; do
	relay_kill hostA
	lab_start hostA
done
address vm1 vm3
check "the process dies three times, and all is as before" both
lab_end
