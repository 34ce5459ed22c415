#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Hostile guests, careless clients and bad luck: whatever they do, the others go on,
# and the control socket answers.
#
#	hostA: vm1 (hostile), vm2, vm3 (alpha), vm4, vm5 (beta)     hostB: vm6 (alpha)

# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
lab_begin "$@"
hosts hostA:alpha:vm1 hostA:alpha:vm2 hostA:alpha:vm3 hostA:beta:vm4 hostA:beta:vm5 hostB:alpha:vm6
attack=$LAB_TOP/test/net/attack.py
check "before: vm1 and vm6" reaches vm1 "$(v4 vm6)"
check "before: vm4 and vm5" reaches vm4 "$(v4 vm5)"
# A MAC address that bounces, a client that stalls: such things are said.
lab_expect 'similar messages'

vm1_does() { # WHAT ARGS...
	local what=$1
	shift
	on vm1 "$PYTHON" "$attack" "$what" eth0 "$@"
}
bounded() { # MILLISECONDS, as `ask` has printed them
	[ -n "$1" ] && [ "$1" -lt 2000 ]
}
# Does something while the control socket is asked and vm4 pings vm5, all the time.
while_others_work() { # TEXT SECONDS COMMAND...
	local text=$1 seconds=$2 lost waited pinger
	shift 2
	background vm4 ping -q -n -i 0.02 -w "$seconds" "$(v4 vm5)" >"$LAB/ping.log"
	pinger=$LAB_LAST
	"$@" >/dev/null &
	waited=$("$PYTHON" "$attack" ask "$LAB/hostA.sock" "$seconds") || :
	wait "$!" || :
	wait "$pinger" || :
	check "$text: the control socket answers (within ${waited:-?} ms)" bounded "$waited"
	lost=$(awk '/packets transmitted/ { print $1 - $4 }' "$LAB/ping.log")
	# One may still be on its way at the end.
	check "$text: others lose nothing (${lost:-all} lost)" [ "${lost:-99}" -le 1 ]
}

# ---- metadata that lies ----

before=$(port_drops hostA vm1 bad_offload)
check "3,000 virtio-net headers that lie" vm1_does lies "$(mac vm1)" "$(mac vm2)" 1500
vm1_does lies "$(mac vm1)" "$(mac vm6)" 1500 >/dev/null
check "what is not true is counted" [ "$(port_drops hostA vm1 bad_offload)" -gt "$before" ]
check "and vm1 is still connected" reaches vm1 "$(v4 vm6)"

before=$(port_drops hostA vm1 bad_offload)
while_others_work "superframes that ask for 60,000 packets each" 2 \
	vm1_does super "$(mac vm1)" "$(mac vm6)" 1 2
check "they are refused" [ "$(port_drops hostA vm1 bad_offload)" -gt "$before" ]
while_others_work "superframes to nobody" 2 \
	vm1_does super "$(mac vm1)" 52:54:00:00:00:77 1448 2
check "they are a storm" [ "$(port_drops hostA vm1 storm)" -gt 0 ]
while_others_work "superframes of 300 packets each" 2 \
	vm1_does super "$(mac vm1)" "$(mac vm6)" 200 1

# ---- a million addresses, in small ----

reaches vm1 "$(v4 vm6)" # when what it has sent is through
reaches vm2 "$(v4 vm6)"
reaches vm2 "$(v4 vm3)"
capture vm3 eth0 "$LAB/vm3.pcap" "icmp and host $(v4 vm6)"
at_vm3=$LAB_LAST
background vm2 ping -q -n -i 0.02 -w 3 "$(v4 vm6)" >"$LAB/victim.log"
pinger=$LAB_LAST
"$PYTHON" "$attack" stall "$LAB/hostA.sock" 4 &
staller=$!
while_others_work "50,000 source addresses, and a client that reads no events" 3 \
	vm1_does macs "$(mac vm1)" 50000
wait "$pinger" || :
finish "$staller"
capture_end "$at_vm3"
check "vm2 and vm6 lose nothing meanwhile" \
	[ "$(awk '/packets transmitted/ { print $1 - $4 }' "$LAB/victim.log")" -le 1 ]
check "and are never flooded to vm3" equal "$(fields "$LAB/vm3.pcap" icmp frame.number | wc -l)" 0
check "the FDB has entries to spare" json "d[0]['fdb']['entries'] < 4096" \
	<<<"$(ctl hostA -j segment show alpha)"

# ---- a storm ----

before=$(port_drops hostA vm1 storm)
while_others_work "a storm of broadcasts" 2 vm1_does storm "$(mac vm1)" 2
check "it is limited" [ "$(port_drops hostA vm1 storm)" -gt "$before" ]

# ---- reloads under load ----

reloads() {
	local i
	for i in $(seq 20); do
		sed -i "s/ageing = [0-9]*/ageing = $((100 + i))/" "$LAB/hostA.conf"
		ctl hostA reload || return 1
	done
}
sed -i 's/name = "alpha";/& ageing = 100;/' "$LAB/hostA.conf"
check "a file with one more key is taken" ctl hostA reload
while_others_work "20 reloads" 2 reloads

# ---- the uplink's MTU changes ----

mtu_is() { # MTU
	ctl hostA -j segment show alpha | json "d[0]['mtu'] == $1"
}
check "a guest's MTU over an uplink of 1500" mtu_is 1464
lab_expect 'guests. frames now fit at an MTU of'
on hostA ip link set eth0 mtu 1300
check "and after the uplink's MTU has become 1300" wait_until 5 mtu_is 1264
capture hostB eth0 "$LAB/wire.pcap" ip proto 97
on_wire=$LAB_LAST
vm1_does super "$(mac vm1)" "$(mac vm6)" 1448 0.2
capture_end "$on_wire"
check "superframes of TCP are cut to fit" \
	[ "$(fields "$LAB/wire.pcap" 'ip.len == 1300' frame.number | wc -l)" -gt 10 ]
check "and none is sent in fragments" \
	equal "$(fields "$LAB/wire.pcap" 'ip.flags.mf == 1 or ip.frag_offset > 0' frame.number | wc -l)" 0
on hostA ip link set eth0 mtu 1500
check "and back" wait_until 5 mtu_is 1464

# ---- what would make us wait ----

mkfifo "$LAB/fifo"
check "a pipe in the place of a namespace is refused in time" \
	timeout 10 "$TVD_BIN/switchctl" -s "$LAB/hostA.sock" \
	port add vm9 type tap segment alpha ifname eth0 netns "$LAB/fifo"
check "and only its port is down" json "d[0]['state'] == 'down'" <<<"$(ctl hostA -j port show vm9)"
ctl hostA port del vm9

# A log that nobody reads, in a pipe that is nearly full.
lab_stop hostB
mkfifo "$LAB/log"
exec 7<>"$LAB/log"
head -c 60000 /dev/zero >&7
nsenter --net=/run/netns/hostB setpriv --pdeathsig KILL "$TVD_BIN/switchd" \
	-c "$LAB/hostB.conf" </dev/null >/dev/null 2>"$LAB/log" &
LAB_PID[hostB]=$!
wait_until 15 lab_answers hostB
cp "$LAB/hostB.conf" "$LAB/good.conf"
printf 'a_key_that_nobody_knows_%0300d = 1;\n' 0 >>"$LAB/hostB.conf"
refused() {
	local i
	for i in $(seq 60); do
		! timeout 5 "$TVD_BIN/switchctl" -s "$LAB/hostB.sock" reload >/dev/null 2>&1 || return 1
	done
	timeout 5 "$TVD_BIN/switchctl" -s "$LAB/hostB.sock" status
}
check "a log that nobody reads does not stop the switch" refused
dd if="$LAB/log" of=/dev/null bs=1M count=1 2>/dev/null
timeout 5 "$TVD_BIN/switchctl" -s "$LAB/hostB.sock" reload >/dev/null 2>&1 || :
check "and says later what it has lost" \
	grep -q 'lines before this one are lost' <<<"$(timeout 1 cat "$LAB/log" || :)"
exec 7<&-
mv "$LAB/good.conf" "$LAB/hostB.conf"
lab_stop hostB

# ---- system calls that fail ----

if ! command -v strace >/dev/null; then
	pass "system calls that fail # SKIP there is no strace"
	lab_end
fi
# A call that is changed under way is one that the filter does not know.
sed -i '1i seccomp = false;' "$LAB/hostB.conf"
lab_start hostB
address vm6
check "hostB again" reaches vm1 "$(v4 vm6)"
lab_expect 'receiving:' 'cannot accept' 'cannot send' 'cannot join' 'is down:' 'out of memory'
works() {
	for name in a b c; do
		ctl hostB segment add "$name" id $((0x10 + 0x${name})) >/dev/null 2>&1 || :
		ctl hostB segment del "$name" >/dev/null 2>&1 || :
	done
	lab_ping vm1 "$(v4 vm6)" || :
	on hostB ip link set eth0 down
	sleep 0.1
	lab_raise hostB
	lab_ping vm1 "$(v4 vm6)" || :
}
while read -r call error; do
	strace -q -p "${LAB_PID[hostB]}" -o /dev/null -e trace="$call" -e "inject=$call:error=$error:when=1+2" 2>/dev/null &
	LAB_CHILDREN+=("$!")
	sleep 0.3
	works
	finish "$!"
	check "afterwards, each second $call having failed with $error: all is well" reaches vm1 "$(v4 vm6)"
done <<'END'
sendmmsg ENOBUFS
recvmmsg ENOMEM
writev EIO
recvmsg ENOBUFS
setsockopt ENOMEM
accept4 EMFILE
END
lab_end
