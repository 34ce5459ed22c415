#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# The accelerator of an uplink with Debian's kernel, whose verifier, tc and XDP are older:
# two hosts and a guest of each, all in one guest of QEMU.
#
#	vm1 [ g1--hostA---hostB--g2 ]

GUEST_FILES="/usr/sbin/tc /usr/sbin/ip /usr/sbin/ethtool"
# shellcheck source=SCRIPTDIR/../net/common.sh
. "$(dirname "$0")/../net/common.sh"
# shellcheck source=SCRIPTDIR/../lab/guest.sh
. "$(dirname "$0")/../lab/guest.sh"
guest_need
for program in $GUEST_FILES; do
	[ -x "$program" ] || lab_skip "there is no $program"
done
lab_begin "$@"
guest_need
GUEST_FILES="$GUEST_FILES $TVD_BIN/switchd $TVD_BIN/switchctl"
lab_host outside 192.0.2.1/24
lab_guest vm1
guest_image tun veth cls_bpf sch_ingress
guest_boot outside vm1 user
guest_up vm1

config() { # NAME PEER GUEST
	cat <<-END
		host = "$1"; control = "/tmp/$1.sock"; run_dir = "/tmp/$1.run";
		uplinks = ( { name = "lan"; interface = "eth9"; fast = "bpf"; } );
		segments = ( { name = "alpha"; id = 1; encap = ( { type = "etherip"; uplink = "lan"; peers = "$2"; } ); } );
		ports = ( { name = "$3"; type = "tap"; segment = "alpha"; ifname = "eth0"; netns = "$3"; mtu = 1400; } );
	END
}
run() { # COMMAND of several lines
	guest_run vm1 "$(tr '\n' ';' <<<"$1")"
}
put() { # FILE: in the guest, what is on stdin
	guest_run vm1 "echo $(base64 -w 0) | base64 -d >$1"
}
config hostA 192.0.2.2 g1 | put /tmp/hostA.conf
config hostB 192.0.2.1 g2 | put /tmp/hostB.conf
check "two hosts with a wire of no offloads" run "set -e
export PATH=/usr/sbin:\$PATH
mkdir -p /run/netns
for n in hostA hostB g1 g2
do /usr/sbin/ip netns add \$n; done
/usr/sbin/ip link add eth9 netns hostA type veth peer name eth9 netns hostB
n=1
for host in hostA hostB
do /usr/sbin/ip -n \$host addr add 192.0.2.\$n/24 dev eth9; /usr/sbin/ip -n \$host link set eth9 up; n=2; /usr/sbin/ip netns exec \$host /usr/sbin/ethtool -K eth9 tx off gro on; (/usr/sbin/ip netns exec \$host $TVD_BIN/switchd -c /tmp/\$host.conf </dev/null >/tmp/\$host.log 2>&1 &); done"
ask() { # HOST EXPRESSION
	guest_run vm1 "$TVD_BIN/switchctl -s /tmp/$1.sock -j $2 show" | json "$3"
}
works() { # HOST
	ask "$1" uplink "d[0]['accelerator']['sends'] and d[0]['accelerator']['receives']" 2>/dev/null
}
for host in hostA hostB; do
	check "the accelerator of $host works" wait_until 20 works "$host" ||
		guest_run vm1 "cat /tmp/$host.log" | sed 's/^/# /'
done
addresses() {
	run "/usr/sbin/ip -n g1 addr replace 10.0.0.1/24 dev eth0
/usr/sbin/ip -n g2 addr replace 10.0.0.2/24 dev eth0
/usr/sbin/ip netns exec g1 ping -c 1 -W 2 10.0.0.2"
}
check "guests reach each other" wait_until 20 addresses
check "a file comes unharmed by TCP" run "(/usr/sbin/ip netns exec g2 nc -ll -p 5000 -e cat /www/data </dev/null >/dev/null 2>&1 &)
(/usr/sbin/ip netns exec g2 nc -ll -p 5001 -e cat /www/sum </dev/null >/dev/null 2>&1 &)
/usr/sbin/ip netns exec g1 fetch 10.0.0.2"
check "by the accelerator, and merged" ask hostA encap "d[0]['accelerated']['rx'] > 1000 and d[0]['stats']['rx_merged'] > 500"
check "nothing of it is lost" ask hostA encap "d[0]['stats']['rx_drops'] == {}"
traces() { # HOST: programs and filters
	guest_run vm1 "/usr/sbin/ip -d -n $1 link show eth9; /usr/sbin/tc -n $1 filter show dev eth9 ingress" |
		grep -o 'prog/xdp\|tvdswitch:74766461' | xargs
}
check "a program and a filter" equal "$(traces hostA)" "prog/xdp tvdswitch:74766461"
guest_run vm1 "kill -9 \$(pidof switchd)" || :
only_filter() {
	equal "$(traces hostA)" "tvdswitch:74766461"
}
check "after SIGKILL the program goes" wait_until 10 only_filter
guest_run vm1 "(/usr/sbin/ip netns exec hostA $TVD_BIN/switchd -c /tmp/hostA.conf </dev/null >/tmp/hostA.log 2>&1 &)"
check "and is there again after a start" wait_until 20 works hostA
guest_run vm1 "kill \$(pidof switchd)" || :
nothing() {
	equal "$(traces hostA)" ""
}
check "after its end nothing is left" wait_until 10 nothing
lab_end
