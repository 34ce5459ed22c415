#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Guests of two libvirtds on two hosts, whose segments span both by EtherIP:
#
#	       hostA 192.0.2.1            hostB 192.0.2.2
#	alpha  vm1 ethernet.xml           vm2, the same on hostB
#	       vm11 a namespace           vm12 a namespace
#	beta                              vm3, the same in the other segment
#
# vm1 moves to hostB and back, alive, while vm11, vm12 and vm2 ping it and vm11 has a
# TCP connection to it. The forwarding databases follow, and what is lost is what was
# sent while QEMU itself had the guest stand still.

# shellcheck disable=SC2016 # what eval is given stands in single quotes
# shellcheck source=SCRIPTDIR/../net/common.sh
. "$(dirname "$0")/../net/common.sh"
# shellcheck source=SCRIPTDIR/../lab/guest.sh
. "$(dirname "$0")/../lab/guest.sh"
# shellcheck source=SCRIPTDIR/../lab/libvirt.sh
. "$(dirname "$0")/../lab/libvirt.sh"
guest_need
libvirt_need
lab_begin "$@"
# shellcheck disable=SC2119 # no more modules
guest_image
HERE=$(cd "$(dirname "$0")" && pwd)

hosts hostA:alpha:vm11 hostB:alpha:vm12
for host in hostA hostB; do
	ctl "$host" port add guests type netdev segment alpha interface 'vnet*' state locked
	libvirt_hook "$host"
	libvirt_start "$host"
done

# ---- where they are ----

like() { # GUEST SEGMENT [FILE]
	sed -e "s/>vm[0-9]*</>$1</; s/52:54:00:00:00:0./$(mac "$1")/g; s/'\(alpha\|beta\)'/'$2'/g" \
		"$LAB_TOP/conf/libvirt/${3:-ethernet}.xml" >"$LAB/like.xml"
	libvirt_domain "$LAB/like.xml"
}
like vm1 alpha && like vm2 alpha && like vm3 beta
check "vm1 starts on hostA" vir hostA create "$LAB/vm1.xml"
check "vm2 starts on hostB" vir hostB create "$LAB/vm2.xml"
check "vm3 starts on hostB" vir hostB create "$LAB/vm3.xml"
for guest in vm1 vm2 vm3; do
	guest_up "$guest"
done
check "vm1 reaches vm2 on the other host" guest_pings vm1 "$(v4 vm2)"
check "and fetches from it what it has" guest_fetches vm1 "$(v4 vm2)"
check "and the other way round" guest_fetches vm2 "$(v4 vm1)"
check "vm3, in another segment on the same host, is not reached" guest_unreachable vm2 "$(v4 vm3)"
check "nor across" guest_unreachable vm3 "$(v4 vm1)"

# ---- a move ----

place() { # HOST: of vm1
	ctl "$1" -j fdb show segment alpha | json "[str(e.get('port') or e.get('dst')) for e in d if e['mac'] == '$(mac vm1)']"
}
is_at() { # HOST PLACE
	[ "$(place "$1")" = "['$2']" ]
}
migrate() { # FROM TO ADDRESS [GUEST]
	vir "$1" migrate --live --p2p "${4:-vm1}" "$(libvirt_uri "$2")" "tcp://$3"
}
packets() { # FILE: sent and lost
	awk '/packets transmitted/ { print $1, $1 - $4 }' "$1"
}
# The guest's own, at a hundred milliseconds.
ping_from_vm2() {
	guest_run vm2 "ping -q -i 0.1 $(v4 vm1) >/tmp/ping & echo \$! >/tmp/pinger"
}
vm2_saw() {
	guest_run vm2 'kill -INT $(cat /tmp/pinger); sleep 0.3; cat /tmp/ping' | awk '/packets transmitted/ { print $1, $1 - $4 }'
}

moves() { # FROM TO ADDRESS BACK
	local from=$1 to=$2 sent lost down ms file
	local -a pingers=()
	rm -f "$LAB/stop"
	background vm11 "$PYTHON" "$HERE/echo.py" "$(v4 vm1)" 5002 "$LAB/stop" >"$LAB/echo" 2>&1
	local echo=$LAB_LAST
	wait_until 20 grep -q ready "$LAB/echo"
	background vm11 ping -n -q -i 0.02 "$(v4 vm1)" >"$LAB/vm11.ping"
	pingers+=("$LAB_LAST")
	background vm12 ping -n -q -i 0.02 "$(v4 vm1)" >"$LAB/vm12.ping"
	pingers+=("$LAB_LAST")
	ping_from_vm2
	sleep 1 # of pings before
	check "vm1 moves from $from to $to" migrate "$from" "$to" "$3"
	check "$to has it at its port at once" wait_until 2 is_at "$to" vm1.0
	check "and $from behind the other host" wait_until 2 is_at "$from" "$3"
	check "it has no port on $from any more" wait_until 5 eval '! ctl '"$from"' port show vm1.0'
	sleep 1 # and after
	for pid in "${pingers[@]}"; do
		finish "$pid" INT
	done
	touch "$LAB/stop"
	wait "$echo" && status=0 || status=$?
	check "a TCP connection has lasted" equal "$status $(grep -c 'lines, the longest' "$LAB/echo")" "0 1"
	# How long QEMU had it stand still, by its own account.
	down=$(vir "$to" domjobinfo --completed vm1 | awk '/^Total downtime:/ { print $3 }')
	vm2_saw >"$LAB/vm2.saw"
	{
		echo "vm11 20 $(packets "$LAB/vm11.ping")"
		echo "vm12 20 $(packets "$LAB/vm12.ping")"
		echo "vm2 100 $(cat "$LAB/vm2.saw")"
	} >"$LAB/saw"
	while read -r file ms sent lost; do
		echo "# $from to $to: $file pinged each $ms ms: $sent sent, $lost lost; QEMU's downtime $down ms"
		check "$file lost no more than what was sent while vm1 stood still" [ "$lost" -le $((down / ms + 10)) ]
	done <"$LAB/saw"
	echo "# $from to $to: $(grep 'lines, the longest' "$LAB/echo")"
}
guest_run vm1 'nc -ll -p 5002 -e cat &'
moves hostA hostB 192.0.2.2
check "vm1 reaches vm2, which is now on its host" guest_pings vm1 "$(v4 vm2)"
check "and not vm3, which is, too" guest_unreachable vm1 "$(v4 vm3)"
moves hostB hostA 192.0.2.1
check "back again, vm1 reaches vm2" guest_fetches vm1 "$(v4 vm2)"
check "vm1 moves to hostB while nobody speaks" migrate hostA hostB 192.0.2.2
check "and is known there all the same" wait_until 2 is_at hostA 192.0.2.2
check "and back" migrate hostB hostA 192.0.2.1
check "likewise" wait_until 2 is_at hostB 192.0.2.1

# ---- stopped here, started there ----

check "vm1 is stopped on hostA" vir hostA destroy vm1
check "its port is gone" wait_until 5 eval '! ctl hostA port show vm1.0'
guest_drain vm1
check "and started on hostB" vir hostB create "$LAB/vm1.xml"
guest_up vm1
check "vm11 reaches it there" reaches vm11 "$(v4 vm1)"
check "where it is" is_at hostA 192.0.2.2

# ---- the same with sockets ----

n=4
for kind in udp client server; do
	guest=vm$n
	n=$((n + 1))
	like "$guest" alpha "$kind"
	check "$guest of $kind.xml starts on hostA" vir hostA create "$LAB/$guest.xml"
	guest_up "$guest"
	check "is reached there" reaches vm12 "$(v4 "$guest")"
	check "and moves to hostB" migrate hostA hostB 192.0.2.2 "$guest"
	check "where it is reached from hostA" reaches vm11 "$(v4 "$guest")"
	check "at its port" equal "$(ctl hostB -j fdb show segment alpha | json "[e['port'] for e in d if e['mac'] == '$(mac "$guest")'][0]")" "$guest.0"
	vir hostB destroy "$guest"
done

# ---- a host without its domain ----

vir hostB destroy vm1
sed -i 's/name = "alpha"; id = 1; domain = "alpha"/name = "alpha"; id = 1; domain = "gamma"/' "$LAB/hostA.conf"
check "segment alpha of hostA is another domain's now" ctl hostA reload
check "vm1 starts on hostB" vir hostB create "$LAB/vm1.xml"
guest_up vm1
check_not "it does not move to hostA" migrate hostB hostA 192.0.2.1
check "and goes on where it is" reaches vm12 "$(v4 vm1)"
lab_end
