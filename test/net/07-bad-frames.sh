#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Odd and bad frames of every length, from a guest and from the wire: each is
# delivered byte by byte, or dropped and counted with its reason.
#
#	hostA--vm1, vm2 (alpha)     peer (no switchd: it forges what is on the wire)
#	  +---------- wire ----------+

# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
lab_begin "$@"

lab_host hostA 192.0.2.1/24
lab_host peer 192.0.2.9/24
lab_guest vm1 vm2
lab_wire hostA peer
{
	uplink 192.0.2.1
	list segments "$(segment alpha 1 "$(etherip 239.192.0.1)")"
	list ports "$(tap vm1 alpha)" "$(tap vm2 alpha)"
} | lab_config hostA
lab_start hostA
address vm1 vm2
reaches vm1 "$(v4 vm2)"
wire=$LAB_TOP/test/net/wire.py

forge() { # WHAT...
	on peer "$PYTHON" "$wire" wire eth0 "$@"
}
# Drops of all reasons by what comes in from the wire, and frames that got in.
counted() { # REASON BEFORE EXPECTED
	[ $(($(all_drops hostA "$1") - $2)) = "$3" ]
}
# Forges, and waits until so many more drops of that reason are counted.
check_drops() { # TEXT WHAT REASON COUNT
	local before
	before=$(all_drops hostA "$3")
	forge "$2"
	if wait_until 5 counted "$3" "$before" "$4"; then
		pass "$1: $4 dropped, $3"
	else
		flunk "$1: $4 dropped, $3" "$3 counted $(($(all_drops hostA "$3") - before)) times; $(ctl hostA metrics | grep drop)"
	fi
}

# ---- from the guest: each length that a guest can send ----

capture vm2 eth0 "$LAB/vm2.pcap" ether proto 0x88b5
at_guest=$LAB_LAST
capture peer eth0 "$LAB/peer.pcap" ip proto 97
on_wire=$LAB_LAST
on vm1 "$PYTHON" "$wire" guest eth0 "$(mac vm1)" ff:ff:ff:ff:ff:ff
capture_end "$at_guest"
capture_end "$on_wire"
lengths() { # FILE OFFSET: the lengths seen, whole and with the right bytes
	"$PYTHON" - "$1" "$2" <<'END'
import sys
from scapy.utils import RawPcapReader
seen = []
for data, _ in RawPcapReader(sys.argv[1]):
    data = data[int(sys.argv[2]):]
    if data[12:14] == b"\x88\xb5":
        seen.append(str(len(data)) + ("" if data[14:].strip(b"\xa5") == b"" else "!"))
print(*seen)
END
}
check "frames of 14 to 70 bytes arrive at the other guest, byte by byte" \
	equal "$(lengths "$LAB/vm2.pcap" 0)" "$(seq -s ' ' 14 70)"
check "and on the wire, without a byte more" \
	equal "$(lengths "$LAB/peer.pcap" 36)" "$(seq -s ' ' 14 70)"

# ---- from the wire ----

capture vm1 eth0 "$LAB/vm1.pcap" ether proto 0x88b5
at_guest=$LAB_LAST
check_drops "inner frames of 0 to 13 bytes" lengths too_short 14
capture_end "$at_guest"
check "inner frames of 14 to 70 bytes arrive, byte by byte" \
	equal "$(lengths "$LAB/vm1.pcap" 0)" "$(seq -s ' ' 14 70)"
check_drops "no whole EtherIP header" truncated bad_header 2
check_drops "another version than 3" version bad_version 15
check_drops "identifiers of no segment" unknown unknown_id 4
check_drops "a source that is no neighbour" foreign foreign_source 1
check_drops "a group or zero address as source" source bad_source 3
check_drops "reserved destinations" reserved reserved 16

# Our own packets that come back tell nothing and are not learned from.
forge own
sleep 0.3
check "our own address as outer source: nothing is learned" \
	json "not [e for e in d if e.get('dst') == '192.0.2.1']" <<<"$(ctl hostA -j fdb show)"

# Outer fragments are put together by the kernel, and are then a packet as others; but a receive
# ring, which does not see them, gives way to the socket only after the first.
forge fragments
sleep 0.3
capture vm1 eth0 "$LAB/whole.pcap" ether proto 0x88b5
at_guest=$LAB_LAST
forge fragments good
capture_end "$at_guest"
check "a fragmented packet arrives whole" equal "$(lengths "$LAB/whole.pcap" 0)" "60 60"

# ---- reserved addresses and bad sources from a guest ----

capture vm2 eth0 "$LAB/reserved.pcap" ether proto 0x88b5
at_guest=$LAB_LAST
before=$(port_drops hostA vm1 reserved)
for i in $(seq 0 15); do
	on vm1 "$PYTHON" -c "import socket
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(('eth0', 0))
s.send(bytes.fromhex('0180c20000%02x' % $i + '525400000001' + '88b5') + b'\xa5' * 46)"
done
capture_end "$at_guest"
check "16 frames to reserved addresses: dropped, counted at the port" \
	equal "$(($(port_drops hostA vm1 reserved) - before))" 16
check "and none delivered" equal "$(lengths "$LAB/reserved.pcap" 0)" ""

check "and the switch works as before" reaches vm1 "$(v4 vm2)"
lab_end
