#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Restarts that guests do not notice: a successor takes over from its predecessor
# under traffic, with another configuration, and not when it cannot; a service
# manager keeps descriptors over a restart; and after SIGKILL everything is made
# anew, quickly.
#
#	hostA: vm1, vm2, vm5 (alpha)     hostB: vm3, vm4 (alpha)

# shellcheck disable=SC2016 # what eval is given stands in single quotes
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=SCRIPTDIR/takeovers.sh
. "$(dirname "$0")/takeovers.sh"
lab_begin "$@"
hosts hostA:alpha:vm1 hostA:alpha:vm2 hostB:alpha:vm3 hostB:alpha:vm4
HERE=$LAB_TOP/test/net
lab_guest vm5
ctl hostA port add vm5 type tap segment alpha ifname eth0 netns vm5 mac "$(mac vm5)"
address vm5

interface() { # GUEST: index, address, flags
	on "$1" ip -o addr show dev eth0 | grep -v inet6.fe80
	on "$1" cat /sys/class/net/eth0/ifindex /sys/class/net/eth0/address
}
absent() { # GUEST
	! on "$1" ip link show dev eth0 >/dev/null 2>&1
}
fdb() { # HOST
	ctl "$1" -j fdb show | json "'\n'.join(sorted(e['mac'] + ' ' + e['state'] + ' ' + str(e.get('port')) + str(e.get('dst')) for e in d))"
}
# A successor that is to be refused: what it says.
refused() { # CONFIGURATION
	on hostA timeout 20 "$TVD_BIN/switchd" -c "$1" -T 2>&1 </dev/null && return 1
	return 0
}

# ---- under traffic ----

ctl hostA fdb add 52:54:00:00:00:77 segment alpha port vm1
ctl hostA fdb add 52:54:00:00:00:78 segment alpha port vm2 sticky
reaches vm1 "$(v4 vm3)" && reaches vm2 "$(v4 vm4)" && reaches vm5 "$(v4 vm1)"
for guest in vm2 vm3; do
	background "$guest" "$PYTHON" "$HERE/transfer.py" serve >"$LAB/$guest.serve"
done
wait_until 10 grep -q ready "$LAB/vm2.serve" && wait_until 10 grep -q ready "$LAB/vm3.serve"
for guest in vm1 vm5; do
	to=$(v4 vm2)
	[ $guest != vm1 ] || to=$(v4 vm3)
	background "$guest" "$PYTHON" "$HERE/stream.py" "$to" "$LAB/stop" >"$LAB/$guest.stream" 2>&1
	declare "stream_$guest=$LAB_LAST"
	background "$guest" ping -n -q -i 0.01 "$to" >"$LAB/$guest.ping"
	declare "ping_$guest=$LAB_LAST"
done
wait_until 10 grep -q ready "$LAB/vm1.stream" && wait_until 10 grep -q ready "$LAB/vm5.stream"
sleep 0.3
before=$(for guest in vm1 vm2 vm5; do interface $guest; done)
known=$(fdb hostA)
count=$(descriptors hostA)
for n in 1 2 3 4 5; do
	takes_over hostA "takeover $n under traffic"
	[ "$n" != 1 ] || check "the FDB is kept, with states and places" equal "$(fdb hostA)" "$known"
	sleep 0.2
done
takes_over hostB "another on hostB"
sleep 0.3
# The kernel takes its time to free what a predecessor had, and we ask again each second.
check "no descriptor is lost on the way" keeps_descriptors hostA "$count"
check "interfaces, addresses and indices are the same" equal "$(for guest in vm1 vm2 vm5; do interface $guest; done)" "$before"
check "a port that switchctl had added is kept" equal "$(ctl hostA -j port show vm5 | json "d[0]['state'] + d[0]['owner']")" upcli
touch "$LAB/stop"
for guest in vm1 vm5; do
	what="on one host"
	[ $guest != vm1 ] || what="to the other host"
	pid=stream_$guest
	wait "${!pid}" && status=0 || status=$?
	check "a TCP connection $what has lasted, with every byte" equal "$status $(grep -v ready "$LAB/$guest.stream" | sed 's/[0-9]* bytes/bytes/')" "0 bytes"
	pid=ping_$guest
	finish "${!pid}" INT
	echo "# lost $what in six takeovers: $(lost "$LAB/$guest.ping") of $(awk '/packets trans/ { print $1 }' "$LAB/$guest.ping")"
	check "of pings $what at most ten are lost at each" [ "$(lost "$LAB/$guest.ping")" -le 60 ]
	check_not "and none came twice" grep -q duplicates "$LAB/$guest.ping"
done

# ---- another configuration ----

cp "$LAB/hostA.conf" "$LAB/good.conf"
sed -e 's/name = "vm2"; type = "tap"; segment = "alpha"/name = "vm2"; type = "tap"; segment = "beta"/' "$LAB/good.conf" >"$LAB/hostA.conf"
takes_over hostA "a successor with another configuration takes over"
check "which is in force" equal "$(ctl hostA -j port show vm2 | json "d[0]['segment']")" beta
check "the moved port has kept its interface" equal "$(for guest in vm1 vm2 vm5; do interface $guest; done)" "$before"
check "and reaches its former segment no more" unreachable vm2 "$(v4 vm1)"
check "others are as they were" reaches vm1 "$(v4 vm3)"
sed -e 's/,{ name = "vm2"[^}]*}//' "$LAB/good.conf" >"$LAB/hostA.conf"
takes_over hostA "a successor without a port takes over"
check "whose interface goes" wait_until 5 absent vm2
check "others keep theirs" reaches vm1 "$(v4 vm3)"
cp "$LAB/good.conf" "$LAB/hostA.conf"
takes_over hostA "and with it again"
address vm2
check "it is made anew" reaches vm2 "$(v4 vm4)"

# ---- refused ----

serving=${LAB_PID[hostA]}
printf 'nonsense = 1;\n' >"$LAB/bad.conf"
check "a configuration with a fault is not taken over with" grep -q 'bad.conf:1' <<<"$(refused "$LAB/bad.conf")"
sed 's/name = "vm2"/name = "vm5"/' "$LAB/good.conf" >"$LAB/conflict.conf"
said=$(refused "$LAB/conflict.conf")
check "nor one that contradicts what switchctl has added" grep -q 'vm5.*there is one\|vm5.*exists already\|vm5.*is there twice' <<<"$said"
sed 's/hostA.sock/nobody.sock/' "$LAB/good.conf" >"$LAB/nobody.conf"
check "without a predecessor there is nothing to take over" grep -q 'nobody to take over from' <<<"$(refused "$LAB/nobody.conf")"
check "a second switchd without the option is refused" grep -q 'in use by another process: `run_dir` gives' <<<"$(on hostA timeout 20 "$TVD_BIN/switchd" -c "$LAB/good.conf" 2>&1)"
check "hostile successors get nothing" on hostA "$PYTHON" "$HERE/hostile.py" "$LAB/hostA.sock"
check "the predecessor is unharmed" kill -0 "$serving"
check "and goes on" reaches vm1 "$(v4 vm3)"
check "and can be changed" ctl hostA port set vm1 state open
lab_expect 'cannot start: '

# ---- a predecessor that dies on the way ----

kill -STOP "$serving"
on hostA "$TVD_BIN/switchd" -c "$LAB/good.conf" -T >"$LAB/orphan" 2>&1 </dev/null &
orphan=$!
sleep 0.5
kill -KILL "$serving"
wait "$serving" 2>/dev/null || :
wait "$orphan" && status=0 || status=$?
check "a predecessor killed before it answered: the successor ends with a message" equal "$status $(grep -c 'cannot take over' "$LAB/orphan")" "1 1"

# ---- after SIGKILL ----

unset "LAB_PID[hostA]"
started=$(date +%s%N)
lab_start hostA
wait_until 5 lab_raised vm1 && address vm1 vm2 && reaches vm1 "$(v4 vm3)"
took=$((($(date +%s%N) - started) / 1000000))
echo "# forwarding again $took ms after it was started"
check "after SIGKILL it forwards again" reaches vm1 "$(v4 vm3)"
check "within a second, or three where machines are slow" [ "$took" -lt 3000 ]

# ---- a service manager that keeps descriptors ----

lab_stop hostA
lab_guest vm6 vm7
sed -e "s|^ports = (|ports = (\n{ name = \"vm6\"; type = \"stream\"; segment = \"alpha\"; path = \"$LAB/vm6\"; },\n{ name = \"vm7\"; type = \"dgram\"; segment = \"alpha\"; path = \"$LAB/vm7\"; remote = \"$LAB/vm7.guest\"; },|" "$LAB/good.conf" >"$LAB/hostA.conf"
background hostA "$PYTHON" "$HERE/manager.py" "$LAB/notify" "$LAB/report" \
	"$TVD_BIN/switchd" -c "$LAB/hostA.conf" >>"$LAB/hostA.log" 2>&1
manager=$LAB_LAST
ready() { # TIMES
	[ -e "$LAB/report" ] && [ "$(grep -c '^ready' "$LAB/report")" -ge "$1" ]
}
child() {
	awk '/^start/ { pid = $2 } END { print pid }' "$LAB/report"
}
wait_until 10 ready 1
address vm1 vm2
background hostA "$PYTHON" "$HERE/sockguest.py" guest vm6 "$(mac vm6)" stream-connect "$LAB/vm6" >"$LAB/vm6.out"
background hostA "$PYTHON" "$HERE/sockguest.py" guest vm7 "$(mac vm7)" dgram "$LAB/vm7.guest" "$LAB/vm7" >"$LAB/vm7.out"
address vm6 vm7
ctl hostA port add vm5 type tap segment alpha ifname eth0 netns vm5 mac "$(mac vm5)"
address vm5
reaches vm1 "$(v4 vm3)" && reaches vm2 "$(v4 vm4)" && reaches vm5 "$(v4 vm1)"
reaches vm6 "$(v4 vm1)" && reaches vm7 "$(v4 vm1)"
ctl hostA fdb add 52:54:00:00:00:77 segment alpha port vm1
# vm6 has two, and its first was stored once more when it came.
check "descriptors are stored" [ "$(grep -c '^store port\.' "$LAB/report")" = 7 ]
before=$(for guest in vm1 vm2 vm5; do interface $guest; done)
known=$(fdb hostA)
background vm1 ping -n -q -i 0.01 "$(v4 vm3)" >"$LAB/restart.ping"
ping=$LAB_LAST
kill -TERM "$(child)"
check "told to end, it is started again" wait_until 10 ready 2
check "with its descriptors" equal "$(awk '/^start/ { s = $0 } END { print s }' "$LAB/report" | grep -o ' port\.' | wc -l)" 6
check "guests on sockets go on" eval 'reaches vm6 "$(v4 vm1)" && reaches vm7 "$(v4 vm1)"'
check "and what was learned" equal "$(fdb hostA)" "$known"
check "guests keep their interfaces" equal "$(for guest in vm1 vm2 vm5; do interface $guest; done)" "$before"
sleep 0.2
kill -KILL "$(child)"
check "killed, it is started again" wait_until 10 ready 3
check "guests of the file keep their interfaces" equal "$(for guest in vm1 vm2; do interface $guest; done)" "$(grep -v vm5 <<<"$before" | head -n "$(for guest in vm1 vm2; do interface $guest; done | wc -l)")"
check "and those on sockets their connections" eval 'reaches vm6 "$(v4 vm1)" && reaches vm7 "$(v4 vm1)"'
check_not "which none of them has lost" grep -E 'lost|refused' "$LAB/vm6.out" "$LAB/vm7.out"
sleep 0.2
finish "$ping" INT
echo "# lost in a restart and a kill: $(lost "$LAB/restart.ping") of $(awk '/packets trans/ { print $1 }' "$LAB/restart.ping")"
check "and reach others" reaches vm1 "$(v4 vm3)"
ctl hostA port del vm2
check "a port that goes is stored no longer" wait_until 5 grep -q '^remove port\.vm2' "$LAB/report"
check "and its interface is gone" wait_until 5 absent vm2
finish "$manager" TERM
lab_end
