#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# VXLAN while things change: peers, VNI, port and group by reload; an uplink that gets
# another address, and goes and comes; a UDP port that another program has.
#
#	hostA--vm1 (alpha), vm2 (beta)
#	  |
#	hostB--vm3 (alpha), vm4 (beta)

# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
lab_begin "$@"
lab_expect 'uplink' 'eth0' 'fit at an MTU'

vxlan() { # NAME VNI KEYS
	printf '{ name = "%s"; encap = ( { type = "vxlan"; uplink = "lan"; vni = %s; %s } ); }' "$1" "$2" "$3"
}
# The configuration of both hosts, in which alpha is as given.
configure() { # VNI KEYS-ON-A KEYS-ON-B
	{
		uplink ''
		list segments "$(vxlan alpha "$1" "$2")" "$(vxlan beta 5002 'group = "239.1.1.1";')"
		list ports "$(tap vm1 alpha)" "$(tap vm2 beta)"
	} | lab_config hostA
	{
		uplink ''
		list segments "$(vxlan alpha "$1" "$3")" "$(vxlan beta 5002 'group = "239.1.1.1";')"
		list ports "$(tap vm3 alpha)" "$(tap vm4 beta)"
	} | lab_config hostB
}
change() { # as configure
	configure "$@"
	ctl hostA reload >/dev/null && ctl hostB reload >/dev/null
}
lab_host hostA 192.0.2.1/24 2001:db8::1/64
lab_host hostB 192.0.2.2/24 2001:db8::2/64
lab_guest vm1 vm2 vm3 vm4
LAB_BRIDGE=1 lab_wire hostA hostB
configure 5001 'group = "239.1.1.1";' 'group = "239.1.1.1";'
lab_start hostA
lab_start hostB
address vm1 vm2 vm3 vm4
check "alpha, by a group" reaches vm1 "$(v4 vm3)"
check "beta, by the same group" reaches vm2 "$(v4 vm4)"

# What is open: descriptors, and memberships of the interface.
open_files() {
	find "/proc/${LAB_PID[hostA]}/fd" -type l | wc -l
}
before=$(open_files)

# ---- reloads ----

# One who goes on pinging in beta must not notice what happens to alpha.
background vm2 env --default-signal=INT ping -n -q -i 0.05 -w 60 "$(v4 vm4)" >"$LAB/ping"
pinging=$LAB_LAST
both() { # TEXT as change
	local text=$1
	shift
	check "$text: the reload" change "$@"
	check "$text: alpha" reaches vm1 "$(v4 vm3)"
	check "$text: and back" reaches vm3 "$(v6 vm1)"
}
both "another VNI" 7001 'group = "239.1.1.1";' 'group = "239.1.1.1";'
both "another group" 7001 'group = "239.7.7.7";' 'group = "239.7.7.7";'
both "peers instead of a group" 7001 'peers = "192.0.2.2";' 'peers = "192.0.2.1";'
check "the group is left" equal "$(on hostA ip maddr show dev eth0 | grep -c 239.7.7.7)" 0
check "the other one stays" equal "$(on hostA ip maddr show dev eth0 | grep -c 239.1.1.1)" 1
both "IPv6 peers" 7001 'peers = "2001:db8::2";' 'peers = "2001:db8::1";'
both "another port" 7001 'peers = "192.0.2.2"; port = 8472;' 'peers = "192.0.2.1"; port = 8472;'
check "a peer that is gone: the reload" change 7001 'peers = "192.0.2.3"; port = 8472;' 'peers = "192.0.2.1"; port = 8472;'
check "a peer that is gone is no source" unreachable vm3 "$(v4 vm1)"
check "and its frames are counted" [ "$(encap_drops hostA alpha foreign_source)" -ge 1 ]
both "back to the start" 5001 'group = "239.1.1.1";' 'group = "239.1.1.1";'
check "nothing is left open" equal "$(open_files)" "$before"
finish "$pinging" INT
check "beta lost nothing meanwhile ($(grep -o '[0-9]* received' "$LAB/ping"))" grep -q ' 0% packet loss' "$LAB/ping"

# ---- refusals ----

refused() { # SEGMENT...
	{
		uplink ''
		list segments "$@"
	} >"$LAB/refused.conf"
	"$TVD_BIN/switchd" -t -c "$LAB/refused.conf" 2>&1
}
two=$(vxlan two 5001 'peers = "192.0.2.7";')
check "one VNI in two segments is refused" grep -q 'segment "two": this vxlan encap and one of segment "alpha" cannot both be' \
	<<<"$(refused "$(vxlan alpha 5001 'group = "239.1.1.1";')" "$two")"
check "on another port it is good" refused "$(vxlan alpha 5001 'group = "239.1.1.1"; port = 8472;')" "$two"
check "without a group and peers it is refused" grep -q 'vxlan: it needs a' <<<"$(refused "$(vxlan alpha 5001 '')")"

# ---- the uplink ----

on hostA ip addr add 192.0.2.11/24 dev eth0
on hostA ip addr del 192.0.2.1/24 dev eth0
on hostA ip addr replace 192.0.2.11/24 dev eth0
check "the uplink has another address" wait_until 5 json "'192.0.2.11' in d[0]['address']" <<<"$(sleep 2 && ctl hostA -j uplink show)"
check "alpha goes on" reaches vm1 "$(v4 vm3)"
check "from there" json "[e['dst'] for e in d if e['segment'] == 'alpha' and e['mac'] == '$(mac vm1)'] == ['192.0.2.11']" \
	<<<"$(ctl hostB -j fdb show)"
on hostA ip link set eth0 down
down() {
	ctl hostA -j encap show | json "all(e['state'] == '$1' for e in d if e['segment'])"
}
check "an uplink that is down takes the encaps along" wait_until 5 down down
lab_raise hostA
check "and brings them back" wait_until 5 down up
check "with their groups" equal "$(on hostA ip maddr show dev eth0 | grep -c 239.1.1.1)" 1
check "alpha goes on again" reaches vm3 "$(v4 vm1)"

# ---- a port that is taken ----

lab_expect 'VXLAN needs UDP port 4790: Address already in use'
background hostA "$PYTHON" -c 'import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", 4790))
time.sleep(60)'
holder=$LAB_LAST
wait_until 5 on hostA sh -c 'ss -Hlun "sport = :4790" | grep -q .'
check "the port is another program's: the reload" change 5001 'peers = "192.0.2.2"; port = 4790;' 'peers = "192.0.2.11"; port = 4790;'
check "the encap says why it is down" json "[e['why'] for e in d if e['segment'] == 'alpha'] == ['VXLAN needs UDP port 4790: Address already in use']" \
	<<<"$(ctl hostA -j encap show)"
check "others do not suffer" reaches vm2 "$(v4 vm4)"
finish "$holder" KILL
check "it comes up when the port is free" reaches vm1 "$(v4 vm3)"
lab_end
