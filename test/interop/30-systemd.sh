#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# conf/systemd/switchd.service under Debian's systemd, which is the first process of a
# machine made for it (../lab/systemd.sh):
#
#	vm1, vm2   namespaces there with a TAP each, in segment alpha; vm2's is made after
#	           the service was started
#	vm3        the same, but its port is added by switchctl
#	vm4        a client of VDE, where there is one
#	vm5        on a veth of the host, which is a netdev port

# shellcheck disable=SC2016 # what eval is given stands in single quotes
# shellcheck source=SCRIPTDIR/../net/common.sh
. "$(dirname "$0")/../net/common.sh"
# shellcheck source=SCRIPTDIR/../lab/systemd.sh
. "$(dirname "$0")/../lab/systemd.sh"
systemd_need
lab_begin "$@"
lab_host hostA 192.0.2.1/24

# ---- installed ----

systemd_root
R=$SYSTEMD_ROOT
T=/usr/local/lib/test
mkdir -p "$R/usr/local/lib/systemd/system" "$R/usr/local/lib/sysusers.d" "$R/etc/tvdswitch" "$R$T"
install -m 0755 "$TVD_BIN/switchd" "$TVD_BIN/switchctl" "$R/usr/local/sbin/"
install -m 0644 "$LAB_TOP/conf/systemd/switchd.service" "$R/usr/local/lib/systemd/system/"
install -m 0644 "$LAB_TOP/conf/systemd/tvdswitch.sysusers.conf" "$R/usr/local/lib/sysusers.d/tvdswitch.conf"
install -m 0644 "$LAB_TOP/test/net/stream.py" "$LAB_TOP/test/net/transfer.py" "$R$T/"
configuration() {
	list segments "$(segment alpha 1)"
	list ports "$(tap vm1 alpha)" "$(tap vm2 alpha)" \
		'{ name = "vde"; type = "vde"; segment = "alpha"; path = "/run/tvdswitch/vde"; }'
}
# What systemd knows of a service that has ended it forgets if nothing speaks of that.
mkdir "$R/etc/systemd/system/lab.target.d"
printf '[Unit]\nAfter=switchd.service\n' >"$R/etc/systemd/system/lab.target.d/remember.conf"
configuration >"$R/etc/tvdswitch/switchd.conf"
chroot "$R" systemd-sysusers tvdswitch.conf
systemd_start hostA

unit() { # PROPERTY
	inside systemctl show -P "$1" switchd
}
is() { # PROPERTY VALUE
	[ "$(unit "$1")" = "$2" ]
}
sctl() {
	inside timeout 20 switchctl "$@"
}
up() { # PORT
	sctl -j port show "$1" 2>/dev/null | json "d[0]['state'] == 'up'"
}
guest() { # NAME
	inside ip netns add "$1"
	inside_guest "$1" ip link set lo up
}
gives_address() { # GUEST
	wait_until 10 up "$1" && wait_until 10 inside_guest "$1" ip link show dev eth0 up >/dev/null 2>&1 &&
		inside_guest "$1" ip addr replace "$(v4 "$1")/24" dev eth0
}
answered() { # FROM TO
	inside_guest "$1" ping -q -n -c 1 -W 1 "$(v4 "$2")" >/dev/null 2>&1
}
joined() { # FROM TO
	wait_until 10 answered "$1" "$2"
}
interface() { # GUEST: index, MAC, addresses
	inside_guest "$1" ip -o -4 addr show dev eth0
	inside_guest "$1" ip -o link show dev eth0 | grep -o '^[0-9]*:\|ether [0-9a-f:]*'
}
absent() { # GUEST
	! inside_guest "$1" ip link show dev eth0 >/dev/null 2>&1
}
lost() { # PING-OUTPUT: packets
	awk '/packets transmitted/ { print $1 - $4 }' "$1"
}
journal() { # [ARGS]
	inside journalctl -q --no-pager -o cat -u switchd "$@"
}

# ---- started ----

check "the unit is as systemd wants it" eval 'said=$(inside systemd-analyze verify --man=no switchd.service 2>&1) && equal "$said" ""'
guest vm1
check "it starts" inside systemctl start switchd
check "it is active since it has said that it serves" eval 'is ActiveState active && is SubState running && is Type notify && is StatusText serving'
pid=$(unit MainPID)
check "as the user of its own" equal "$(inside stat -c %U "/proc/$pid")" tvdswitch
check "with two capabilities" equal "$(inside awk '/^Cap(Eff|Bnd)/ { print $2 }' "/proc/$pid/status" | xargs)" '0000000000003000 0000000000003000'
check "and its filter of system calls" equal "$(inside awk '/^(NoNewPrivs|Seccomp):/ { print $2 }' "/proc/$pid/status" | xargs)" '1 2'
check "a guest's namespace is found" gives_address vm1
check "one that is not there yet is waited for" eval '! up vm2'
guest vm2
check "until it is made" gives_address vm2
guest vm3
check "so is that of a port that switchctl adds" sctl port add vm3 type tap segment alpha ifname eth0 netns vm3 mac "$(mac vm3)"
gives_address vm3
check "guests reach each other" eval 'joined vm1 vm2 && joined vm3 vm1'
check "a directory for clients of VDE can be made" up vde
if inside sh -c 'command -v vde_plug2tap' >/dev/null; then
	guest vm4
	inside_guest vm4 vde_plug2tap -s vde:///run/tvdswitch/vde eth0 >"$LAB/plug" 2>&1 &
	wait_until 10 inside_guest vm4 ip link show dev eth0 >/dev/null 2>&1 ||
		lab_die "vde_plug2tap: $(cat "$LAB/plug"; sctl port show vde)"
	inside_guest vm4 ip link set eth0 up
	inside_guest vm4 ip addr add "$(v4 vm4)/24" dev eth0
	check "so does a client of VDE" joined vm4 vm1
	vde=1
else
	echo "# there is no vde_plug2tap (package vde2)"
	vde=
fi
guest vm5
inside ip link add veth5 type veth peer name eth0 netns vm5
inside_guest vm5 ip link set eth0 up
inside_guest vm5 ip addr add "$(v4 vm5)/24" dev eth0
check "an interface of the host can be a port" sctl port add vm5 type netdev segment alpha interface veth5
check "and its guest reaches others" joined vm5 vm1
client() {
	[ -z "$vde" ] || { joined vm4 vm1 && up vde/1; }
}

# ---- restarted ----

behind_guest vm2 "$PYTHON" $T/transfer.py serve >"$LAB/serve"
serve=$LAB_LAST
wait_until 10 grep -qs ready "$LAB/serve" || lab_die "no server"
behind_guest vm1 "$PYTHON" $T/stream.py "$(v4 vm2)" /run/stop >"$LAB/stream" 2>&1
stream=$LAB_LAST
behind_guest vm1 ping -n -q -i 0.05 "$(v4 vm2)" >"$LAB/ping"
ping=$LAB_LAST
wait_until 10 grep -qs ready "$LAB/stream" || lab_die "no stream"
before=$(interface vm1; interface vm2; interface vm3)
sleep 0.5
for n in 1 2 3; do
	check "restart $n under traffic" inside systemctl restart switchd
	sleep 0.3
done
check "is a new process" eval '! is MainPID $pid'
check "interfaces and addresses are the same, also of what switchctl has added" equal "$(interface vm1; interface vm2; interface vm3)" "$before"
check "guests go on" eval 'joined vm1 vm2 && joined vm3 vm1'
check "a client of VDE, too" client
check "and one on an interface of the host" joined vm5 vm1
inside touch /run/stop
wait "$stream" && status=0 || status=$?
check "a TCP connection has lasted, with every byte" equal "$status $(grep -v ready "$LAB/stream" | sed 's/[0-9]* bytes/bytes/')" "0 bytes"
finish "$ping" INT
finish "$serve" KILL
echo "# lost in three restarts: $(lost "$LAB/ping") of $(awk '/packets trans/ { print $1 }' "$LAB/ping")"
check "of pings at most ten are lost at each" [ "$(lost "$LAB/ping")" -le 30 ]

# ---- reloaded ----

pid=$(unit MainPID)
configuration | sed 's/mac = "52:54:00:00:00:02"/state = "locked"; &/' | inside tee /etc/tvdswitch/switchd.conf >/dev/null
check "a reload succeeds" inside systemctl reload switchd
check "and is in force" wait_until 10 eval '[ "$(sctl -j port show vm2 | json "d[0][\"state\"]")" = locked ]'
configuration | inside tee /etc/tvdswitch/switchd.conf >/dev/null
inside systemctl reload switchd
check "and back" eval 'wait_until 10 up vm2 && joined vm1 vm2'
echo 'nonsense = 1;' | inside tee /etc/tvdswitch/switchd.conf >/dev/null
check_not "a configuration with a fault fails to be reloaded" inside systemctl reload switchd
check "the fault is in the journal" wait_until 10 eval 'journal | finds "switchd.conf:1"'
check "it runs as before" eval 'is MainPID $pid && is ActiveState active && joined vm1 vm2'
inside kill -HUP "$pid"
check "told to reload all the same, it says so in its state" wait_until 10 eval 'unit StatusText | finds "serving; the last reload was refused: .*switchd.conf:1"'
check "and goes on" eval 'is MainPID $pid && is ActiveState active && joined vm1 vm2'
configuration | inside tee /etc/tvdswitch/switchd.conf >/dev/null
inside systemctl reload switchd
check "until a reload is well" wait_until 10 is StatusText serving
echo 'nonsense = 2;' | inside tee /etc/tvdswitch/switchd.conf >/dev/null
sctl reload >/dev/null 2>&1 || :
check "so it does when switchctl was refused" wait_until 10 eval 'unit StatusText | finds "refused: .*nonsense"'
configuration | inside tee /etc/tvdswitch/switchd.conf >/dev/null

# ---- killed, and stuck ----

before=$(interface vm1; interface vm2)
killed=$(date +%s%N)
inside kill -KILL "$pid"
check "killed, it is there again" wait_until 15 eval '! is MainPID $pid && is ActiveState active && is StatusText serving'
check "guests reach each other" joined vm1 vm2
echo "# $((($(date +%s%N) - killed) / 1000000)) ms after it was killed"
check "on the interfaces that they had" equal "$(interface vm1; interface vm2)" "$before"
check "a client of VDE is there, too" client
check "what switchctl had added is gone" wait_until 10 absent vm3
inside mkdir -p /run/systemd/system/switchd.service.d
check "a group of VDE is refused with a hint" eval 'sctl port add group type vde segment alpha path /run/tvdswitch/group group tvdswitch && sctl -j port show group | json "d[0][\"why\"]" | grep -q "CAVEATS in switchd-vde(7)"'
check "other sockets can have a group" eval 'sctl port add dgram type dgram segment alpha path /run/tvdswitch/d remote /run/tvdswitch/e group tvdswitch mode 0660 && [ "$(inside stat -c "%a %G" /run/tvdswitch/d)" = "660 tvdswitch" ] && sctl port del dgram'
printf '[Service]\nWatchdogSec=2\nRestrictSUIDSGID=no\n' | inside tee /run/systemd/system/switchd.service.d/soon.conf >/dev/null
check "the unit has a watchdog" equal "$(unit WatchdogUSec)" 30s
inside systemctl daemon-reload
inside systemctl restart switchd
pid=$(unit MainPID)
sleep 3
check "which it feeds" eval 'is MainPID $pid && is ActiveState active'
check "with a drop-in a group of VDE is possible" eval 'up group && [ "$(inside stat -c "%a %G" /run/tvdswitch/group)" = "3700 tvdswitch" ]'
inside kill -STOP "$pid"
check "when it hangs, it is started anew" wait_until 20 eval '! is MainPID $pid && is ActiveState active && is StatusText serving'
check "guests reach each other again" joined vm1 vm2
check "on the interfaces that they had, still" equal "$(interface vm1; interface vm2)" "$before"
check "and over VDE" client

# ---- stopped ----

check "it stops" inside systemctl stop switchd
check "with status 0" eval 'is ActiveState inactive && is Result success && is ExecMainStatus 0 && is ExecMainCode 1'
check "and takes its interfaces along" wait_until 5 eval 'absent vm1 && absent vm2'
check "and its directory" eval '! inside test -e /run/tvdswitch'
check "it starts again, with nothing kept" eval 'inside systemctl start switchd && gives_address vm1 && gives_address vm2 && joined vm1 vm2'
bad=$(journal -p warning | grep -v 'reload refused' || :)
check "the journal has no other complaint" equal "$bad" ''
inside systemctl stop switchd
[ "$LAB_FAILED" = 0 ] || journal | sed 's/^/# /'
systemd_stop
lab_end
