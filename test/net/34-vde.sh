#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Clients of VDE, as Debian has them, at a vde port of one host:
#
#	vm1, vm2   vde_plug2tap at the port `sw`, in segment alpha
#	vm3        vde_plug2tap at number 3 of it, which is in segment beta
#	vm4        vde_plug2tap at a vde_switch, which dpipe joins to `sw`
#	vm7, vm8   TAPs in alpha and beta; vm9 one in gamma, which dpipe joins to alpha
#
# and clients that ask in wrong ways, say nothing, or are killed (vdeclient.py).

# shellcheck disable=SC2016 # what eval is given stands in single quotes
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
PATH=$PATH:/usr/sbin
for tool in vde_plug vde_plug2tap vde_switch dpipe; do
	command -v "$tool" >/dev/null || lab_skip "there is no $tool (package vde2)"
done
ulimit -n 8192 2>/dev/null || ulimit -n "$(ulimit -Hn)"
lab_begin "$@"
vdeclient=$LAB_TOP/test/net/vdeclient.py
transfer=$LAB_TOP/test/net/transfer.py
lab_expect 'warn: vde: port sw: process [0-9]+ of user [0-9]+ is refused: ' \
	'warn: vde: port sw/[0-9]+: its client is disconnected: it asks again' \
	'warn: vde: .* more lines like the last were suppressed' 'warn: vde: [0-9]+ '

lab_host hostA 192.0.2.1/24
lab_guest vm1 vm2 vm3 vm4 vm7 vm8 vm9
V=$LAB/vde
W=$LAB/vde-gamma
{
	list segments "$(segment alpha 1 'storm = 0; ')" "$(segment beta 2)" "$(segment gamma 3)"
	list ports "{ name = \"sw\"; type = \"vde\"; segment = \"alpha\"; path = \"$V\"; mode = \"0660\"; group = \"0\"; }" \
		"{ name = \"three\"; type = \"vde\"; segment = \"beta\"; path = \"$V\"; number = 3; }" \
		"{ name = \"gw\"; type = \"vde\"; segment = \"gamma\"; path = \"$W\"; }" \
		"$(tap vm7 alpha)" "$(tap vm8 beta)" "$(tap vm9 gamma)"
} | lab_config hostA

shows() { # PORT KEY REGEX
	ctl hostA -j port show "$1" 2>/dev/null | json "d[0].get('$2', '')" | grep -Eq "$3"
}
gone() { # PORT
	! ctl hostA port show "$1" >/dev/null 2>&1
}
clients() { # NUMBER
	[ "$(ctl hostA -j port show sw | json "d[0]['clients']")" = "$1" ]
}
refused() {
	ctl hostA -j port show sw | json "d[0]['refused']"
}
knows() { # PORT
	[ "$(ctl hostA -j fdb show | json "len([e for e in d if e.get('port') == '$1'])")" != 0 ]
}
# Files in the directory beside its control socket.
files() {
	find "$V" -mindepth 1 ! -name ctl -printf '%f\n' | sort | xargs
}
declare -A PLUG=()
plug() { # GUEST URL
	background "$1" vde_plug2tap -s "$2" eth0 >"$LAB/$1.plug" 2>&1
	PLUG[$1]=$LAB_LAST
	wait_until 10 on "$1" ip link show eth0 >/dev/null 2>&1 || lab_die "vde_plug2tap: $(cat "$LAB/$1.plug")"
	on "$1" ip link set eth0 address "$(mac "$1")" up
	address "$1"
}
# Like background, with an input that never ends: programs of VDE end with it.
held() { # WHERE COMMAND...
	local where=$1
	shift
	nsenter --net="/run/netns/$where" -- setpriv --pdeathsig KILL "$@" <&8 &
	LAB_LAST=$!
	LAB_CHILDREN+=("$LAB_LAST")
}
mkfifo "$LAB/never"
exec 8<>"$LAB/never"
pipe() { # COMMAND...
	held hostA dpipe "$@" >"$LAB/dpipe" 2>&1
}

# ---- clients ----

lab_start hostA
address vm7 vm8 vm9
check "the directory has its mode and no client's files" equal "$(stat -c %a "$V") $(files)" '3770 '
check "the control socket has its mode and group" equal "$(stat -c '%a %g' "$V/ctl")" '660 0'
check "a port that listens is up" shows sw state up
check "one for a number waits" shows three why 'waiting for a client at .*\[3\]'
plug vm1 "vde://$V"
plug vm2 "$V"
check "a client reaches a TAP" reaches vm1 "$(v4 vm7)"
check "another reaches it" reaches vm2 "$(v4 vm1)"
check "each has a port of its own" eval 'shows sw/1 state up && shows sw/2 state up'
check "known by its process" shows sw/1 peer "process ${PLUG[vm1]} of user $(id -u)"
check "and what it calls itself" shows sw/1 description 'vdeplug|vde_plug2tap'
check "which is the switch's own" shows sw/1 owner client
check "and has counters of its own" eval '[ "$(ctl hostA -j port show sw/1 | json "d[0][\"stats\"][\"rx_frames\"]")" -gt 0 ]'
check "and its MAC" eval '[ "$(ctl hostA -j fdb show | json "[e[\"port\"] for e in d if e[\"mac\"] == \"$(mac vm1)\"][0]")" = sw/1 ]'
check "clients remove their own sockets, or the switch does" equal "$(files)" '001.0 002.0'
plug vm3 "vde://${V}[3]"
check "a number that was asked for is its port's" wait_until 5 shows three state up
check "which is in its own segment" reaches vm3 "$(v4 vm8)"
check "and in no other" unreachable vm3 "$(v4 vm7)"
check "a number in use is refused" eval '! on hostA timeout 5 vde_plug "vde://${V}[3]" </dev/null'
held hostA vde_plug "vde://${V}[5]" >"$LAB/plug5"
five=$LAB_LAST
check "any other number can be asked for" wait_until 5 shows sw/5 state up
check "a metric tells that it is up" eval 'ctl hostA metrics | grep "port_up{port=\"sw/5\",segment=\"alpha\"} 1"'
check "a trace from a client's port says where a frame would go" eval 'ctl hostA -j trace port sw/2 "$(mac vm1 | tr -d :)$(mac vm2 | tr -d :)0800" | json "d[\"verdict\"] == \"forward\""'
background vm1 "$PYTHON" "$transfer" serve >"$LAB/vm1.serve"
wait_until 10 grep -q ready "$LAB/vm1.serve" || lab_die "no server in vm1"
check "data from a TAP with offloads arrives as sent" on vm7 "$PYTHON" "$transfer" check "$(v4 vm1)" "$(v6 vm1)"
check "and between clients" on vm2 "$PYTHON" "$transfer" check "$(v4 vm1)"

# ---- keys hold for each ----

check "clients can be kept from each other" ctl hostA port set sw isolated true
check "they are" unreachable vm1 "$(v4 vm2)"
check "not from others" reaches vm1 "$(v4 vm7)"
check "all of them can be locked" eval 'ctl hostA port set sw isolated false state locked && shows sw/1 state locked'
check "they are" unreachable vm1 "$(v4 vm7)"
check "allowed addresses hold" eval 'ctl hostA port set sw state open macs "$(mac vm1)" && reaches vm1 "$(v4 vm7)" && unreachable vm2 "$(v4 vm7)"'
check "which is counted at the client's port" eval '[ "$(port_drops hostA sw/2 guard_mac)" -gt 0 ]'
check "another segment takes all clients along" eval 'ctl hostA port set sw macs "$(mac vm1),$(mac vm2)" segment gamma && reaches vm1 "$(v4 vm9)"'
check "and back" eval 'ctl hostA reload && reaches vm2 "$(v4 vm7)"'

# ---- other switches ----

pipe vde_plug "vde://$V" = vde_plug "vde://$W"
check "two segments that dpipe joins are one" eval 'reaches vm7 "$(v4 vm9)" || { cat "$LAB/dpipe"; ctl hostA port; false; }'
finish "$LAB_LAST"
# What it has started ends with its input.
check "until it ends" wait_until 10 eval '[ "$(ctl hostA -j port show gw | json "d[0][\"clients\"]")" = 0 ]'
check "then they are apart" unreachable vm7 "$(v4 vm9)"
held hostA vde_switch -s "$LAB/real" -M "$LAB/real.mgmt" >"$LAB/real.out" 2>&1
wait_until 5 [ -S "$LAB/real/ctl" ] || lab_die "no vde_switch"
plug vm4 "$LAB/real"
pipe vde_plug "vde://$LAB/real" = vde_plug "vde://$V"
check "a guest of a vde_switch reaches a TAP" reaches vm4 "$(v4 vm7)"
check "and a client" reaches vm1 "$(v4 vm4)"
finish "$LAB_LAST"
check "a directory of another switch is left alone" eval 'ctl hostA port add bad type vde segment alpha path "$LAB/real" && shows bad why "in use" && ctl hostA port del bad && [ -S "$LAB/real/ctl" ]'

# ---- the end of a client ----

check "the switch knows a client's station" knows sw/2
kill -KILL "${PLUG[vm2]}"
wait "${PLUG[vm2]}" 2>/dev/null || :
check "a client that is killed has no port any more" wait_until 5 gone sw/2
check "and no station" eval '! knows sw/2'
check "and no socket" wait_until 5 eval '[ ! -e "$V/002.0" ]'
finish "${PLUG[vm3]}" KILL
check "a port for a number waits again" wait_until 5 shows three state down
check "and knows no station" eval '! knows three'
finish "$five" KILL
wait_until 5 gone sw/5 || :
for step in connect bind half send recv plug unlink frames; do
	background hostA "$PYTHON" "$vdeclient" die "$step" "$V" >"$LAB/die.$step"
	wait_until 10 grep -q ready "$LAB/die.$step" || lab_die "no client"
	finish "$LAB_LAST" KILL
	check "a client that is killed at $step leaves nothing" wait_until 5 eval 'clients 1 && [ "$(files)" = 001.0 ] && ! knows sw/2'
done

# ---- wrong requests ----

odd() { # WHAT ANSWER
	local answer
	answer=$(on hostA timeout 20 "$PYTHON" "$vdeclient" odd "$1" "$V")
	echo "$answer"
	# shellcheck disable=SC2053 # a pattern
	[[ $answer == $2 ]]
}
check "a good request is granted" odd good granted
check "port 0, too" odd port0 granted
check "a long description does no harm" odd long granted
for what in magic version version1 type number unterminated family abstract unnamed relative escape \
	missing file directory stream own link renamed taken dead "at:$V/001.0" "at:$V/../vde/.x"; do
	before=$(refused)
	check "$what is refused at once" odd "$what" 'closed 0'
	check "and counted" equal "$(refused)" $((before + 1))
done
check "nobody asks twice" odd again 'closed 0'
check "half a request and silence ends in time" odd half 'closed [4-7]'
check "so does silence" odd nothing 'closed [4-7]'
check "so does all but a byte" odd short 'closed [4-7]'
check "nothing of it is left" wait_until 5 eval 'clients 1 && [ "$(files)" = 001.0 ]'
check "a client of before goes on" reaches vm1 "$(v4 vm7)"
check "a datagram port of the switch is no client" eval 'ctl hostA port add dg type dgram segment alpha path "$LAB/dg" remote "$LAB/dg.guest" && odd "at:$LAB/dg" "closed 0" && ctl hostA port del dg'
# Only where there are more users than one.
if [ "$(id -u)" = 0 ] && [ "$(awk '{ print $3; exit }' /proc/self/uid_map)" != 1 ]; then
	as_nobody() { # PATH ANSWER
		local answer
		answer=$(on hostA timeout 20 "$PYTHON" "$vdeclient" nobody - "$V" "$1")
		echo "$answer"
		# shellcheck disable=SC2053 # a pattern
		[[ $answer == $2 ]]
	}
	mkdir -m 0777 "$LAB/open" "$LAB/theirs"
	mkdir -m 1777 "$LAB/tmp"
	chown 1234 "$LAB/theirs"
	check "who may not open the control socket is not heard" eval '! as_nobody "$LAB/tmp/n" granted'
	ctl hostA port set sw mode 0666
	check "the directory follows the mode" equal "$(stat -c %a "$V")" 3777
	check "other users are clients, too" as_nobody "$LAB/tmp/n" granted
	check "with sockets in the switch's directory" as_nobody "$V/.00001-00001" granted
	check "a socket in a third one's directory is refused" as_nobody "$LAB/theirs/n" 'closed 0'
	check "a socket of another user is refused" eval '[ "$(on hostA timeout 20 "$PYTHON" "$vdeclient" odd "foreign:$LAB/tmp/root" "$V")" = "closed 0" ]'
	ctl hostA port set sw mode 0660
	finish "${PLUG[vm1]}" KILL
	on vm1 ip link del eth0 2>/dev/null || :
	plug vm1 "$V"
fi

# ---- many ----

many_served() { # CLIENTS
	wait_until 60 grep -qx "$1" "$LAB/many" || {
		cat "$LAB/many" "$LAB/many.errors"
		return 1
	}
}

background hostA "$PYTHON" "$vdeclient" silent 200 "$V" >"$LAB/silent"
wait_until 10 grep -q ready "$LAB/silent" || lab_die "no callers"
silent=$LAB_LAST
check "many that say nothing keep nobody out" odd good granted
finish "$silent" KILL
# A client costs the switch two descriptors, and whoever stands for it here as many.
many=$((($(ulimit -n) - 200) / 2))
[ "$many" -le 1000 ] || many=1000
background hostA "$PYTHON" "$vdeclient" many "$many" "$V" >"$LAB/many" 2>"$LAB/many.errors"
check "as many clients as there are descriptors for, up to a thousand, are served" \
	many_served "$((many - 1))"
check "each has a port" clients "$((many + 1))"
check "others go on" reaches vm7 "$(v4 vm1)"
finish "$LAB_LAST" KILL
check "and are gone" wait_until 20 clients 1
check "with their sockets" wait_until 20 eval '[ "$(files)" = 001.0 ]'
background hostA "$PYTHON" "$vdeclient" flood 1 "$V" >"$LAB/idle"
wait_until 10 grep -q sent "$LAB/idle" || lab_die "no client"
idle=$LAB_LAST
background hostA "$PYTHON" "$vdeclient" flood 3000 "$V" >"$LAB/flood"
check "a client that does not read loses frames" wait_until 10 eval '[ "$(port_drops hostA sw/2 queue_full tx)" -gt 0 ]'
check "others reach each other" reaches vm1 "$(v4 vm7)"
finish "$LAB_LAST" KILL
finish "$idle" KILL

# ---- the switch comes and goes ----

check "a changed path disconnects" eval 'ctl hostA port set sw path "$LAB/other" && [ ! -e "$V" ] && [ -S "$LAB/other/ctl" ] && clients 0'
check "and back" eval 'ctl hostA reload && [ -S "$V/ctl" ] && [ ! -e "$LAB/other" ]'
wait "${PLUG[vm1]}" 2>/dev/null || :
on vm1 ip link del eth0 2>/dev/null || :
plug vm1 "$V"
check "clients come again" reaches vm1 "$(v4 vm7)"
check "a number that is configured later keeps its client" eval 'ctl hostA port add one type vde segment alpha path "$V" number 1 && shows one state up && gone sw/1 && reaches vm1 "$(v4 vm7)"'
check "which leaves with its port" eval 'ctl hostA port del one && wait_until 5 eval "! kill -0 ${PLUG[vm1]} 2>/dev/null"'
descriptors=$(descriptors hostA)
for _ in 1 2 3 4 5; do
	ctl hostA port add more type vde path "$LAB/more" segment alpha
	on hostA timeout 0.3 vde_plug "vde://$LAB/more" <&8 >/dev/null 2>&1 || :
	ctl hostA port del more
done
check "no descriptor is lost on the way" keeps_descriptors hostA "$descriptors"
plug vm2 "$V"
finish "${LAB_PID[hostA]:-}" KILL
unset "LAB_PID[hostA]"
check "after a kill its files are left" [ -S "$V/ctl" ]
wait "${PLUG[vm2]}" 2>/dev/null || :
on vm2 ip link del eth0 2>/dev/null || :
lab_start hostA
check "which the next start replaces" equal "$(files)" ''
address vm7
plug vm2 "$V"
check "and works" reaches vm2 "$(v4 vm7)"
lab_stop hostA
check "the switch takes its directory along" [ ! -e "$V" ]

# ---- configurations ----

lab_start hostA
bad() { # KEYS...
	! ctl hostA port add bad type vde segment alpha "$@"
}
check "a path is needed" bad mode 0600
check "an absolute one" bad path x
check "without a slash at its end" bad path "$LAB/x/"
check "which another has not" bad path "$V"
check "nor its number" bad path "$V" number 3
check "numbers end" bad path "$V" number 1024
check "a mode belongs to who listens" bad path "$V" number 4 mode 0600
check "a number of a directory that nobody has waits" eval 'ctl hostA port add lone type vde segment alpha path "$LAB/none" number 1 && shows lone state down'
check "a directory that cannot be made is explained" eval 'ctl hostA port add lost type vde segment alpha path "$LAB/no/where" && shows lost why "cannot make .*No such file" && ctl hostA port del lost'
check "what is no directory is left alone" eval 'echo x >"$LAB/file"; ctl hostA port add lost type vde segment alpha path "$LAB/file" && shows lost state down && ctl hostA port del lost && [ "$(cat "$LAB/file")" = x ]'
lab_end
