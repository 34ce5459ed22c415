#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Guests come and go: a namespace that is not there yet, that is deleted and made
# again; an interface that the guest removes or sets down; a port that is moved,
# locked, and switched to another uplink family while others go on.
#
#	hostA: vm1, vm2, vm3 (alpha)     hostB: vm4 (alpha)

# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
lab_begin "$@"
hosts hostA:alpha:vm1 hostA:alpha:vm2 hostA:beta: hostB:alpha:vm4

state() {
	ctl hostA -j port show "$1" | json "d[0]['state']"
}
is() { # PORT STATE
	[ "$(state "$1")" = "$2" ]
}

# ---- a namespace that is not there yet ----

check "a port for a guest that is not there is accepted" \
	ctl hostA port add vm3 type tap segment alpha ifname eth0 netns vm3 mac "$(mac vm3)"
check "and down" is vm3 down
check "and says what it waits for" grep -q 'namespace /run/netns/vm3' <<<"$(ctl hostA port show vm3)"
lab_guest vm3
check "with the guest it comes up" wait_until 10 is vm3 up
address vm3
check "and is reached" reaches vm3 "$(v4 vm4)"

# ---- and goes ----

ip netns del vm3
check "without the guest it is down" wait_until 10 is vm3 down
check "what was learned there is forgotten" json "not [e for e in d if e['mac'] == '$(mac vm3)' and e.get('port')]" <<<"$(ctl hostA -j fdb show)"
lab_guest vm3
check "a new guest of that name gets it" wait_until 10 is vm3 up
address vm3
check "and is reached from the other host" reaches vm4 "$(v4 vm3)"
on vm3 ip link del eth0
check "an interface that the guest removes is made again" wait_until 10 lab_raised vm3
address vm3
check "and works" reaches vm3 "$(v4 vm1)"

# ---- set down by the guest ----

on vm2 ip link set eth0 down
on vm1 ping -q -n -c 2 -i 0.2 -W 1 -w 1 "$(v4 vm2)" >/dev/null 2>&1 || :
check "a guest that sets its interface down is seen down when somebody calls" wait_until 10 is vm2 down
check "what it does not get is counted" [ "$(port_drops hostA vm2 link_down tx)" -gt 0 ]
on vm2 ip link set eth0 up
address vm2
check "and up again" reaches vm1 "$(v4 vm2)"
check "in \`port show\` too" is vm2 up

# ---- locked ----

check "a port is locked" ctl hostA port set vm2 state locked
check "and shown so" is vm2 locked
check "it reaches nobody" unreachable vm2 "$(v4 vm1)"
check "nobody reaches it" unreachable vm4 "$(v4 vm2)"
check "what it sends is counted" [ "$(port_drops hostA vm2 locked)" -gt 0 ]
check "nothing is learned from it" json "not [e for e in d if e.get('port') == 'vm2']" <<<"$(ctl hostA -j fdb show)"
check "it is opened" ctl hostA port set vm2 state open
check "and reached" reaches vm4 "$(v4 vm2)"

# ---- another segment ----

check "a port moves to another segment" ctl hostA port set vm2 segment beta
check "and is gone from the first" unreachable vm1 "$(v4 vm2)"
check "its interface has stayed" lab_raised vm2
check "it moves back" ctl hostA port set vm2 segment alpha
check "and is reached" reaches vm1 "$(v4 vm2)"

# ---- deleted and added, many times ----

for _ in 1 2 3 4 5 6 7 8 9 10; do
	ctl hostA port del vm3
	ctl hostA port add vm3 type tap segment alpha ifname eth0 netns vm3 mac "$(mac vm3)"
done
address vm3
check "after ten times deleted and added it works" reaches vm3 "$(v4 vm4)"
check "vm1 and vm4 never noticed" reaches vm1 "$(v4 vm4)"
descriptors=$(descriptors hostA)
for _ in 1 2 3 4 5; do
	ctl hostA port del vm3
	ctl hostA port add vm3 type tap segment alpha ifname eth0 netns vm3 mac "$(mac vm3)"
done
check "no descriptor is lost on the way" keeps_descriptors hostA "$descriptors"
lab_end
