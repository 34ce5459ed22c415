#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# The management socket of a vde port: what it answers, line by line, beside what a
# vde_switch answers to the same; what its commands do; and unixcmd's scripts.
#
#	vm1, vm2   vde_plug2tap at the port `sw`, in segment alpha
#	vm7, vm8   TAPs in alpha and beta

# shellcheck disable=SC2016 # what eval is given stands in single quotes
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
PATH=$PATH:/usr/sbin
for tool in vde_plug2tap vde_switch unixcmd; do
	command -v "$tool" >/dev/null || lab_skip "there is no $tool (package vde2)"
done
lab_begin "$@"
vdeclient=$LAB_TOP/test/net/vdeclient.py
lab_expect 'warn: vde: port sw: no more than 16 manage it at a time'

lab_host hostA 192.0.2.1/24
lab_guest vm1 vm2 vm7 vm8
V=$LAB/vde
M=$LAB/mgmt
{
	list segments "$(segment alpha 1)" "$(segment beta 6)"
	list ports "{ name = \"sw\"; type = \"vde\"; segment = \"alpha\"; path = \"$V\"; mgmt = \"$M\"; indirect = true; }" \
		"$(tap vm7 alpha)" "$(tap vm8 beta)"
} | lab_config hostA
lab_start hostA
address vm7 vm8

declare -A PLUG=() # used in what eval is given
: "${#PLUG[@]}"
plug() { # GUEST URL
	background "$1" vde_plug2tap -s "$2" eth0 >"$LAB/$1.plug" 2>&1
	PLUG[$1]=$LAB_LAST
	wait_until 10 on "$1" ip link show eth0 >/dev/null 2>&1 || lab_die "vde_plug2tap: $(cat "$LAB/$1.plug")"
	on "$1" ip link set eth0 address "$(mac "$1")" up
	address "$1"
}
say() { # LINE...
	on hostA timeout 20 "$PYTHON" "$vdeclient" say "$M" "$@"
}
# What the answer to a line is, less its frame.
says() { # LINE REGEX
	local answer
	answer=$(say "$1")
	printf '%s\n' "$answer"
	grep -Eq "$2" <<<"$answer"
}
shows() { # PORT KEY REGEX
	ctl hostA -j port show "$1" 2>/dev/null | json "d[0].get('$2', '')" | grep -Eq "$3"
}

# ---- beside vde_switch ----

mkfifo "$LAB/never"
exec 8<>"$LAB/never"
nsenter --net=/run/netns/hostA -- setpriv --pdeathsig KILL vde_switch -s "$LAB/real" -M "$LAB/real.mgmt" <&8 >"$LAB/real.out" 2>&1 &
LAB_CHILDREN+=("$!")
wait_until 5 [ -S "$LAB/real.mgmt" ] || lab_die "no vde_switch"
# What both can say alike; in this order each is possible.
same=('vlan/create 5' 'vlan/create 5' 'vlan/create 0' 'vlan/create 5000' 'vlan/print' 'vlan/print 5' 'vlan/print 9'
	'port/create 3' 'port/create 3' 'port/allprint' 'port/setvlan 3 5' 'port/setvlan 3 77' 'port/setvlan 3'
	'vlan/allprint' 'vlan/addport 77 3' 'vlan/delport 5 3' 'port/setvlan 3 0' 'vlan/addport 5 3' 'vlan/delport 5 3'
	'port/print 9' 'port/remove 3' 'port/remove 20' 'port/remove 5000' 'vlan/remove 5' 'vlan/remove 7'
	'nothing' 'port' 'hash/print' 'hash/find 00:11:22:33:44:55' 'hash/find x' 'hash/setexpire 100' '' '  vlan/print  ')
on hostA "$PYTHON" "$vdeclient" say "$LAB/real.mgmt" "${same[@]}" >"$LAB/real.said"
# vde_switch knows neither segment beta nor who is on it.
say "${same[@]}" | grep -v -e '^VLAN 0006' -e '^Hash: ' >"$LAB/said"
check "vde_switch says something" grep -q 'VLAN 0005' "$LAB/real.said"
check "and the management socket says the same" diff "$LAB/real.said" "$LAB/said"
check "the help lists commands" says help '^port/setvlan +N VLAN '
check "one of a menu, too" says 'help vlan/' '^vlan/create'
check "information begins as vde_switch's" says showinfo '^VDE switch V\.2'
check "the directory is told" says ds/showinfo "^ctl dir $V\$"
check "numbers of ports are limited" says port/showinfo '^Numports=1023$'
check "a session ends with its word" says logout '^9999 END OF SESSION<end>$'
# Debian's own script; its unixcmd says 255 of each, also with a vde_switch.
script=/etc/vde2/vdecmd
cmd() { # COMMAND
	on hostA timeout 10 unixcmd -s "$M" -f "$script" "$@" || :
}
check "unixcmd's script works" equal "$(cmd vlan/print | tr -d '\0' | xargs)" "VLAN 0000 VLAN 0006"

# ---- what they do ----

plug vm1 "vde://$V"
plug vm2 "vde://$V"
check "a client reaches its segment" reaches vm1 "$(v4 vm7)"
check "it is printed" says port/print '^Port 0001 untagged_vlan=0000 ACTIVE - Unnamed Allocatable'
check "with what it says of itself" says port/print 'endpoint ID 0001 module unix prog   : vde_?plug'
check "and what it has sent" says 'port/print 1' '^ IN:  pkts +[1-9][0-9]* +bytes +[1-9]'
check "its station is found" says "hash/find $(mac vm1)" "Addr: $(mac vm1) VLAN 0000 to port: 001  age +[0-9]+ secs"
check "a TAP's is at port 0" says hash/print "Addr: $(mac vm7) VLAN 0000 to port: 000 "
check "a client's port is in use" says 'port/remove 1' '^1098 '
check "an identifier is a VLAN" says vlan/print '^VLAN 0006$'
check "a client moves there" says 'port/setvlan 1 6' '^1000 Success'
check "and stays connected" reaches vm1 "$(v4 vm8)"
check "and is where it was no more" unreachable vm1 "$(v4 vm7)"
check "its port is one of its own now" shows sw.1 owner cli
check "that is seen" says port/print '^Port 0001 untagged_vlan=0006 ACTIVE - NOT Unnamed Allocatable'
check "back" eval 'says "port/setvlan 1 0" "^1000" && reaches vm1 "$(v4 vm7)"'
check "a VLAN that is made is a segment" eval 'says "vlan/create 9" "^1000" && ctl hostA -j segment show vlan9 | json "d[0][\"domain\"] == \"alpha\" and d[0][\"owner\"] == \"cli\""'
check "of clients by themselves" eval 'says "port/setvlan 1 9" ^1000 && says "port/setvlan 2 9" ^1000 && reaches vm1 "$(v4 vm2)" && unreachable vm1 "$(v4 vm7)"'
check "it is in use" says 'vlan/remove 9' '^1016 .*has ports'
check "both go back" eval 'says "port/setvlan 1 0" ^1000 && says "port/setvlan 2 0" ^1000 && says "vlan/remove 9" ^1000'
check "a VLAN can be added with tags" says 'vlan/addport 6 1' '^1000'
on vm1 ip link set eth0 up
check "which is printed" says 'vlan/print 6' '^ -- Port 0001 tagged=1 active=1 status=Forwarding'
check "it is in the port's trunk" eval 'ctl hostA -j port show sw.1 | json "d[0][\"trunk\"] == [{\"vid\": 6, \"segment\": \"beta\"}]"'
check "untagged frames go on" reaches vm1 "$(v4 vm7)"
check "tagged ones arrive untagged in the other segment" eval 'capture vm8 eth0 "$LAB/tag.pcap" ether src 52:54:00:00:00:01; pid=$LAB_LAST
	on vm1 "$PYTHON" -c "import socket
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); s.bind((\"eth0\", 0))
s.send(b\"\xff\" * 6 + bytes.fromhex(\"525400000001\") + bytes.fromhex(\"81000006\") + b\"\x88\xb5\" + bytes(50))"
	capture_end "$pid"; [ "$(fields "$LAB/tag.pcap" "eth.type == 0x88b5" eth.dst)" = ff:ff:ff:ff:ff:ff ]'
check "and taken out" eval 'says "vlan/delport 6 1" ^1000 && ! says "vlan/print 6" "Port 0001"'
check "the FDB's time is the segment's" eval 'says "hash/setexpire 77" ^1000 && ctl hostA -j segment show alpha | json "d[0][\"ageing\"] == 77" && says hash/showinfo "GC expire 77"'
check "a port that nobody uses goes" eval 'says "port/create 40" ^1000 && shows sw.40 state down && says "port/remove 40" ^1000 && ! ctl hostA port show sw.40'
check "a number is found for one" eval 'says port/createauto "^Port 0003" && says "port/remove 3" ^1000'
check "a reload brings back what the file has, and keeps the rest" eval 'ctl hostA reload && ctl hostA -j segment show alpha | json "d[0][\"ageing\"] == 300" && shows sw.1 state up && reaches vm1 "$(v4 vm7)"'

# ---- who talks to it otherwise ----

check "the socket is the owner's only" equal "$(stat -c %a "$M")" 600
check "mode and group can be given" eval 'ctl hostA port add other type vde segment alpha path "$LAB/o" mgmt "$LAB/o.mgmt" mgmt_mode 0660 mgmt_group 0 && [ "$(stat -c "%a %g" "$LAB/o.mgmt")" = "660 0" ] && ctl hostA port del other && [ ! -e "$LAB/o.mgmt" ]'
check "a line without end is not waited for" eval 'on hostA timeout 10 "$PYTHON" -c "import socket, sys
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.settimeout(5)
try:
    s.sendall(b\"x\" * 100000)
    while s.recv(65536): pass
except (BrokenPipeError, ConnectionResetError): pass" "$M"'
check "lines that come together are answered in order" eval 'on hostA timeout 10 "$PYTHON" -c "import socket, sys
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.settimeout(5)
s.sendall(b\"vlan/print\n\" * 50 + b\"logout\n\")
got = b\"\"
while True:
    piece = s.recv(65536)
    if not piece: break
    got += piece
sys.exit(got.count(b\"1000 Success\") != 50 or not got.endswith(b\"9999 END OF SESSION\"))" "$M"'
check "one that does not read stops nobody" eval 'on hostA timeout 20 "$PYTHON" -c "import socket, subprocess, sys
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.setblocking(False)
try:
    while True: s.send(b\"help\n\" * 100)
except BlockingIOError: pass
t = socket.socket(socket.AF_UNIX); t.connect(sys.argv[1]); t.settimeout(5)
assert t.recv(100).startswith(b\"VDE switch\")" "$M" && ctl hostA status >/dev/null'
check "of many at a time the last are turned away" eval 'on hostA timeout 20 "$PYTHON" -c "import socket, sys
s = [socket.socket(socket.AF_UNIX) for _ in range(20)]
for x in s: x.connect(sys.argv[1]); x.settimeout(5)
sys.exit(sum(x.recv(100) != b\"\" for x in s) != 16)" "$M"'
check "afterwards there is room again" says showinfo '^VDE switch'

# ---- the end ----

check "shutdown ends the session" says shutdown '^9999 END OF SESSION<end>$'
check "and the port with its numbers" eval '! ctl hostA port show sw && ! ctl hostA port show sw.1 && [ ! -e "$V" ] && [ ! -e "$M" ]'
check "its clients see that" wait_until 5 eval '! kill -0 "${PLUG[vm1]}" 2>/dev/null'
check "the switch goes on" reaches vm8 "$(v4 vm8)"
check "a reload brings back what the file has" eval 'ctl hostA reload && shows sw state up && says vlan/print "^VLAN 0000"'
lab_end
