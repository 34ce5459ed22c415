#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# The example of a host port, as it is in conf/examples: guests get addresses and
# names from dnsmasq on their host, and the outside from its nftables.
#
#	vm1 (TAP, all guards)--+
#	vm2 (TAP)--------------+-- lab -- lab0, hostA -- wire -- outside
#	vm3 (veth vnet3)-------+      10.77.0.1  192.0.2.1   192.0.2.2

# shellcheck disable=SC2016 # what eval is given stands in single quotes
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
lab_begin "$@"
for program in dnsmasq nft udhcpc; do
	command -v "$program" >/dev/null || lab_skip "no $program here (packages dnsmasq-base, nftables, udhcpc)"
done
[ "$(cat /proc/self/setgroups)" = allow ] || lab_skip "dnsmasq cannot give up its groups in a user namespace: run this as root"
transfer=$LAB_TOP/test/net/transfer.py
example=$LAB_TOP/conf/examples

lab_host hostA 192.0.2.1/24
lab_host outside 192.0.2.2/24
lab_wire hostA outside
lab_guest vm1 vm2 vm3
on hostA ip link add vnet3 type veth peer name eth0 netns vm3
on vm3 ip link set eth0 address "$(mac vm3)" up
lab_config hostA <"$example/hostport.conf"
lab_start hostA

# ---- what is there at the outside: a server, and names ----

background outside dnsmasq --keep-in-foreground --user=root --group=root --conf-file=/dev/null --no-resolv --no-hosts \
	--pid-file --address=/www.example/192.0.2.2 --bind-interfaces --interface=eth0 2>"$LAB/outside.dns"
upstream=$LAB_LAST
serve() { # WHERE
	background "$1" "$PYTHON" "$transfer" serve >"$LAB/$1.serve"
	wait_until 10 grep -q ready "$LAB/$1.serve" || lab_die "no server in $1"
}
serve outside
serve vm1

# ---- the example ----

snapshot() { # what the example may change on the host
	on hostA ip -4 -o addr show | sed 's/ *valid_lft.*//'
	on hostA nft list ruleset
	on hostA sh -c 'cd /proc/sys/net/ipv4; grep . ip_forward conf/*/forwarding'
	ls /run
}
hostport() { # start|stop
	on hostA env DNSMASQ_OPTIONS="--user=root --group=root --no-resolv --server=192.0.2.2" \
		sh "$example/hostport/hostport" "$@"
}
on hostA nft add table ip other # somebody else's, to be left alone
wait_until 10 eval 'ctl hostA -j port show host | json "d[0][\"state\"] == \"up\""' || lab_die "no host port"
before=$(snapshot)
check_not "an outside that is not there is refused" hostport start nosuch0
check "and nothing was changed" equal "$(snapshot)" "$before"
check "the example starts" hostport start
check "and once more" hostport start eth0
check_not "with another outside it has to be stopped first" hostport start lo

cat >"$LAB/lease" <<'END'
#!/bin/sh
# What udhcpc calls: takes the address, and leaves the machine's resolv.conf alone.
case $1 in
deconfig) ip addr flush dev "$interface" ;;
bound | renew)
	ip addr replace "$ip/$mask" dev "$interface"
	ip route replace default via "$router"
	echo "$ip $router $dns $domain" >"$LEASE"
	;;
esac
END
chmod +x "$LAB/lease"
lease() { # GUEST
	rm -f "$LAB/$1.lease"
	on "$1" env LEASE="$LAB/$1.lease" timeout 30 udhcpc -f -q -n -t "${2:-10}" -T 1 -i eth0 -s "$LAB/lease" 2>&1
}
leased() { # GUEST REGEX
	grep -Eqx "$2 10.77.0.1 10.77.0.1 lab.internal" "$LAB/$1.lease" || {
		cat "$LAB/$1.lease"
		return 1
	}
}
for guest in vm1 vm2 vm3; do
	wait_until 10 lab_raised "$guest" || lab_die "no eth0 in $guest"
	check "$guest gets a lease through the host port" lease "$guest"
done
check "vm1 the address that is its own" leased vm1 10.77.0.11
check "vm2 one of the range" leased vm2 '10.77.0.1[0-9][0-9]'
check "vm3, with an interface of others, too" leased vm3 '10.77.0.1[0-9][0-9]'
address_of() { # GUEST
	cut -d ' ' -f 1 "$LAB/$1.lease"
}

# ---- names ----

resolves() { # GUEST NAME ADDRESS
	on "$1" "$PYTHON" -c 'import socket, sys
name, expected = sys.argv[1:]
query = b"\x12\x34\x01\x00\0\x01\0\0\0\0\0\0" + b"".join(bytes([len(l)]) + l.encode() for l in name.split(".")) + b"\0\0\1\0\1"
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(1)
for _ in range(8):
    s.sendto(query, ("10.77.0.1", 53))
    try:
        answer = s.recv(512)
    except TimeoutError:
        continue
    seen = socket.inet_ntoa(answer[-4:]) if answer[6:8] != b"\0\0" else "nothing"
    print("seen", seen)
    sys.exit(seen != expected)
sys.exit("no answer")' "$2" "$3"
}
check "the host answers for its own name" resolves vm1 host.lab.internal 10.77.0.1
check "and for a guest's" resolves vm2 vm1.lab.internal 10.77.0.11
check "and asks outside for others" resolves vm3 www.example 192.0.2.2
finish "$upstream"

# ---- traffic ----

check "a guest pings the host" reaches vm1 10.77.0.1
check "and another guest" reaches vm1 "$(address_of vm2)"
for guest in vm1 vm2 vm3; do
	check "$guest pings the outside" reaches "$guest" 192.0.2.2
	check "and its data arrives there as sent" on "$guest" "$PYTHON" "$transfer" check 192.0.2.2
done
check "the host's data arrives at a guest as sent" on hostA "$PYTHON" "$transfer" check 10.77.0.11
check "superframes went whole from the host" json "d[0]['stats']['rx_segments'] > d[0]['stats']['rx_frames']" \
	<<<"$(ctl hostA -j port show host)"
check "and to it" json "d[0]['stats']['tx_segments'] > d[0]['stats']['tx_frames']" <<<"$(ctl hostA -j port show host)"
check "no offload metadata was bad" equal "$(all_drops hostA bad_offload)" 0
capture outside eth0 "$LAB/outside.pcap" "icmp or arp"
pid=$LAB_LAST
reaches vm1 192.0.2.2
capture_end "$pid"
check "the outside sees the host's address" [ -n "$(fields "$LAB/outside.pcap" 'ip.src == 192.0.2.1' frame.number)" ]
check "and none of a guest's" [ -z "$(fields "$LAB/outside.pcap" 'ip.addr == 10.77.0.0/24 || arp.src.proto_ipv4 == 10.77.0.0/24' frame.number)" ]

# ---- from the outside ----

on outside ip route add 10.77.0.0/24 via 192.0.2.1
connects() { # FROM ADDRESS PORT
	# shellcheck disable=SC2016 # the inner shell's
	on "$1" timeout 2 bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$2" "$3"
}
check "a guest is not reached from outside" unreachable outside 10.77.0.11
check_not "nor a server of its" connects outside 10.77.0.11 5000
check "nor the host's address in the segment" unreachable outside 10.77.0.1
check_not "nor its names" connects outside 10.77.0.1 53
serve hostA
check_not "a guest does not reach other servers of the host" connects vm1 10.77.0.1 5000
on hostA nft delete table inet tvdswitch_hostport
check "it is the rules that do that: without them, the guest" wait_until 5 connects outside 10.77.0.11 5000
check "and the host can be reached" connects outside 10.77.0.1 53
check "the rules come back" hostport start eth0
check_not "and keep the outside out again" connects outside 10.77.0.11 5000

# ---- guests that play server ----

send() { # GUEST HEX
	on "$1" "$PYTHON" -c 'import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("eth0", 0))
s.send(bytes.fromhex(sys.argv[1]))' "$2"
}
kill "$(cat /run/tvdswitch-hostport/dnsmasq.pid)"
background vm2 dnsmasq --keep-in-foreground --user=root --group=root --conf-file=/dev/null --no-resolv --no-hosts \
	--pid-file --port=0 --interface=eth0 --dhcp-range=10.77.0.200,10.77.0.250 --dhcp-authoritative \
	--dhcp-leasefile="$LAB/rogue.leases" --log-facility="$LAB/rogue"
rogue=$LAB_LAST
wait_until 10 grep -qs 'DHCP, IP range' "$LAB/rogue" || lab_die "no rogue server: $(cat "$LAB/rogue")"
check_not "a guest that plays DHCP server gives out nothing" lease vm3 4
check "it did try" grep -q 'DHCPOFFER(eth0)' "$LAB/rogue"
check "and was kept from it" [ "$(port_drops hostA vm2 guard_dhcp)" -gt 0 ]
finish "$rogue"
check "the host starts its own again" hostport start
check "and may" lease vm3
# IPv6, 16 bytes of ICMPv6 with hop limit 255, fe80::1 to ff02::1: a router advertisement.
ra=6000000000103afffe800000000000000000000000000001ff02000000000000000000000000000186000000400000000000000000000000
send vm2 "333300000001$(mac vm2 | tr -d :)86dd$ra"
check "nor can it call itself a router" wait_until 5 eval '[ "$(port_drops hostA vm2 guard_ra)" -gt 0 ]'
send vm1 "ffffffffffff$(mac vm1 | tr -d :)08060001080006040001$(mac vm1 | tr -d :)0a4d00010000000000000a4d0001"
check "nor can another take the host's address" wait_until 5 eval '[ "$(port_drops hostA vm1 guard_arp)" -gt 0 ]'
check "the host is still the host" reaches vm2 10.77.0.1

# ---- switchd comes and goes ----

check "a reload keeps the host's address" eval 'ctl hostA reload && reaches vm1 10.77.0.1'
lab_stop hostA
lab_start hostA
check "after a restart the example is started again" hostport start
check "and guests get leases again" eval 'wait_until 10 lab_raised vm1 && lease vm1 && leased vm1 10.77.0.11'
check "and the outside" reaches vm1 192.0.2.2

# ---- and all of it back ----

check "the example stops" hostport stop
check "and the host is as it was" equal "$(snapshot)" "$before"
check "also when it is stopped twice" hostport stop
check "a guest does not reach the outside any more" unreachable vm1 192.0.2.2
lab_end
