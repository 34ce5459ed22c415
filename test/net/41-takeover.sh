#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Takeovers with ports of all types, under traffic, and with successors and
# predecessors that die at every step. hostA has in its segment alpha
#
#	vm1 tap                             vm4 stream, the switch connects
#	vm2 netdev (a veth)                 vm5 dgram          vm6 udp
#	vm3 stream, the switch listens      vm7 stream, TCP
#	vm8 netdev by a wildcard
#
# and in beta, over vxlan, vm11; hostB has vm12 there.

# shellcheck disable=SC2016 # what eval is given stands in single quotes
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=SCRIPTDIR/takeovers.sh
. "$(dirname "$0")/takeovers.sh"
lab_begin "$@"
HERE=$LAB_TOP/test/net
lab_host hostA 192.0.2.1/24
lab_host hostB 192.0.2.2/24
lab_wire hostA hostB
guests="vm1 vm2 vm3 vm4 vm5 vm6 vm7 vm8"
# shellcheck disable=SC2086 # words
lab_guest $guests vm11 vm12
S=$LAB/s
mkdir "$S"
port() { # NAME TYPE KEYS
	printf '{ name = "%s"; type = "%s"; segment = "alpha"; %s }' "$@"
}
configure() { # HOST ADDRESS ENTRY...
	local host=$1
	{
		uplink "$2"
		list segments "$(segment alpha 1 "storm = 0;")" \
			"$(segment beta 2 "encap = ( { type = \"vxlan\"; uplink = \"lan\"; vni = 77; group = \"239.1.1.1\"; } );")"
		list ports "${@:3}"
	} | lab_config "$host"
}
entries=(
	"$(tap vm1 alpha)"
	"$(port vm2 netdev 'interface = "veth2";')"
	"$(port vm3 stream "path = \"$S/vm3\";")"
	"$(port vm4 stream "path = \"$S/vm4\"; connect = true;")"
	"$(port vm5 dgram "path = \"$S/vm5\"; remote = \"$S/vm5.guest\";")"
	"$(port vm6 udp 'local = "127.0.0.1:4006"; remote = "127.0.0.1:4106";')"
	"$(port vm7 stream 'local = "127.0.0.1:4007";')"
	"$(port wild netdev 'interface = "wild*"; state = "open";')"
	"$(port half stream "path = \"$S/half\";")"
	"$(tap vm11 beta)"
)
configure hostA 192.0.2.1 "${entries[@]}"
configure hostB 192.0.2.2 "$(tap vm12 beta)"
plug() { # GUEST INTERFACE-OF-HOST
	on hostA ip link add "$2" type veth peer name eth0 netns "$1"
	on "$1" ip link set eth0 address "$(mac "$1")" up
}
declare -A WAY=(
	[vm3]="stream-connect $S/vm3" [vm4]="stream-listen $S/vm4" [vm5]="dgram $S/vm5.guest $S/vm5"
	[vm6]="udp 127.0.0.1:4106 127.0.0.1:4006" [vm7]="stream-connect 127.0.0.1:4007"
)
# Else ten datagrams wait at most, and a port that waits for room has a descriptor more.
on hostA sysctl -qw net.unix.max_dgram_qlen=4096 2>/dev/null || true

state() { # PORT
	ctl hostA -j port show "$1" | json "d[0]['state']"
}
is() { # PORT STATE
	[ "$(state "$1" 2>/dev/null)" = "$2" ]
}
fdb() {
	ctl hostA -j fdb show | json "'\n'.join(sorted(e['mac'] + ' ' + e['segment'] + ' ' + e['state'] + ' ' + str(e.get('port')) + str(e.get('dst')) for e in d))"
}
sent() {
	awk '/packets transmitted/ { print $1 }' "$1"
}
interfaces() {
	local i
	for i in veth2 wild8; do
		on hostA tc filter show dev $i ingress
		on hostA tc filter show dev $i egress
		on hostA ip -d link show $i | grep -Eo 'addrgenmode [a-z0-9]+|<[^>]*>'
	done
}
shielded() { # INTERFACE
	on hostA tc filter show dev "$1" ingress 2>/dev/null | finds bytecode
}
everybody() { # reaches vm1
	local guest
	for guest in $guests; do
		[ "$guest" = vm1 ] || reaches "$guest" "$(v4 vm1)" || return 1
	done
	reaches vm11 "$(v4 vm12)"
}

plug vm2 veth2
plug vm8 wild8
# Without a shield the host answers: so it can be heard that it does not.
on hostA ip link set veth2 up
on vm2 timeout 20 "$PYTHON" "$HERE/sockguest.py" listen_for_host eth0 192.0.2.1 "$LAB/nothing" >/dev/null &
sleep 0.5
touch "$LAB/nothing"
wait $! || :
on hostA ip link set veth2 down
lab_start hostA
lab_start hostB
for guest in "${!WAY[@]}"; do
	# shellcheck disable=SC2086 # words
	background hostA "$PYTHON" "$HERE/sockguest.py" guest "$guest" "$(mac "$guest")" ${WAY[$guest]} >"$LAB/$guest.out"
done
# shellcheck disable=SC2086 # words
address $guests vm11 vm12
check "all reach each other" wait_until 20 everybody
ctl hostA segment add gamma id 3
ctl hostA port add extra type dgram segment gamma path "$S/extra" remote "$S/extra.guest"
ctl hostA fdb add 52:54:00:00:00:77 segment alpha port vm3
ctl hostA fdb add 52:54:00:00:00:78 segment gamma port extra sticky

# ---- under traffic ----

for guest in $guests vm12; do
	background "$guest" "$PYTHON" "$HERE/transfer.py" serve >"$LAB/$guest.serve"
done
declare -A STREAM=() PING=()
from() { # GUEST: who talks to it
	case $1 in
	vm12) echo vm11 ;;
	vm1) echo vm3 ;;
	*) echo vm1 ;;
	esac
}
for guest in $guests vm12; do
	wait_until 10 grep -q ready "$LAB/$guest.serve" || lab_die "no server in $guest"
	# UNIX datagrams wait ten at a time: a stream would crowd pings out.
	if [ "$guest" != vm5 ]; then
		background "$(from "$guest")" "$PYTHON" "$HERE/stream.py" "$(v4 "$guest")" "$LAB/stop" >"$LAB/$guest.stream" 2>&1
		STREAM[$guest]=$LAB_LAST
	fi
	background "$(from "$guest")" ping -n -q -i 0.02 "$(v4 "$guest")" >"$LAB/$guest.ping"
	PING[$guest]=$LAB_LAST
done
for guest in "${!STREAM[@]}"; do
	wait_until 10 grep -q ready "$LAB/$guest.stream" || lab_die "no stream to $guest"
done
background vm2 "$PYTHON" "$HERE/sockguest.py" listen_for_host eth0 192.0.2.1 "$LAB/stop" >"$LAB/asked"
asked=$LAB_LAST
wait_until 10 grep -q ready "$LAB/asked"
background hostA tc monitor >"$LAB/tc"
wait_until 5 eval 'ctl hostA -j fdb show | json "len(d) >= 12"'
known=$(fdb)
before=$(interfaces)
count=$(descriptors hostA)
for n in 1 2 3 4 5; do
	takes_over hostA "takeover $n under traffic, with ports of all types"
	[ "$n" != 1 ] || check "the FDB is kept, for all of them" equal "$(fdb)" "$known"
	sleep 0.3
done
check "no descriptor is lost on the way" keeps_descriptors hostA "$count"
check "interfaces and shields are as they were" equal "$(interfaces)" "$before"
check_not "and were touched at no time" grep -q . "$LAB/tc"
check "a port and a segment that switchctl had added are kept" equal "$(ctl hostA -j port show extra | json "d[0]['segment'] + d[0]['owner']")" gammacli
for guest in vm3 vm4 vm5 vm6 vm7; do
	check "$guest is up" is "$guest" up
done
touch "$LAB/stop"
for guest in $guests vm12; do
	if [ -n "${STREAM[$guest]:-}" ]; then
		wait "${STREAM[$guest]}" && status=0 || status=$?
		check "a TCP connection with $guest has lasted, with every byte" equal "$status $(grep -v ready "$LAB/$guest.stream" | sed 's/[0-9]* bytes/bytes/')" "0 bytes"
	fi
	finish "${PING[$guest]}" INT
	echo "# lost of $guest in five takeovers: $(lost "$LAB/$guest.ping") of $(sent "$LAB/$guest.ping")"
	check "of pings to $guest at most ten are lost at each" [ "$(lost "$LAB/$guest.ping")" -le 50 ]
	check_not "and none came twice" grep -q duplicates "$LAB/$guest.ping"
done
for guest in "${!WAY[@]}"; do
	check_not "$guest has lost no connection, and never found nobody there" grep -E 'lost|refused' "$LAB/$guest.out"
done
wait "$asked" || :
echo "# $(tail -n 1 "$LAB/asked")"
check "the host has answered nothing" grep -q 'answers 0$' "$LAB/asked"

# ---- half a frame ----

background hostA "$PYTHON" "$HERE/sockguest.py" halves "$S/half" "$LAB/middle" >"$LAB/half.out"
half=$LAB_LAST
wait_until 10 grep -q half "$LAB/half.out"
check "a peer that says half a frame is there" wait_until 5 is half up
told=0
fills() { # a slow machine loses some of it before it comes to the switch
	on vm1 "$PYTHON" "$HERE/sockguest.py" shout eth0 12000 "$told"
	told=$((told + 12000))
	[ "$(port_drops hostA half queue_full tx)" -gt 0 ]
}
check "one that reads nothing gets no more" wait_until 20 fills
takes_over hostA "takeover with half a frame in both directions"
check "no frame of it was taken yet" equal "$(ctl hostA -j port show half | json "d[0]['stats']['rx_frames']")" 0
touch "$LAB/middle"
wait "$half" && status=0 || status=$?
check "what it then reads is whole" equal "$status $(sed -n 's/^frames [1-9].*/frames/p' "$LAB/half.out")" "0 frames"
echo "# it had $(tail -n 1 "$LAB/half.out" | grep -o '[0-9]*') in its way"
check "and what it says, too" equal "$(ctl hostA -j port show half | json "d[0]['stats']['rx_frames']")" 2

# ---- successors that fail at every step ----

serving=${LAB_PID[hostA]}
background vm1 ping -n -q -i 0.02 "$(v4 vm2)" >"$LAB/fail.ping"
ping=$LAB_LAST
check "successors that die, or talk nonsense, at every step" on hostA timeout 60 "$PYTHON" "$HERE/takers.py" successors "$LAB/hostA.sock"
check "leave everything to the predecessor" kill -0 "$serving"
check "which goes on for all" wait_until 5 everybody
check "with all descriptors" keeps_descriptors hostA "$count"
check "and all interfaces" equal "$(interfaces)" "$before"
said=$(on hostA prlimit --nofile=16 timeout 20 "$TVD_BIN/switchd" -c "$LAB/hostA.conf" -T 2>&1) || :
check "one that has no room for the descriptors gives up" grep -q "cannot start: " <<<"$said"
check "and the predecessor goes on" wait_until 5 everybody
# Killed at any time: one of the two serves, and it is always the same.
took=0
for n in $(seq 0 14); do
	successor hostA
	sleep "$(printf '0.%04d' $((n * 7)))"
	kill -KILL "$SUCCESSOR" 2>/dev/null || :
	wait "$SUCCESSOR" 2>/dev/null || :
	if ! wait_until 1 answers hostA; then # it was the one that served
		took=$((took + 1))
		wait "${LAB_PID[hostA]}" || :
		lab_start hostA
		address vm1 vm11
	fi
done
echo "# of 15 successors killed, $took served already"
check "after all of them everybody is reached" wait_until 10 everybody
finish "$ping" INT
echo "# lost while successors failed and $took served: $(lost "$LAB/fail.ping") of $(sent "$LAB/fail.ping")"

# ---- predecessors that die at every step ----

mkdir "$LAB/old.run"
sed -e "s|$LAB/hostA|$LAB/old|g" -e '/name = "wild"/d' -e 's/name = "lan"; interface = "eth0"/name = "lan"; interface = "none"/' "$LAB/hostA.conf" |
	sed -e '/^ports/,/^);/d' -e '/vxlan/d' -e 's/storm = 0;},/storm = 0;}/' >"$LAB/old.conf"
serves_old() {
	"$TVD_BIN/switchctl" -s "$LAB/old.sock" status >/dev/null 2>&1
}
for step in answer go nonsense control half end serving mine; do
	rm -f "$LAB/old.sock" "$LAB/old.out"
	timeout 30 "$PYTHON" "$HERE/takers.py" predecessor "$LAB/old.sock" $step >"$LAB/old.out" 2>&1 &
	old=$!
	wait_until 10 grep -qs ready "$LAB/old.out"
	on hostA timeout 20 "$TVD_BIN/switchd" -c "$LAB/old.conf" -T >"$LAB/old.log" 2>&1 </dev/null &
	new=$!
	wait "$old" && status=0 || status=$?
	check "a predecessor can die at '$step'" equal "$status" 0
	case $step in
	answer | nonsense | mine)
		wait "$new" && status=0 || status=$?
		check "its successor gives up" equal "$status" 1
		;;
	*)
		check "its successor serves" wait_until 10 serves_old
		kill -TERM "$(pgrep -P "$new")"
		wait "$new" && status=0 || status=$?
		check "and says so" grep -q 'died on the way' "$LAB/old.log"
		;;
	esac
done
# Killed at any time: the successor serves if it has asked in time.
alone=0
for n in $(seq 0 9); do
	old=${LAB_PID[hostA]}
	successor hostA
	sleep "$(printf '0.%04d' $((n * 12)))"
	kill -KILL "$old" 2>/dev/null || :
	wait "$old" 2>/dev/null || :
	LAB_PID[hostA]=$SUCCESSOR
	wait_until 5 eval 'answers hostA || lab_gone "$SUCCESSOR"'
	if ! answers hostA; then
		alone=$((alone + 1))
		wait "$SUCCESSOR" || :
		lab_start hostA
	fi
done
echo "# of 10 predecessors killed, $alone before the successor knew enough"
# shellcheck disable=SC2086 # words
address vm1 vm11
check "after all of them everybody is reached" wait_until 15 everybody
check "with shields" equal "$(interfaces)" "$before"
lab_expect 'the predecessor has died on the way' 'cannot start: '

# ---- other configurations ----

configure hostA 192.0.2.1 "$(tap vm1 alpha)" "$(port vm2b netdev 'interface = "veth2";')" \
	"$(port vm3 dgram "path = \"$S/vm3\"; remote = \"$S/vm3.guest\";")" \
	"$(port vm5b dgram "path = \"$S/vm5\"; remote = \"$S/vm5.guest\";")" \
	"$(port vm6 udp 'local = "127.0.0.1:4006"; remote = "127.0.0.1:4206";')" "$(tap vm11 beta)"
: >"$LAB/tc"
takes_over hostA "a successor with ports renamed, of other types, and without some"
check "a renamed port has its interface" wait_until 5 reaches vm2 "$(v4 vm1)"
check "which was shielded at all times" eval '! grep -q deleted.*veth2 "$LAB/tc" && shielded veth2'
check "one that is gone gives it back" wait_until 5 eval '! shielded wild8'
check "a renamed socket works" wait_until 5 reaches vm5 "$(v4 vm1)"
check "its path is the new port's" wait_until 5 test -S "$S/vm5"
check "a port of another type has its path" wait_until 5 eval 'ctl hostA -j port show vm3 | json "d[0][\"type\"] == \"dgram\"" && test -S "$S/vm3"'
check "the path of a port that is gone is gone" wait_until 5 eval '! test -e "$S/half"'
check "a port with another peer is there" wait_until 5 eval 'ctl hostA -j port show vm6 | json "d[0][\"remote\"] == \"127.0.0.1:4206\"" && on hostA grep -q 0100007F:0FA6 /proc/net/udp'
lab_end
