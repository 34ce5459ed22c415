#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Identifiers and groups: more groups than one socket may join, two switchd on one
# host that share identifiers, plain RFC 3378 peers with and without swapped
# nibbles, sources beyond the prefix.
#
#	hostA: switchd with 30 segments        hostB: the same 30 segments
#	       and beside it hostA2, a second  hostC: no switchd, a plain peer
#	       switchd with segment gamma      by hand (scapy)

# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
lab_begin "$@"

lab_host hostA 192.0.2.1/24
lab_host hostB 192.0.2.2/24
lab_host hostC 192.0.2.3/24 198.51.100.3/32
lab_guest vm1 vm2 vm3 vm4 vm5 vm6 vm7 vm8
lab_wire hostA hostB hostC
on hostC ip link set eth0 address 02:00:00:00:00:33
for host in hostA hostB; do
	on "$host" ip route add 198.51.100.3 dev eth0
done

segments() { # the 30 with identifiers 1 to 30; the last is seg30
	local n
	for n in $(seq 1 30); do
		segment "seg$n" "$n" 'encap = ( { type = "etherip"; uplink = "lan"; } ); '
		printf '\n'
	done
}
mapfile -t thirty < <(segments)
plain=$(segment plain 0 "$(etherip '' 'peers = [ "192.0.2.3" ]; ')")
swapped=$(segment swapped 0x102 "$(etherip '' 'peers = [ "198.51.100.3" ]; nibbles = "swapped"; ')")
far=$(segment far 0x203 "$(etherip 239.192.2.3 'sources = [ "198.51.100.0/24" ]; ')")

{
	echo 'ids = "shared";'
	uplink 192.0.2.1
	list segments "${thirty[@]}" "$plain" "$swapped" "$far"
	list ports "$(tap vm1 seg1)" "$(tap vm2 seg30)" "$(tap vm5 plain)" "$(tap vm6 swapped)" "$(tap vm8 far)"
} | lab_config hostA
{
	uplink 192.0.2.2
	list segments "${thirty[@]}" "$(segment gamma 0x301 "$(etherip 239.192.3.1)")"
	list ports "$(tap vm3 seg30)" "$(tap vm4 gamma)"
} | lab_config hostB
lab_start hostA
lab_start hostB

# The second switchd of host A has a name of its own for files and socket.
LAB_HOSTS+=(hostA2)
ln -s hostA /run/netns/hostA2
{
	echo 'ids = "shared";'
	uplink 192.0.2.1
	list segments "$(segment gamma 0x301 "$(etherip 239.192.3.1)")"
	list ports "$(tap vm7 gamma)"
} | lab_config hostA2
lab_start hostA2
address vm1 vm2 vm3 vm4 vm5 vm6 vm7 vm8

# ---- groups ----

groups=$(on hostA ip maddr show dev eth0 | grep -c 239.192.0.)
check "the host has joined the 30 default groups" equal "$groups" 30
check "all encaps say so" json "sum(e.get('joined', False) for e in d if e['segment'].startswith('seg')) == 30" <<<"$(ctl hostA -j encap show)"
check "the last of them carries traffic" reaches vm2 "$(v4 vm3)"
check "and only in its segment" unreachable vm1 "$(v4 vm3)"

# ---- two switchd on one host ----

check "the second switchd reaches host B in its own segment" reaches vm7 "$(v4 vm4)"
check "the first goes on" reaches vm3 "$(v4 vm2)"
check "identifiers are filtered in the kernel" json "all(e['kernel_filter'] for e in d)" <<<"$(ctl hostA -j encap show)"
check "so the other's frames are not even counted" equal "$(all_drops hostA unknown_id)" 0

# ---- plain peers ----

# Sends an ARP request of 10.0.0.99 for a guest in a plain EtherIP packet by hand,
# and prints the first two bytes of what comes back to hostC as an answer.
ask() { # OUTER-SOURCE HEADER-HEX GUEST
	on hostC "$PYTHON" - "$@" "$(v4 "$3")" <<'END'
import socket, sys, time
from scapy.layers.l2 import ARP, Ether
source, header, _, target = sys.argv[1:5]
out = socket.socket(socket.AF_INET, socket.SOCK_RAW, 97)
out.bind((source, 0))
out.settimeout(0.2)
frame = bytes(Ether(src="02:00:00:00:00:99", dst="ff:ff:ff:ff:ff:ff") /
              ARP(op=1, hwsrc="02:00:00:00:00:99", psrc="10.0.0.99", pdst=target))
end = time.time() + 5
while time.time() < end:
    out.sendto(bytes.fromhex(header) + frame, ("192.0.2.1", 0))
    try:
        while True:
            data, (peer, _) = out.recvfrom(2000)
            at = (data[0] & 15) * 4
            inner = Ether(data[at + 2:])
            if peer == "192.0.2.1" and ARP in inner and inner[ARP].op == 2:
                print(data[at:at + 2].hex(), inner[ARP].psrc)
                sys.exit(0)
    except socket.timeout:
        pass
sys.exit(1)
END
}
check "a plain peer is answered in plain EtherIP" equal "$(ask 192.0.2.3 3000 vm5)" "3000 $(v4 vm5)"
check "its station is located at it" json "[(e['segment'], e['dst']) for e in d if e['mac'] == '02:00:00:00:00:99'] == [('plain', '192.0.2.3')]" <<<"$(ctl hostA -j fdb show)"
check "a peer with swapped nibbles is answered in kind" equal "$(ask 198.51.100.3 1302 vm6)" "1302 $(v4 vm6)"
before=$(all_drops hostA foreign_source)
check_not "with the other's address it is not" ask 192.0.2.3 1302 vm6
check "but counted" [ "$(all_drops hostA foreign_source)" -gt "$before" ]

# ---- sources ----

check "a source in \`sources\` counts" equal "$(ask 198.51.100.3 3203 vm8)" "3203 $(v4 vm8)"
before=$(all_drops hostA foreign_source)
check_not "with \`sources\`, a mere neighbour does not" ask 192.0.2.3 3203 vm8
check "and is counted" [ "$(all_drops hostA foreign_source)" -gt "$before" ]

# ---- the host does not complain ----

capture hostC eth0 "$LAB/icmp.pcap" icmp
icmp=$LAB_LAST
ask 192.0.2.3 3fff vm5 >/dev/null 2>&1 || :
capture_end "$icmp"
check "no ICMP answers an identifier that nobody takes" equal "$(fields "$LAB/icmp.pcap" icmp icmp.type)" ""
lab_end
