#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Somebody sets the clock of a host a day forward, and two days back. Nothing that
# lasts may become longer or shorter by it.
#
#	vm1, vm2 (TAPs), vm3 (UNIX datagrams), vm4 (a stream) in one segment of hostA

# shellcheck disable=SC2016 # what eval is given stands in single quotes
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
lab_begin "$@"
fakeclock=$TVD_BIN/../test/libfakeclock.so
[ -e "$fakeclock" ] || lab_skip "no libfakeclock.so beside $TVD_BIN"
sockguest=$LAB_TOP/test/net/sockguest.py

lab_host hostA
lab_guest vm1 vm2 vm3 vm4
{
	list segments "$(segment alpha 1 'ageing = 4; ')"
	list ports "$(tap vm1 alpha)" "$(tap vm2 alpha)" \
		"{ name = \"vm3\"; type = \"dgram\"; segment = \"alpha\"; path = \"$LAB/vm3\"; remote = \"$LAB/vm3.guest\"; }" \
		"{ name = \"vm4\"; type = \"stream\"; segment = \"alpha\"; path = \"$LAB/vm4\"; }"
} | lab_config hostA
set_clock() { # SECONDS FROM THE REAL TIME
	printf '%-32s' "$1" | dd of="$LAB/clock" conv=notrunc status=none
}
: >"$LAB/clock"
set_clock 0
LAB_WRAP=(env "LD_PRELOAD=$fakeclock" "TVD_CLOCK=$LAB/clock")
lab_start hostA
LAB_WRAP=()

is() { # PORT STATE
	[ "$(ctl hostA -j port show "$1" | json "d[0]['state']")" = "$2" ]
}
knows() { # MAC
	ctl hostA -j fdb show | json "any(e['mac'] == '$1' for e in d)"
}
declare -A GUEST=()
begin_guest() { # GUEST WAY...
	rm -f "$LAB/$1.guest"
	background hostA "$PYTHON" "$sockguest" guest "$1" "$(mac "$1")" "${@:2}" >"$LAB/$1.out"
	GUEST[$1]=$LAB_LAST
}
end_guest() { # GUEST
	finish "${GUEST[$1]}" KILL
}
wall() { # the time of day that switchd has, by an event
	timeout 10 "$TVD_BIN/switchctl" -s "$LAB/hostA.sock" monitor >"$LAB/events" &
	local pid=$!
	sleep 0.3
	ctl hostA reload
	wait_until 5 grep -q '"reload"' "$LAB/events"
	kill "$pid"
	json "int(d['time'] - $(date +%s))" < <(grep '"reload"' "$LAB/events" | head -n 1)
}
everything() { # all that has to do with time
	local shift=$1 uptime
	check "the switch has the new time ($shift)" eval 'n=$(wall); [ $((n - '"$shift"')) -gt -30 ] && [ $((n - '"$shift"')) -lt 30 ]'
	uptime=$(ctl hostA -j status | json "d['uptime']")
	check "it runs for as long as it runs" [ "$uptime" -ge 0 -a "$uptime" -lt 300 ]
	check "guests reach each other" reaches vm1 "$(v4 vm2)"
	check "who speaks is not forgotten" knows "$(mac vm1)"
	on vm2 ip neigh flush dev eth0
	check "who does not speak is, after four seconds and no day" wait_until 12 eval '! knows "$(mac vm2)"'
	end_guest vm3
	on vm1 ping -q -c 2 -i 0.2 -W 1 "$(v4 vm3)" >/dev/null 2>&1 || :
	on vm1 ping -q -c 2 -i 0.2 -W 1 -b 10.0.0.255 >/dev/null 2>&1 || :
	check "a guest of datagrams that leaves is seen" wait_until 5 is vm3 down
	set_clock $((shift - 3600)) # back an hour meanwhile
	begin_guest vm3 dgram "$LAB/vm3.guest" "$LAB/vm3"
	address vm3
	check "and when it is back, it works" reaches vm3 "$(v4 vm1)"
	check "and is up" wait_until 5 eval 'lab_ping vm3 "$(v4 vm1)"; is vm3 up'
	end_guest vm4
	check "a stream that ends is seen" wait_until 5 is vm4 down
	begin_guest vm4 stream-connect "$LAB/vm4"
	check "and taken again" wait_until 8 is vm4 up
	address vm4
	check "and works" reaches vm4 "$(v4 vm1)"
}

address vm1 vm2
begin_guest vm3 dgram "$LAB/vm3.guest" "$LAB/vm3"
begin_guest vm4 stream-connect "$LAB/vm4"
address vm3 vm4
check "before: a guest of datagrams" reaches vm3 "$(v4 vm1)"
check "before: one of a stream" reaches vm4 "$(v4 vm1)"
background vm1 ping -n -i 0.05 "$(v4 vm2)" >"$LAB/ping"
pinger=$LAB_LAST
set_clock 86400
check "a day forward: nobody who speaks is forgotten" knows "$(mac vm1)"
check "nobody who just spoke, either" knows "$(mac vm3)"
finish "$pinger" INT
check "no ping was lost" grep -q ' 0% packet loss' "$LAB/ping"
everything 86400
set_clock -86400
everything -86400

# Connections of silent clients make way for new ones by the same clock.
background hostA "$PYTHON" -c 'import socket, sys, time
s = []
for _ in range(64):
    s.append(socket.socket(socket.AF_UNIX))
    s[-1].connect(sys.argv[1])
print("ready", flush=True)
time.sleep(60)' "$LAB/hostA.sock" >"$LAB/silent"
wait_until 10 grep -q ready "$LAB/silent"
set_clock -172800
lab_expect "more than 64 connections"
check "silent clients make way after a second" wait_until 5 ctl hostA status
lab_end
