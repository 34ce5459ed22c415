#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Ports added and taken away a thousand times, 200 reloads, and trunks that change, while
# others talk: they lose nothing, and neither memory nor descriptors are left behind.
#
#	vm1, vm2 (alpha), vm3 (trunk: alpha, beta)

# shellcheck disable=SC2016 # what eval is given stands in single quotes
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
lab_begin "$@"
lab_expect 'joins domain'

lab_host hostA
lab_guest vm1 vm2 vm3 vm9
{
	list segments "$(segment alpha 1)" "$(segment beta 2)" "$(segment gamma 3)"
	list ports "$(tap vm1 alpha)" "$(tap vm2 alpha)" \
		'{ name = "vm3"; type = "tap"; ifname = "eth0"; netns = "vm3"; mac = "52:54:00:00:00:03"; trunk = ( { vid = 11; segment = "beta"; } ); native = "gamma"; indirect = true; }'
} | lab_config hostA
lab_start hostA
address vm1 vm2
check "vm1 and vm2" reaches vm1 "$(v4 vm2)"

memory() { # kB that are its own
	awk '/^RssAnon/ { print $2 }' "/proc/${LAB_PID[hostA]}/status"
}
links() {
	on hostA ip -o link show | wc -l
}
sent() { # GUEST rx|tx
	on "$1" ip -j -s link show eth0 | json "d[0]['stats64']['$2']['packets']"
}
# What the loop of commands costs, in one connection after the other, as scripts do it.
ports() { # TIMES
	local i
	for ((i = 0; i < $1; i++)); do
		echo "port add x$((i % 7)) type udp segment alpha local 127.0.0.1:$((5000 + i % 50)) remote 127.0.0.1:9"
		echo "port del x$((i % 7))"
	done >"$LAB/commands"
	ctl hostA -b "$LAB/commands"
}
taps() { # TIMES
	local i
	for ((i = 0; i < $1; i++)); do
		echo "port add y type tap segment alpha ifname eth0 netns vm9"
		echo "port del y"
	done >"$LAB/commands"
	ctl hostA -b "$LAB/commands"
}
reloads() { # TIMES
	local i
	for ((i = 0; i < $1; i++)); do
		sed -i "s/ageing = [0-9]*/ageing = $((100 + i))/" "$LAB/hostA.conf"
		ctl hostA reload || return 1
	done
}
trunks() { # TIMES
	local i
	for ((i = 0; i < $1; i++)); do
		echo "port set vm3 trunk 11=beta,12=alpha"
		echo "port set vm3 trunk 12=beta"
		echo "port set vm3 trunk 11=beta"
		echo "segment add delta id 4"
		echo "port set vm3 trunk 11=beta,14=delta"
		echo "port set vm3 trunk 11=beta"
		echo "segment del delta"
	done >"$LAB/commands"
	ctl hostA -b "$LAB/commands"
}
quietly() { # TEXT COMMAND...
	local text=$1 lost
	shift
	background vm1 ping -q -n -i 0.005 "$(v4 vm2)" >"$LAB/ping.log"
	local pinger=$LAB_LAST
	check "$text" "$@"
	finish "$pinger" INT
	lost=$(awk '/packets transmitted/ { print $1 - $4 }' "$LAB/ping.log")
	check "$text: others lose nothing (${lost:-all} lost)" [ "${lost:-99}" -le 1 ]
}
sed -i 's/name = "alpha";/& ageing = 100;/' "$LAB/hostA.conf"
round() { # DIVISOR
	quietly "$((1000 / $1)) sockets added and deleted" ports $((1000 / $1))
	quietly "$((100 / $1)) TAPs added and deleted" taps $((100 / $1))
	quietly "$((200 / $1)) reloads" reloads $((200 / $1))
	quietly "$((100 / $1)) times seven changes of a trunk" trunks $((100 / $1))
}
round 10 >/dev/null # what is kept once is kept now
LAB_CASES=1
# shellcheck disable=SC2034 # it is evaluated
fds=$(descriptors hostA)
kilobytes=$(memory)
round 1
check "no descriptor is left" keeps_descriptors hostA "$fds"
grep -aq AddressSanitizer "$TVD_BIN/switchd" ||
	check "nor memory ($kilobytes kB before, $(memory) after)" [ "$(memory)" -le $((kilobytes + 2048)) ]
check "nor an interface" equal "$(links)" "1"
check "the FDB knows the ports that there are" json "all(e['port'] in ('vm1', 'vm2', 'vm3') for e in d)" <<<"$(ctl hostA -j fdb show)"
check "guests still reach each other" reaches vm1 "$(v4 vm2)"
lab_end
