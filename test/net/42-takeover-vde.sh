#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Takeovers with clients of VDE, as Debian has them: they stay connected, with their
# numbers and stations, and are dropped where the successor has no place for them.
#
#	vm1, vm2   vde_plug2tap at the port `sw`, in segment alpha
#	vm3        vde_plug2tap at number 3 of it, which is in segment beta
#	vm7, vm8   TAPs in alpha and beta
#
# And two successors that are silent, of which one has stopped the switch; hostB has
# nothing but the other one.

# shellcheck disable=SC2016 # what eval is given stands in single quotes
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=SCRIPTDIR/takeovers.sh
. "$(dirname "$0")/takeovers.sh"
PATH=$PATH:/usr/sbin
for tool in vde_plug vde_plug2tap; do
	command -v "$tool" >/dev/null || lab_skip "there is no $tool (package vde2)"
done
lab_begin "$@"
HERE=$LAB_TOP/test/net
vdeclient=$HERE/vdeclient.py

lab_host hostA 192.0.2.1/24
lab_host hostB
lab_guest vm1 vm2 vm3 vm7 vm8
V=$LAB/vde
M=$LAB/vde.mgmt
segments=("$(segment alpha 1 'storm = 0; ')" "$(segment beta 2)")
sw="{ name = \"sw\"; type = \"vde\"; segment = \"alpha\"; path = \"$V\"; mgmt = \"$M\"; }"
three="{ name = \"three\"; type = \"vde\"; segment = \"beta\"; path = \"$V\"; number = 3; }"
taps=("$(tap vm7 alpha)" "$(tap vm8 beta)")
configure() { # PORT...
	{
		list segments "${segments[@]}"
		list ports "$@" "${taps[@]}"
	} | lab_config hostA
}

shows() { # PORT KEY REGEX
	ctl hostA -j port show "$1" 2>/dev/null | json "d[0].get('$2', '')" | grep -Eq "$3"
}
gone() { # PORT
	! ctl hostA port show "$1" >/dev/null 2>&1
}
clients() { # NUMBER
	[ "$(ctl hostA -j port show sw | json "d[0]['clients']")" = "$1" ]
}
# Files in the directory beside its control socket, with inodes if asked for.
files() { # [FORMAT]
	find "$V" -mindepth 1 ! -name ctl -printf "${1:-%f}\n" | sort | xargs
}
fdb() {
	ctl hostA -j fdb show | json "'\n'.join(sorted(e['mac'] + ' ' + e['state'] + ' ' + str(e.get('port')) for e in d))"
}
lab_expect 'warn: vde: port sw: process [0-9]+ of user [0-9]+ is refused: port 9 is in use'
declare -A PLUG=()
plug() { # GUEST URL
	on "$1" ip link del eth0 2>/dev/null || :
	background "$1" vde_plug2tap -s "$2" eth0 >"$LAB/$1.plug" 2>&1
	PLUG[$1]=$LAB_LAST
	wait_until 10 on "$1" ip link show eth0 >/dev/null 2>&1 || lab_die "vde_plug2tap: $(cat "$LAB/$1.plug")"
	on "$1" ip link set eth0 address "$(mac "$1")" up
	address "$1"
}
everybody() {
	reaches vm1 "$(v4 vm7)" && reaches vm2 "$(v4 vm1)" && reaches vm3 "$(v4 vm8)"
}

list segments "$(segment alpha 1)" | lab_config hostB
lab_start hostB
background hostB timeout 40 "$PYTHON" "$HERE/takers.py" mute "$LAB/hostB.sock" >"$LAB/mute"
mute=$LAB_LAST
wait_until 10 grep -q asked "$LAB/mute" || lab_die "nobody asks hostB"
check "while a successor asks, changes are refused" grep -q 'a successor is about to take over' <<<"$(ctl hostB segment add beta id 2 2>&1)"

configure "$sw" "$three"
lab_start hostA
address vm7 vm8
plug vm1 "vde://$V"
plug vm2 "vde://${V}[9]"
plug vm3 "vde://${V}[3]"
check "clients reach each other and TAPs" everybody
check "at their numbers" equal "$(files)" '001.0 003.0 009.0'

# ---- under traffic ----

background vm1 "$PYTHON" "$HERE/transfer.py" serve >"$LAB/vm1.serve"
wait_until 10 grep -q ready "$LAB/vm1.serve" || lab_die "no server in vm1"
background vm7 "$PYTHON" "$HERE/stream.py" "$(v4 vm1)" "$LAB/stop" >"$LAB/vm1.stream" 2>&1
stream=$LAB_LAST
wait_until 10 grep -q ready "$LAB/vm1.stream" || lab_die "no stream to vm1"
declare -A PING=()
for pair in vm2:vm7 vm8:vm3; do
	background "${pair%:*}" ping -n -q -i 0.02 "$(v4 "${pair#*:}")" >"$LAB/${pair%:*}.ping"
	PING[${pair%:*}]=$LAB_LAST
done
sleep 0.3
known=$(fdb)
before=$(files '%f=%i')
ctl_file=$(stat -c '%i %a %u %g' "$V/ctl" "$M" "$V")
count=$(descriptors hostA)
for n in 1 2 3 4 5; do
	takes_over hostA "takeover $n under traffic, with clients of VDE"
	[ "$n" != 1 ] || check "the FDB is kept" equal "$(fdb)" "$known"
	sleep 0.2
done
check "clients are there, with their numbers" eval 'clients 3 && shows sw/1 state up && shows sw/9 state up && shows three state up'
check "known by their processes" eval 'shows sw/1 peer "process ${PLUG[vm1]} of user $(id -u)" && shows three peer "process ${PLUG[vm3]} "'
check "and what they call themselves" shows sw/9 description 'vdeplug|vde_plug2tap'
check "their sockets are the same" equal "$(files '%f=%i')" "$before"
check "so are the control and management sockets, and the directory" equal "$(stat -c '%i %a %u %g' "$V/ctl" "$M" "$V")" "$ctl_file"
check "no descriptor is lost on the way" keeps_descriptors hostA "$count"
touch "$LAB/stop"
wait "$stream" && status=0 || status=$?
check "a TCP connection with a client has lasted, with every byte" equal "$status $(grep -v ready "$LAB/vm1.stream" | sed 's/[0-9]* bytes/bytes/')" "0 bytes"
for guest in vm2 vm8; do
	finish "${PING[$guest]}" INT
	echo "# lost of $guest in five takeovers: $(lost "$LAB/$guest.ping") of $(awk '/packets trans/ { print $1 }' "$LAB/$guest.ping")"
	check "of pings of $guest at most ten are lost at each" [ "$(lost "$LAB/$guest.ping")" -le 50 ]
	check_not "and none came twice" grep -q duplicates "$LAB/$guest.ping"
done
check "others can plug in" eval '[ "$(on hostA timeout 20 "$PYTHON" "$vdeclient" odd good "$V")" = granted ] && wait_until 5 clients 3'
check "a number in use is refused still" eval '! on hostA timeout 5 vde_plug "vde://${V}[9]" </dev/null'
check "the port can be managed" eval 'on hostA "$PYTHON" "$vdeclient" say "$M" port/print | finds "^Port 0009"'
finish "${PLUG[vm2]}" KILL
check "a client that leaves now has no port, station or socket any more" wait_until 5 eval 'gone sw/9 && ! fdb | finds " sw/9" && [ ! -e "$V/009.0" ]'
plug vm2 "vde://${V}[9]"

# ---- in the middle ----

# What waits for a client that does not read goes on waiting; who calls while nobody
# listens waits for the successor.
background hostA "$PYTHON" "$vdeclient" late "$LAB/read" "$V" >"$LAB/late"
late=$LAB_LAST
wait_until 10 grep -q ready "$LAB/late" || lab_die "no client"
background hostA "$PYTHON" "$vdeclient" flood 60 "$V" >"$LAB/flood"
flood=$LAB_LAST
wait_until 10 eval '[ "$(ctl hostA -j port show sw/2 | json "d[0][\"stats\"][\"tx_frames\"]")" -ge 60 ]' || lab_die "no frames"
finish "$flood" KILL
takes_over hostA "takeover with frames that wait for a client"
check "others go on" everybody
touch "$LAB/read"
wait "$late" || :
check "it gets all of them" grep -qx 'frames 60' "$LAB/late"
check "and leaves" wait_until 5 clients 3
background hostA "$PYTHON" "$vdeclient" many 500 "$V" >"$LAB/many"
many=$LAB_LAST
wait_until 60 grep -qx 499 "$LAB/many" || lab_die "not so many"
began=$(date +%s%N)
takes_over hostA "takeover with five hundred clients"
echo "# in $((($(date +%s%N) - began) / 1000000)) ms"
check "all of them are there" eval 'clients 503 && everybody'
count=$(descriptors hostA)
takes_over hostA "and another"
check "with as many descriptors" keeps_descriptors hostA "$count"
finish "$many" KILL
check "they leave, with their sockets" wait_until 20 eval 'clients 3 && [ "$(files)" = "001.0 003.0 009.0" ]'
# The predecessor stands still and the successor cannot begin: then a client dies, and
# another one calls.
background hostA "$PYTHON" "$HERE/takers.py" hold "$LAB/hostA.sock" "$LAB/let" >"$LAB/hold"
hold=$LAB_LAST
wait_until 10 grep -q held "$LAB/hold" || lab_die "nothing stands still"
finish "${PLUG[vm2]}" KILL
background hostA timeout 20 "$PYTHON" "$vdeclient" odd good "$V" >"$LAB/called"
called=$LAB_LAST
sleep 0.3
touch "$LAB/let"
wait "$hold" || :
check "a client that dies while nobody forwards is noticed" wait_until 5 eval 'gone sw/9 && [ ! -e "$V/009.0" ]'
wait "$called" || :
check "one that calls then is served" equal "$(cat "$LAB/called")" granted
check "the others are there" eval 'wait_until 5 clients 2 && reaches vm1 "$(v4 vm7)" && reaches vm3 "$(v4 vm8)"'
plug vm2 "vde://${V}[9]"
# The same with a real successor, which finds it dead.
kill -STOP "${PLUG[vm2]}"
successor hostA
kill -KILL "${PLUG[vm2]}"
old=${LAB_PID[hostA]}
LAB_PID[hostA]=$SUCCESSOR
wait_until 15 lab_gone "$old" || lab_die "no takeover"
wait "$old" || lab_die "the predecessor has failed"
wait_until 15 answers hostA || lab_die "the successor does not serve"
check "so is one that dies while a successor takes over" wait_until 5 eval 'gone sw/9 && [ ! -e "$V/009.0" ] && clients 2'
wait "${PLUG[vm2]}" 2>/dev/null || :

# ---- successors and predecessors that fail ----

plug vm2 "vde://${V}[9]"
before=$(files '%f=%i')
check "successors that die at every step" on hostA timeout 60 "$PYTHON" "$HERE/takers.py" successors "$LAB/hostA.sock"
check "leave clients to the predecessor" everybody
check "with all sockets" equal "$(files '%f=%i')" "$before"
background vm2 ping -n -q -i 0.1 "$(v4 vm7)" >"$LAB/slow.ping"
ping=$LAB_LAST
on hostA timeout 60 "$PYTHON" "$HERE/takers.py" slow "$LAB/hostA.sock" >"$LAB/slow" && status=0 || status=$?
check "one that is never ready has 15 seconds" eval '[ "$status" = 0 ] && [ "$(cat "$LAB/slow")" -ge 14 ] && [ "$(cat "$LAB/slow")" -le 25 ]'
check "then the predecessor goes on, with its clients" everybody
finish "$ping" INT
echo "# lost in $(cat "$LAB/slow") seconds: $(lost "$LAB/slow.ping") of $(awk '/packets trans/ { print $1 }' "$LAB/slow.ping")"
check "and says so" grep -q 'does not take over after all (Connection timed out): going on' "$LAB/hostA.log"
check "and can be changed" ctl hostA port set vm7 state open
takes_over hostA "and taken over from"
alone=0
for n in $(seq 0 5); do
	old=${LAB_PID[hostA]}
	successor hostA
	sleep "$(printf '0.%04d' $((n * 20)))"
	kill -KILL "$old" 2>/dev/null || :
	wait "$old" 2>/dev/null || :
	LAB_PID[hostA]=$SUCCESSOR
	wait_until 5 eval 'answers hostA || lab_gone "$SUCCESSOR"'
	if ! answers hostA; then
		alone=$((alone + 1))
		wait "$SUCCESSOR" || :
		lab_start hostA
	fi
	address vm7 vm8
	for guest in vm1 vm2 vm3; do # those of one that was killed too early have gone with it
		if ! lab_gone "${PLUG[$guest]}" && lab_ping "$guest" "$(v4 vm7)"; then continue; fi
		kill -KILL "${PLUG[$guest]}" 2>/dev/null || :
		wait "${PLUG[$guest]}" 2>/dev/null || :
		case $guest in
		vm1) plug vm1 "vde://$V" ;;
		vm2) plug vm2 "vde://${V}[9]" ;;
		vm3) plug vm3 "vde://${V}[3]" ;;
		esac
	done
done
echo "# of 6 predecessors killed, $alone before the successor knew enough"
lab_expect 'the predecessor has died on the way' 'cannot start: '
check "after all of them everybody is reached" everybody
check "with no other sockets than theirs" wait_until 5 eval '[ "$(files)" = "001.0 003.0 009.0" ]'

# ---- other configurations ----

configure "$sw" "$three" "{ name = \"nine\"; type = \"vde\"; segment = \"alpha\"; path = \"$V\"; number = 9; }"
takes_over hostA "a successor that has a port for a number"
check "has its client there" eval 'shows nine state up && gone sw/9 && reaches vm2 "$(v4 vm1)"'
configure "{ name = \"one\"; type = \"vde\"; segment = \"alpha\"; path = \"$V\"; number = 1; }" "$sw" "$three" \
	"{ name = \"nine\"; type = \"vde\"; segment = \"alpha\"; path = \"$V\"; number = 9; }"
takes_over hostA "also one that has it before the port that listens"
check "has them all" eval 'shows one state up && shows nine state up && everybody'
configure "$sw"
takes_over hostA "a successor without ports for numbers"
check "drops their clients" wait_until 5 eval 'lab_gone "${PLUG[vm1]}" && lab_gone "${PLUG[vm2]}" && lab_gone "${PLUG[vm3]}"'
check "with their sockets" wait_until 5 eval '[ -z "$(files)" ]'
check "and listens" clients 0
for guest in vm1 vm2 vm3; do wait "${PLUG[$guest]}" 2>/dev/null || :; done
plug vm1 "vde://$V"
configure "${sw/\"alpha\";/\"alpha\"; mode = \"0660\";}"
takes_over hostA "a successor whose sockets have another mode"
check "makes them anew" wait_until 5 eval 'shows sw state up && [ "$(stat -c %a "$V/ctl")" = 660 ]'
check "without clients of before" wait_until 5 eval 'lab_gone "${PLUG[vm1]}" && clients 0 && [ -z "$(files)" ]'
wait "${PLUG[vm1]}" 2>/dev/null || :
plug vm1 "vde://$V"
configure "{ name = \"other\"; type = \"vde\"; segment = \"alpha\"; path = \"$LAB/other\"; }"
takes_over hostA "a successor without that port"
check "drops its clients" wait_until 5 lab_gone "${PLUG[vm1]}"
check "and its directory and management socket" wait_until 5 eval '[ ! -e "$V" ] && [ ! -e "$M" ]'
check "and has its own" [ -S "$LAB/other/ctl" ]
wait "${PLUG[vm1]}" 2>/dev/null || :
wait "$mute" && status=0 || status=$?
check "a successor that says nothing at all has ten seconds" eval '[ "$status" = 0 ] && [ "$(tail -n 1 "$LAB/mute")" -ge 9 ] && [ "$(tail -n 1 "$LAB/mute")" -le 20 ]'
check "which the log says" grep -q 'is silent and does not take over: going on' "$LAB/hostB.log"
check "then changes are accepted again" ctl hostB segment add beta id 2
lab_stop hostA
check "which goes with it" [ ! -e "$LAB/other" ]

# ---- a service manager that keeps descriptors ----

configure "$sw" "$three"
background hostA "$PYTHON" "$HERE/manager.py" "$LAB/notify" "$LAB/report" \
	"$TVD_BIN/switchd" -c "$LAB/hostA.conf" >>"$LAB/hostA.log" 2>&1
manager=$LAB_LAST
ready() { # TIMES
	[ -e "$LAB/report" ] && [ "$(grep -c '^ready' "$LAB/report")" -ge "$1" ]
}
child() {
	awk '/^start/ { pid = $2 } END { print pid }' "$LAB/report"
}
wait_until 10 ready 1 || lab_die "it does not start under a manager"
address vm7 vm8
plug vm1 "vde://$V"
plug vm2 "vde://${V}[9]"
plug vm3 "vde://${V}[3]"
everybody
before=$(files '%f=%i')
background vm2 ping -n -q -i 0.02 "$(v4 vm7)" >"$LAB/store.ping"
ping=$LAB_LAST
kill -TERM "$(child)"
check "told to end, it is started again" wait_until 10 ready 2
check "with its clients" eval 'everybody && clients 3 && shows sw/9 description "vdeplug|vde_plug2tap"'
kill -KILL "$(child)"
check "killed, it is started again" wait_until 10 ready 3
check "with its clients still" eval 'everybody && clients 3'
check "and their sockets" equal "$(files '%f=%i')" "$before"
finish "$ping" INT
echo "# lost in a restart and a kill: $(lost "$LAB/store.ping") of $(awk '/packets trans/ { print $1 }' "$LAB/store.ping")"
finish "${PLUG[vm2]}" KILL
check "a client that leaves is stored no longer" wait_until 5 eval 'grep -q "^remove port\.sw/9" "$LAB/report" && [ ! -e "$V/009.0" ]'
finish "${PLUG[vm3]}" KILL
check "one of a port for a number neither" wait_until 5 eval '[ "$(grep -c "^store port\.three" "$LAB/report")" = 2 ] && grep -q "^remove port\.three" "$LAB/report"'
finish "$manager" TERM
lab_end
