#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Ports on sockets, all in one segment of one host. The guests are what QEMU would
# be (sockguest.py), each with a TAP in its namespace and a socket to hostA:
#
#	vm1 stream, UNIX, the switch listens      vm4 udp
#	vm2 stream, UNIX, the switch connects     vm5 stream, TCP, the switch listens
#	vm3 dgram, UNIX                           vm6 stream, TCP, the switch connects
#	vm7 a TAP with offloads

# shellcheck disable=SC2016 # what eval is given stands in single quotes
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
lab_begin "$@"
sockguest=$LAB_TOP/test/net/sockguest.py
transfer=$LAB_TOP/test/net/transfer.py
lab_expect 'warn: stream: port vm[0-9]+: .* sends a frame.s length'

lab_host hostA 192.0.2.1/24
lab_guest vm1 vm2 vm3 vm4 vm5 vm6 vm7
S=$LAB/s
mkdir "$S"
port() { # GUEST TYPE KEYS
	printf '{ name = "%s"; type = "%s"; segment = "alpha"; %s }' "$@"
}
declare -A KEYS=(
	[vm1]="path = \"$S/vm1\"; mode = \"0660\"; group = \"1\";"
	[vm2]="remote = \"$S/vm2\";"
	[vm3]="local = \"$S/vm3\"; remote = \"$S/vm3.guest\"; mode = \"0600\";"
	[vm4]='local = "127.0.0.1:4004"; remote = "127.0.0.1:4104";'
	[vm5]='local = "127.0.0.1:4005";'
	[vm6]='remote = "127.0.0.1:4006";'
)
declare -A WAY=(
	[vm1]="stream-connect $S/vm1"
	[vm2]="stream-listen $S/vm2"
	[vm3]="dgram $S/vm3.guest $S/vm3"
	[vm4]="udp 127.0.0.1:4104 127.0.0.1:4004"
	[vm5]="stream-connect 127.0.0.1:4005"
	[vm6]="stream-listen 127.0.0.1:4006"
)
declare -A TYPE=([vm1]=stream [vm2]=stream [vm3]=dgram [vm4]=udp [vm5]=stream [vm6]=stream)
declare -A GUEST=()
all="vm1 vm2 vm3 vm4 vm5 vm6"
entries=()
for guest in $all; do
	entries+=("$(port "$guest" "${TYPE[$guest]}" "${KEYS[$guest]}")")
done
{
	list segments "$(segment alpha 1 'storm = 0; ')"
	list ports "${entries[@]}" "$(tap vm7 alpha)"
} | lab_config hostA

state() { # PORT
	ctl hostA -j port show "$1" | json "d[0]['state']"
}
is() { # PORT STATE
	[ "$(state "$1" 2>/dev/null)" = "$2" ]
}
shows() { # PORT KEY REGEX
	ctl hostA -j port show "$1" | json "d[0].get('$2', '')" | grep -Eq "$3"
}
begin_guest() { # GUEST
	rm -f "$S/$1.guest"
	[ "${TYPE[$1]} ${WAY[$1]%% *}" != "stream stream-listen" ] || rm -f "$S/$1"
	# shellcheck disable=SC2086 # words
	background hostA "$PYTHON" "$sockguest" guest "$1" "$(mac "$1")" ${WAY[$1]} >"$LAB/$1.out"
	GUEST[$1]=$LAB_LAST
}
end_guest() { # GUEST
	finish "${GUEST[$1]}" KILL
}

# ---- all of them ----

lab_start hostA
address vm7
for guest in $all; do
	check "$guest is down before its guest is there" is "$guest" down
	begin_guest "$guest"
done
for guest in $all; do
	address "$guest"
	check "$guest (${TYPE[$guest]} ${WAY[$guest]%% *}) reaches the TAP" reaches "$guest" "$(v4 vm7)"
	check "and is up" wait_until 5 is "$guest" up
done
check "the first reaches the last" reaches vm1 "$(v4 vm6)"
check "UNIX datagrams reach UDP" reaches vm3 "$(v4 vm4)"
check "a UNIX peer is known by its process" shows vm1 peer "process ${GUEST[vm1]} of user $(id -u)"
check "one that was connected to, too" shows vm2 peer "process ${GUEST[vm2]} of user"
check "one of datagrams, too" shows vm3 peer "process ${GUEST[vm3]} of user"
check "a TCP peer by its address" shows vm5 peer '127.0.0.1:[0-9]+'
check "a socket's file has its mode" equal "$(stat -c %a "$S/vm1")" 660
if [ "$(id -u)" = 0 ] && [ "$(cut -c 11- /proc/self/uid_map | head -n 1 | xargs | cut -d ' ' -f 2)" != 1 ]; then
	check "and its group" equal "$(stat -c %g "$S/vm1")" 1
fi
check "another has its own" equal "$(stat -c %a "$S/vm3")" 600

# ---- data, with superframes and partial checksums on the other side ----

for guest in $all; do
	background "$guest" "$PYTHON" "$transfer" serve >"$LAB/$guest.serve"
	wait_until 10 grep -q ready "$LAB/$guest.serve" || lab_die "no server in $guest"
done
for guest in $all; do
	check "data from a TAP to $guest arrives as sent" on vm7 "$PYTHON" "$transfer" check "$(v4 "$guest")" "$(v6 "$guest")"
done
check "and between sockets" on vm1 "$PYTHON" "$transfer" check "$(v4 vm2)" "$(v6 vm3)" "$(v4 vm4)" "$(v4 vm5)" "$(v4 vm6)"
check "nothing had bad offload metadata" equal "$(all_drops hostA bad_offload)" 0

# ---- bad peers ----

odd() { # WHAT RESULT
	[ "$(on hostA timeout 10 "$PYTHON" "$sockguest" odd "$1" "${3:-$S/vm1}")" = "$2" ]
}
end_guest vm1
check "a guest that was killed is seen" wait_until 5 is vm1 down
check "which is explained" shows vm1 why 'waiting for a peer at .*: it has left'
for what in zero huge longer; do
	before=$(port_drops hostA vm1 bad_header)
	check "a peer that sends a length that cannot be ($what) is disconnected" odd "$what" closed
	check "and counted" equal "$(port_drops hostA vm1 bad_header)" $((before + 1))
	check "others go on" reaches vm2 "$(v4 vm3)"
done
check "after it the port waits for the next" shows vm1 why 'impossible length'
check "the same over TCP" eval 'end_guest vm5; odd zero closed 127.0.0.1:4005'
for what in half header nothing; do
	check "half a frame and silence ($what) do no harm" odd "$what" open
done
check "one that leaves in the middle of a frame is seen" eval 'odd half open; wait_until 5 shows vm1 why "middle of a frame"'
check "a frame that is too short is dropped, and the next one taken" odd short open
check "which is counted" [ "$(port_drops hostA vm1 too_short)" = 1 ]
for _ in 1 2 3 4 5 6 7 8; do
	on hostA timeout 0.2 "$PYTHON" "$sockguest" odd good "$S/vm1" >/dev/null || :
done
check "others go on" reaches vm7 "$(v4 vm4)"

background hostA "$PYTHON" "$sockguest" stay good "$S/vm1" >"$LAB/stay"
stay=$LAB_LAST
check "one stays" wait_until 10 is vm1 up
check "a second peer is turned away" odd good closed
check "the first stays" shows vm1 peer "process $stay "
on vm7 "$PYTHON" -c 'import socket, time
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("eth0", 0))
for n in range(6000):
    if n % 200 == 0:
        time.sleep(0.02)
    s.send(b"\xff" * 6 + bytes.fromhex("525400000007") + b"\x88\xb5" + b"\xa5" * 1400)
'
check "to one that does not read, frames are dropped" wait_until 5 eval '[ "$(port_drops hostA vm1 queue_full tx)" -gt 0 ]'
check "to others they are not" reaches vm7 "$(v4 vm2)"
check "in no state" reaches vm3 "$(v4 vm4)"
finish "$stay" KILL
begin_guest vm1
check "the guest is back" wait_until 10 is vm1 up
address vm1
check "and works" reaches vm1 "$(v4 vm3)"
begin_guest vm5
address vm5
check "the one on TCP, too" reaches vm5 "$(v4 vm1)"

# ---- datagrams of strangers ----

before=$(port_drops hostA vm3 foreign_source)
check "somebody else sends to a UNIX datagram socket" "$PYTHON" "$sockguest" foreign "$S/vm3" 5
check "all of it is dropped and counted" wait_until 5 eval '[ "$(port_drops hostA vm3 foreign_source)" = '$((before + 10))' ]'
check "somebody else sends by UDP" on hostA "$PYTHON" -c 'import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 4999))
for _ in range(5): s.sendto(b"\xff" * 60, ("127.0.0.1", 4004))'
check "which the port never sees" shows vm4 state up
check "nothing was learned from either" json "not [e for e in d if e['mac'].endswith(':99') and e.get('port') in ('vm3', 'vm4')]" <<<"$(ctl hostA -j fdb show)"
end_guest vm3
on vm7 ping -q -c 2 -i 0.2 -W 1 "$(v4 vm3)" >/dev/null 2>&1 || :
check "a guest of datagrams that is gone is seen when it is called" wait_until 5 is vm3 down
check "which is explained" shows vm3 why 'nobody is at'

# The kernel keeps ten datagrams for who does not read.
rm -f "$S/vm3.guest"
background hostA "$PYTHON" "$sockguest" late "$S/vm3.guest" "$S/vm3" "$LAB/late.begin" 100 >"$LAB/late"
check "one comes that does not read yet" wait_until 5 is vm3 up
full=$(port_drops hostA vm3 queue_full tx)
on vm7 "$PYTHON" "$sockguest" shout eth0 100
check "to others frames go on" reaches vm7 "$(v4 vm2)"
touch "$LAB/late.begin"
check "when it reads, all that was sent to it is there, in order" wait_until 10 grep -q 'frames 100' "$LAB/late"
check "and nothing was dropped" equal "$(port_drops hostA vm3 queue_full tx)" "$full"
check "it leaves, which is seen" wait_until 5 eval 'on vm7 "$PYTHON" "$sockguest" shout eth0 1; is vm3 down'
rm -f "$S/vm3.guest" "$LAB/late.begin"
background hostA "$PYTHON" "$sockguest" late "$S/vm3.guest" "$S/vm3" "$LAB/late.begin" 1 >"$LAB/late"
late=$LAB_LAST
check "one comes that never reads" wait_until 5 is vm3 up
check "what would take too much room is dropped" wait_until 5 eval 'on vm7 "$PYTHON" "$sockguest" shout eth0 500
	[ "$(port_drops hostA vm3 queue_full tx)" -gt "$full" ]'
check "to others frames go on" reaches vm7 "$(v4 vm2)"
# shellcheck disable=SC2034 # eval uses it
gone=$(port_drops hostA vm3 link_down tx)
finish "$late" KILL
check "when it is gone, so are the frames that waited" wait_until 5 eval 'is vm3 down && [ "$(port_drops hostA vm3 link_down tx)" -gt $((gone + 100)) ]'
begin_guest vm3
address vm3
check "it comes back" reaches vm3 "$(v4 vm7)"
check "and is seen" wait_until 5 is vm3 up
end_guest vm4
on vm7 ping -q -c 3 -i 0.2 -W 1 "$(v4 vm4)" >/dev/null 2>&1 || :
check "one of UDP, too" wait_until 5 is vm4 down
begin_guest vm4
address vm4
check "it comes back" reaches vm4 "$(v4 vm7)"

# ---- the switch comes and goes ----

everybody() {
	local guest
	address vm7
	for guest in $all; do
		reaches vm7 "$(v4 "$guest")" || {
			echo "not $guest"
			ctl hostA port show "$guest"
			return 1
		}
	done
}
lab_stop hostA
check "it takes its files along" eval '[ ! -e "$S/vm1" ] && [ ! -e "$S/vm3" ]'
check "and leaves those of others" [ -S "$S/vm2" ]
lab_start hostA
check "after a restart all guests are there again" everybody
finish "${LAB_PID[hostA]}" KILL
unset "LAB_PID[hostA]"
check "after a kill its files are left" [ -S "$S/vm1" ]
lab_start hostA
check "which the next start replaces" everybody

# ---- configurations ----

refused() { # KEYS...
	! ctl hostA port add bad "$@" segment alpha
}
check "where must be said" refused type stream
check "once" refused type stream path /a local 127.0.0.1:1
check "a mode is for a file that is made" refused type stream local 127.0.0.1:1 mode 0600
check "connect is for a path" refused type stream remote 127.0.0.1:1 connect true
check "a path that another port has is refused" refused type stream path "$S/vm1"
check "datagrams need both ends" refused type dgram path "$S/x"
check "two of them" refused type dgram path "$S/x" remote "$S/x"
check "UDP of one IP version" refused type udp local 127.0.0.1:1 remote '[::1]:2'
check "a path that is no socket is left alone" eval 'echo x >"$S/file"; ctl hostA port add bad type stream path "$S/file" segment alpha
	shows bad why "not a socket" && ctl hostA port del bad && [ "$(cat "$S/file")" = x ]'
check "one that somebody listens at, too" eval 'ctl hostA port add bad type stream path "$LAB/hostA.sock" segment alpha && shows bad why "in use" && ctl hostA port del bad'
check "a group that is not there is named" eval 'ctl hostA port add bad type stream path "$S/x" group nosuchgroup segment alpha && shows bad why nosuchgroup && ctl hostA port del bad'
check "a port moves to another path" ctl hostA port set vm3 local "$S/other"
check "and leaves no file behind" eval '[ ! -e "$S/vm3" ] && [ -S "$S/other" ]'
descriptors=$(descriptors hostA)
for _ in 1 2 3 4 5 6 7 8 9 10; do
	ctl hostA port add more type stream path "$S/more" segment alpha
	ctl hostA port del more
	ctl hostA port add more type udp local 127.0.0.1:5000 remote 127.0.0.1:5001 segment alpha
	ctl hostA port del more
	ctl hostA port add more type stream remote 127.0.0.1:5002 segment alpha
	ctl hostA port del more
done
check "no descriptor is lost on the way" keeps_descriptors hostA "$descriptors"
lab_end
