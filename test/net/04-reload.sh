#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# A reload changes what differs and nothing else: traffic of others goes on
# without loss, their FDB stays, and a bad file changes nothing.
#
#	hostA   [ alpha ]--vm1  vm2     [ beta ]--vm3  vm4   (vm5, vm6 come and go)

# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
lab_begin "$@"

write() { # ALPHA-KEYS PORT...
	local keys=$1
	shift
	{
		list segments "$(segment alpha 1 "$keys")" "$(segment beta 2)"
		list ports "$(tap vm1 alpha)" "$(tap vm2 alpha)" "$(tap vm3 beta)" "$@"
	} | lab_config hostA
}

ports() {
	ctl hostA -j port show | json "' '.join(sorted(p['name'] for p in d))"
}

ports_are() { # NAMES
	[ "$(ports)" = "$1" ]
}

lab_host hostA
lab_guest vm1 vm2 vm3 vm4 vm5 vm6
write '' "$(tap vm4 beta)"
lab_start hostA
address vm1 vm2 vm3 vm4
check "before: alpha" reaches vm1 "$(v4 vm2)"
check "before: beta" reaches vm3 "$(v4 vm4)"

# All the time, 100 pings a second between two that nothing concerns.
background vm1 ping -n -i 0.01 "$(v4 vm2)" >"$LAB/ping.log"
pinger=$LAB_LAST

# ---- good reloads ----

write 'ageing = 200; ' "$(tap vm4 beta)" "$(tap vm5 beta)"
check "reload with one more port" ctl hostA reload
address vm5
check "the new port works" reaches vm5 "$(v4 vm3)"
check "and is there" equal "$(ports)" "vm1 vm2 vm3 vm4 vm5"
check "alpha's FDB is still there" json "len([e for e in d if e['segment'] == 'alpha']) == 2" <<<"$(ctl hostA -j fdb show)"

check "a port is added by hand" ctl hostA port add vm6 type tap segment beta ifname eth0 netns vm6 mac "$(mac vm6)"
address vm6
write '' "$(tap vm5 beta)"
check "reload without vm4" ctl hostA reload
check "vm4 is gone, what was added by hand is not" equal "$(ports)" "vm1 vm2 vm3 vm5 vm6"
check "vm4's interface is gone" equal "$(on vm4 ip -o link show | grep -c eth0)" 0
check "the one added by hand works" reaches vm6 "$(v4 vm3)"

write '' "$(tap vm4 alpha)" "$(tap vm5 beta)"
kill -HUP "${LAB_PID[hostA]}"
check "SIGHUP reloads: vm4 is back" wait_until 10 ports_are "vm1 vm2 vm3 vm4 vm5 vm6"
address vm4
check "in the other segment" reaches vm4 "$(v4 vm1)"
check "and only there" unreachable vm4 "$(v4 vm3)"

for i in $(seq 20); do
	if [ $((i % 2)) = 0 ]; then write ''; else write 'ageing = 100; ' "$(tap vm5 beta)"; fi
	ctl hostA reload >/dev/null || flunk "reload $i"
done
check "twenty more reloads" equal "$(ports)" "vm1 vm2 vm3 vm6"

# ---- bad reloads ----

before=$(ports)
good=$(cat "$LAB/hostA.conf")
lab_expect 'reload' 'hostA\.conf'
bad() { # TEXT PATTERN-OF-THE-MESSAGE
	local out status=0
	printf '%s\n' "$2" >"$LAB/hostA.conf"
	out=$(ctl hostA reload 2>&1) || status=$?
	if [ "$status" != 1 ]; then
		flunk "$1: refused with status 1 (seen $status)" "$out"
	elif ! grep -Eq 'hostA\.conf:[0-9]+: ' <<<"$out"; then
		flunk "$1: refused with file and line" "$out"
	else
		pass "$1: refused, line ${out##*hostA.conf:}"
	fi
}
bad "a missing brace" "${good%)*}"
bad "an unknown key" "$good
colour = \"red\";"
bad "a wrong type" "${good/ageing = 100/ageing = \"long\"} segmentation = 1;"
bad "a duplicate name" "${good/vm2\"; type/vm1\"; type}"
bad "a duplicate id" "${good/id = 2/id = 1}"
bad "a dangling reference" "${good/segment = \"beta\"/segment = \"gamma\"}"
bad "an id out of range" "${good/id = 2/id = 4096}"
bad "an id whose low byte is zero, with etherip" "${good/id = 2; domain = \"beta\";/id = 256; domain = \"beta\"; encap = ( { type = \"etherip\"; uplink = \"lan\"; } );}"
bad "a MAC address of a group" "${good/52:54:00:00:00:01/53:54:00:00:00:01}"
bad "an MTU out of range" "${good/netns = \"vm2\";/netns = \"vm2\"; mtu = 9;}"
printf '%s\n' "$good" >"$LAB/hostA.conf"
check "afterwards all ports are there as before" equal "$(ports)" "$before"
check "and work" reaches vm3 "$(v4 vm6)"
check "a good file is accepted again" ctl hostA reload

finish "$pinger" INT
lost=$(sed -n 's/^\([0-9]*\) packets transmitted, \([0-9]*\) received.*/\1 \2/p' "$LAB/ping.log" | awk '{ print $1 - $2 }')
# The last request may still be on its way when ping is stopped.
check "no ping of the others was lost (${lost:-none sent})" [ "${lost:-9}" -le 1 ]
lab_end
