#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Runs of frames that a hostile peer makes: what is wrong in them stays wrong for the guest
# to see, whatever is merged, and neither a size nor a number of them does harm.
#
#	vm1 (VXLAN), vm2 (EtherIP), vm3 (dot1q)--hostA---hostB (a peer without a switch)

# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
lab_begin "$@"
command -v nstat >/dev/null || lab_skip "there is no nstat (package iproute2)"

lab_host hostA 192.0.2.1/24
lab_host hostB 192.0.2.2/24
lab_guest vm1 vm2 vm3
lab_wire hostA hostB
{
	uplink 192.0.2.1
	list segments "$(segment alpha 1 'encap = ( { type = "vxlan"; uplink = "lan"; vni = 5001; peers = [ "192.0.2.2" ]; } ); ')" \
		"$(segment beta 2 "$(etherip '' 'peers = "192.0.2.2"; ')")" \
		"$(segment gamma 3 'encap = ( { type = "dot1q"; uplink = "lan"; vid = 103; } ); ')"
	list ports "$(tap vm1 alpha)" "$(tap vm2 beta)" "$(tap vm3 gamma)"
} | lab_config hostA
lab_start hostA
address vm1 vm2 vm3
trains=$LAB_TOP/test/net/trains.py

counted() { # GUEST: by its kernel, segments with a wrong checksum
	on "$1" nstat -asz TcpInCsumErrors | awk '$1 == "TcpInCsumErrors" { print $2 }'
}
figures() { # SEGMENT
	ctl hostA -j encap show segment "$1" | json "'%d %d' % (d[0]['stats']['rx_merged'], d[0]['stats']['rx_segments'])"
}
on hostB "$PYTHON" "$trains" tcp >"$LAB/sent" || lab_skip "this kernel cuts no datagrams (UDP_SEGMENT)"
read -r bad good <"$LAB/sent"
all_there() { # SEGMENT
	local merged segments
	read -r merged segments <<<"$(figures "$1")"
	[ "$segments" -ge $((bad + good)) ]
}
errors() { # GUEST
	[ "$(counted "$1")" -ge "$bad" ]
}
judge() { # SEGMENT GUEST LEAST: of bad and good segments, how many are merged, and none of the bad
	local merged segments
	check "$1: all of $((bad + good)) segments come in" wait_until 10 all_there "$1"
	read -r merged segments <<<"$(figures "$1")"
	check "$1: many are merged ($merged)" [ "$merged" -gt "$3" ]
	wait_until 10 errors "$2" || :
	check "$1: the guest's kernel sees each of the $bad that are wrong as wrong" equal "$(counted "$2")" "$bad"
}
judge alpha vm1 1000

# ---- packet by packet ----

# The switch finds many at once, as it does when there is much to do.
asleep() { # COMMAND...
	local status=0
	kill -STOP "${LAB_PID[hostA]}"
	"$@" || status=$?
	kill -CONT "${LAB_PID[hostA]}"
	return $status
}
bursts() { # SEGMENT GUEST ARG...
	local a b
	bad=0 good=0
	for _ in 1 2 3 4 5; do
		asleep on hostB "$PYTHON" "$trains" "${@:3}" "$(mac "$2")" "$(v4 "$2")" >"$LAB/sent"
		read -r a b <"$LAB/sent"
		bad=$((bad + a)) good=$((good + b))
		wait_until 10 all_there "$1" || break
	done
}
bursts beta vm2 etherip 2
judge beta vm2 100
bursts gamma vm3 vlan 103
judge gamma vm3 100

# ---- more than any queue holds ----

reaches_beta() {
	local before after
	before=$(figures beta)
	on hostB "$PYTHON" "$trains" etherip 2 "$(mac vm2)" "$(v4 vm2)" >/dev/null
	sleep 0.1
	after=$(figures beta)
	[ "${after#* }" -ge $((${before#* } + 240)) ]
}
asleep on hostB "$PYTHON" "$trains" flood 2 60000
check "the switch answers after 60,000 packets that it could not take" ctl hostA status
check "and receives as before" wait_until 10 reaches_beta
overruns() {
	asleep on hostB "$PYTHON" "$trains" vxflood 60000 && on hostB "$PYTHON" "$trains" tcp >/dev/null &&
		ctl hostA -j status | json "d['stray_drops'].get('overrun', 0) > 10000"
}
check "what did not fit into the queue of a socket is counted" overruns

# ---- of all sizes ----

before=$(all_drops hostA too_short)
check "trains of all sizes" on hostB "$PYTHON" "$trains" odd 3
check "what is too short is counted" [ "$(all_drops hostA too_short)" -gt "$before" ]
check "the switch answers" ctl hostA status
on hostB ip link add vx0 type vxlan id 5001 local 192.0.2.2 remote 192.0.2.1 dstport 4789 2>/dev/null && {
	on hostB ip addr add 10.0.0.99/24 dev vx0
	on hostB ip link set vx0 up
	check "and serves a VXLAN device of the kernel" reaches vm1 10.0.0.99
}
lab_end
