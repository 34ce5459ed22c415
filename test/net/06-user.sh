#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Privileges: switchd runs as an ordinary user with ambient or file capabilities,
# or gives root up for `user`; what it keeps is little, and enough to add ports.
#
#	hostA   [ alpha ]--vm1  vm2  vm3 (added at run time)

# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
[ "$(id -u)" = 0 ] || lab_skip "switching users needs root"
lab_begin "$@"
# Being root may mean little, as in a container.
setpriv --reuid 65534 true 2>/dev/null || lab_skip "this root cannot switch users"

NOBODY=65534
CAPS=+net_admin,+net_raw

# A node that everybody may use, as Debian has it; only in this lab.
mknod -m 666 "$LAB/tun" c 10 200
mount --bind "$LAB/tun" /dev/net/tun 2>/dev/null || lab_skip "cannot open /dev/net/tun to ordinary users"

lab_host hostA 192.0.2.1/24
on hostA ip link add eth0 type veth peer name far
on hostA ip link set far up
lab_raise hostA
lab_guest vm1 vm2 vm3
write() { # MORE-KEYS
	{
		echo "$1"
		uplink 192.0.2.1
		list segments "$(segment alpha 1 "$(etherip 239.192.0.1)")"
		list ports "$(tap vm1 alpha)" "$(tap vm2 alpha)" \
			"{ name = \"sw\"; type = \"vde\"; segment = \"alpha\"; path = \"$LAB/vde\"; mode = \"0666\"; mgmt = \"$LAB/vde.mgmt\"; }"
	} | lab_config hostA
	chown -R "$NOBODY:$NOBODY" "$LAB/hostA.run"
}

state() { # KEY of /proc/PID/status
	sed -n "s/^$1:[[:space:]]*//p" "/proc/${LAB_PID[hostA]}/status" | tr '\t' ' '
}

judge() { # HOW
	address vm1 vm2
	check "$1: guests reach each other" reaches vm1 "$(v4 vm2)"
	check "$1: no uid is 0" equal "$(state Uid)" "$NOBODY $NOBODY $NOBODY $NOBODY"
	check "$1: effective capabilities are CAP_NET_ADMIN and CAP_NET_RAW" equal "$(state CapEff)" 0000000000003000
	check "$1: permitted ones are the same" equal "$(state CapPrm)" 0000000000003000
	check "$1: none is inherited by what it might execute" equal "$(state CapInh) $(state CapAmb)" "0000000000000000 0000000000000000"
	check "$1: no_new_privs is set" equal "$(state NoNewPrivs)" 1
	check "$1: a seccomp filter is in force" equal "$(state Seccomp)" 2
	check "$1: a port can be added" ctl hostA port add vm3 type tap segment alpha ifname eth0 netns vm3 mac "$(mac vm3)"
	address vm3
	check "$1: and works" reaches vm3 "$(v4 vm1)"
	check "$1: a reload works" ctl hostA reload
	check "$1: the control socket is closed to others" equal "$(stat -c %a "$LAB/hostA.sock")" 600
	check "$1: and belongs to the user" equal "$(stat -c %u "$LAB/hostA.sock")" "$NOBODY"
	check "$1: so do the sockets of a vde port" equal "$(stat -c %u "$LAB/vde" "$LAB/vde/ctl" "$LAB/vde.mgmt" | xargs)" "$NOBODY $NOBODY $NOBODY"
	check "$1: which serves root" equal "$(on hostA timeout 10 "$PYTHON" "$LAB_TOP/test/net/vdeclient.py" odd good "$LAB/vde")" granted
	check "$1: and other users" equal "$(on hostA timeout 10 setpriv --reuid 1 --regid 1 --clear-groups "$PYTHON" "$LAB_TOP/test/net/vdeclient.py" odd good "$LAB/vde")" granted
	lab_stop hostA
}

# The control socket lies in the lab's folder.
chown "$NOBODY" "$LAB"
touch "$LAB/hostA.log"
chown "$NOBODY" "$LAB/hostA.log"

# The programs may lie where only root can reach them.
mkdir -m 755 "$LAB/bin" "$LAB/bin/caps"
cp "$TVD_BIN/switchd" "$TVD_BIN/switchctl" "$LAB/bin/"
cp "$LAB/bin/switchd" "$LAB/bin/switchctl" "$LAB/bin/caps/"
TVD_BIN=$LAB/bin

# ---- ambient capabilities, as systemd's AmbientCapabilities gives them ----

write ''
LAB_WRAP=(setpriv --reuid "$NOBODY" --regid "$NOBODY" --clear-groups
	--inh-caps "$CAPS" --ambient-caps "$CAPS")
lab_start hostA
judge "ambient capabilities"

# ---- file capabilities ----

if setcap cap_net_admin,cap_net_raw=ep "$LAB/bin/caps/switchd" 2>/dev/null; then
	LAB_WRAP=(setpriv --reuid "$NOBODY" --regid "$NOBODY" --clear-groups)
	TVD_BIN=$LAB/bin/caps
	lab_start hostA
	judge "file capabilities"
	TVD_BIN=$LAB/bin
else
	LAB_CASES=$((LAB_CASES + 1))
	echo "ok $LAB_CASES - file capabilities # SKIP the file system has none"
fi

# ---- root at the start, then `user` ----

write 'user = "nobody";'
LAB_WRAP=()
lab_start hostA
judge "user = nobody"

# Without CAP_SETUID there is no switching to somebody else: refused, not ignored.
write 'user = "daemon";'
LAB_WRAP=(setpriv --reuid "$NOBODY" --regid "$NOBODY" --clear-groups
	--inh-caps "$CAPS" --ambient-caps "$CAPS")
refused=0
on hostA "${LAB_WRAP[@]}" timeout 10 "$TVD_BIN/switchd" -c "$LAB/hostA.conf" >"$LAB/refused.txt" 2>&1 || refused=$?
check "\`user\` without the right to switch is refused (status $refused)" [ "$refused" = 1 ]

# ---- nothing at all ----

write ''
LAB_WRAP=(setpriv --reuid "$NOBODY" --regid "$NOBODY" --clear-groups)
refused=0
on hostA "${LAB_WRAP[@]}" timeout 10 "$TVD_BIN/switchd" -c "$LAB/hostA.conf" >"$LAB/refused.txt" 2>&1 || refused=$?
check "without any capability it ends with status 1 and says which is missing" \
	grep -q -i 'cap_net' "$LAB/refused.txt"
lab_end
